"""Evaluations as a user starts them, in a folder of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pipelines import evaluate
from pipelines.tracking.runs import TrackingConfig, open_run
from tests.pipelines.evaluation.checkpoints import FACTS, write_checkpoint


class Evaluations:
    """A folder with checkpoints, and what the last evaluation wrote."""

    def __init__(self, folder: Path, data: str, tracking_uri: str) -> None:
        """Plan them.

        Args:
            folder: where all of it goes.
            data: the prepared data set.
            tracking_uri: a database of MLflow's for these evaluations alone.

        """
        self.folder = folder
        self.out = folder / "out"
        self.tracking_uri = tracking_uri
        self._data = data

    def training_run(self) -> str:
        """Open a run as training does; return its id."""
        return open_run(TrackingConfig(uri=self.tracking_uri), name="run", params={}, tags={})

    def checkpoint(
        self,
        name: str = "ours",
        *,
        seed: int = 0,
        about: Mapping[str, Any] = FACTS,
        generator: torch.nn.Module | None = None,
    ) -> Path:
        """Write a checkpoint as training does; facts may be added or changed."""
        return write_checkpoint(self.folder / name, seed=seed, about=about, generator=generator)

    def run(self, *models: object, flags: Sequence[str] = (), **options: object) -> int:
        """Evaluate 4 images in one process, if nothing else is said; return the exit code."""
        given = {
            "data": self._data,
            "images": 4,
            "output": self.out,
            "actors": 1,  # each takes seconds to start
            "latency-images": 0,
            "tracking.uri": self.tracking_uri,
        }
        words = [f"--{name}={value}" for name, value in {**given, **options}.items()]
        return evaluate.main(["--models", *map(str, models), *words, *flags])

    def scores(self) -> pd.DataFrame:
        """The rows that the last evaluation left."""
        return pd.read_parquet(self.out / "scores.parquet")
