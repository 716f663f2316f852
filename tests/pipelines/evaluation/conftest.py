"""Evaluations as a user starts them, on small new networks."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.pipelines.evaluation.checkpoints import FACTS, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    """Write a checkpoint as training does; facts may be added or changed."""

    def write(name="ours", *, seed=0, about=FACTS, generator=None):
        return write_checkpoint(tmp_path / name, seed=seed, about=about, generator=generator)

    return write


@pytest.fixture
def run(prepared, tracking_uri, tmp_path):
    """Evaluate models, 4 images if nothing else is said; return the exit code."""

    from pipelines import evaluate

    def main(*models, flags=(), **options):
        given = {
            "data": prepared,
            "images": 4,
            "output": tmp_path / "out",
            "latency-images": 0,
            "tracking.uri": tracking_uri,
        }
        words = [f"--{name}={value}" for name, value in {**given, **options}.items()]
        return evaluate.main(["--models", *map(str, models), *words, *flags])

    return main


@pytest.fixture
def scores(tmp_path):
    """The rows that the last evaluation left."""
    return lambda: pd.read_parquet(tmp_path / "out" / "scores.parquet")
