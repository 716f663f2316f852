"""What a job tells Prometheus is what became of its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.bulk.metrics import METRICS
from pipelines.storage import printable
from tests.pipelines.bulk.conftest import Start
from tests.pipelines.exporting import exported, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_job_tells_what_became_of_its_pictures(
    start: Start, photos: Path, tmp_path: Path
) -> None:
    mask = next(path for path in sorted((tmp_path / "masks").rglob("*")) if path.is_file())
    mask.unlink()
    outcome = start()
    assert (outcome.done, outcome.failed) == (11, 1)
    job = printable(str(tmp_path / "out"))

    def told() -> dict[str, float]:
        found = exported("ray_isnet_bulk_pictures_total", bulk_job=job)
        return {sample.labels["outcome"]: sample.value for sample in found}

    wait_for(lambda: told() == {"filled": 11, "no_mask": 1})
    (measured,) = exported("ray_isnet_bulk_measured_total", bulk_job=job)
    assert measured.value == 12
    names = {series for metric in METRICS for series in metric.exported}
    wait_for(lambda: all(exported(name, bulk_job=job) for name in names - _GONE))
    spent = exported("ray_isnet_bulk_seconds_total", bulk_job=job)
    assert {sample.labels["part"] for sample in spent} == {"read", "model", "write"}
    assert sum(sample.value for sample in exported("ray_isnet_bulk_passes_total")) >= 1


_GONE = {"ray_isnet_bulk_pictures_left"}
"""With the command."""
