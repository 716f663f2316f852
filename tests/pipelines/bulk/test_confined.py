"""Jobs that must keep to some folders: links lead neither in nor out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyarrow import parquet

from pipelines.bulk.output import claim_output
from pipelines.bulk.survey import survey
from tests.pipelines.bulk.pictures import results_of, write_masks, write_pictures

pytestmark = pytest.mark.ray


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve pictures with masks, in a folder beside which there are others."""
    write_pictures(tmp_path / "root/photos", 12)
    write_masks(tmp_path / "root/masks", tmp_path / "root/photos")
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def inside(root: Path) -> dict[str, object]:
    """What a job is given that keeps to a folder."""
    places = {name: str(root / name) for name in ("photos", "masks", "out")}
    return {
        "input": places["photos"],
        "masks": places["masks"],
        "output": places["out"],
        "within": (str(root),),
        "actors": "1",
    }


def failures(output: Path) -> dict[str, str]:
    rows = parquet.read_table(output / "results.parquet").to_pylist()
    return {row["input"]: row["reason"] for row in rows if row["status"] == "failed"}


def test_pictures_and_masks_that_are_links_out_fail_alone(root, start, tmp_path):
    secret = tmp_path / "outside/secret.png"
    shutil.copy(root / "photos/a/000.png", secret)
    for link in (root / "photos/a/000.png", root / "masks/b/001.png"):
        link.unlink()
        link.symlink_to(secret)
    outcome = start(**inside(root))
    assert (outcome.done, outcome.failed) == (10, 2)
    assert failures(root / "out") == {"a/000.png": "unusable", "b/001.png": "unusable"}
    assert "a/000.png" not in results_of(root / "out")


def test_results_go_through_no_link_out(root, start, configured, tmp_path):
    found = survey(configured(**inside(root)))
    claim_output(found.config.output, found.identity)
    (root / "out/a").symlink_to(tmp_path / "outside")
    outcome = start(**inside(root))
    assert (outcome.done, outcome.failed) == (6, 6)
    assert not list((tmp_path / "outside").iterdir())
    assert all(name.startswith("b/") for name in results_of(root / "out"))
    assert set(failures(root / "out").values()) == {"unsafe_name"}
