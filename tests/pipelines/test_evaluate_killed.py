"""An evaluation that is killed ends like one that was left alone."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from pipelines import evaluate
from tests.pipelines.command_process import CommandProcess
from tests.pipelines.evaluation.checkpoints import write_checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.slow]

IMAGES = 128
"""8 units a candidate."""


class EvaluationProcess(CommandProcess):
    """`evaluate.py` on a small network and a classical method."""

    def __init__(self, data: str, folder: Path, checkpoint: Path) -> None:
        """Plan it."""
        super().__init__("evaluate.py", folder)
        self.out = folder / "out"
        given = {"data": data, "output": self.out, "images": IMAGES, "latency-images": 0}
        given |= {"actors": 2, "tracking.uri": f"sqlite:///{folder}/mlflow.db"}
        words = [f"--{name}={value}" for name, value in given.items()]
        self.words = ["--models", f"small={checkpoint}", "telea", *words]

    def parts(self) -> dict[Path, int]:
        """The parts that are there, and when each was written."""
        found = self.out.glob("parts/*/*.parquet")
        return {path.relative_to(self.out): path.stat().st_mtime_ns for path in found}

    def wait_for_parts(self, count: int) -> None:
        """Wait until so many units are done."""
        until = time.monotonic() + 300
        while len(self.parts()) < count:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.01)

    def actors(self) -> list[psutil.Process]:
        """The processes that measure."""
        return self.children("Measurer")

    def scores(self) -> pd.DataFrame:
        """The per-image table."""
        return pd.read_parquet(self.out / "scores.parquet")


def test_a_killed_driver_and_killed_actors_change_no_row(prepared, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "model")
    undisturbed = EvaluationProcess(prepared, tmp_path / "undisturbed", checkpoint)
    assert evaluate.main(undisturbed.words) == 0

    killed = EvaluationProcess(prepared, tmp_path / "killed", checkpoint)
    killed.start()
    killed.wait_for_parts(4)
    killed.kill()
    kept = killed.parts()
    assert 4 <= len(kept) < 13

    killed.start()
    killed.wait_for_parts(len(kept) + 3)
    actors = killed.actors()
    assert actors
    for actor in actors:
        with suppress(psutil.NoSuchProcess):
            actor.kill()
    assert killed.finish() == 0, killed.output[-4000:]
    assert "kept from an earlier run" in killed.output
    assert {path: killed.parts()[path] for path in kept} == kept
    pd.testing.assert_frame_equal(killed.scores(), undisturbed.scores())
    assert len(killed.scores()) == IMAGES * 5
