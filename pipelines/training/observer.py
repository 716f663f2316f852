"""Rank 0's eyes on training: progress lines, MLflow metrics, validations."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor, nn

from isnet.metrics import psnr, round_to_8_bits
from pipelines.progress import clock
from pipelines.tracking.tracker import Tracker
from pipelines.training.config import TrainConfig
from pipelines.training.streams import Batch
from pipelines.training.validation import Validation


class Observer:
    """Rank 0's eyes: progress lines, MLflow metrics, validations."""

    def __init__(self, config: TrainConfig, tracker: Tracker) -> None:
        """Load the held-out images that every validation looks at."""
        self.tracker = tracker
        self.last_validation: dict[str, float] = {}
        self._config = config
        self._validation = Validation(config)
        self._undecodable = 0
        self._since, self._steps = time.monotonic(), 0

    def count(self, batch: Batch) -> None:
        """Count a step, and rows that a neighbour had to stand in for."""
        self._steps += 1
        self._undecodable += int((~batch["decoded"]).sum())

    def log(
        self, step: int, values: Mapping[str, Tensor], ground_truth: Tensor, valid: Tensor
    ) -> None:
        """Print one progress line; the same numbers go to MLflow."""
        terms = {name: float(value) for name, value in values.items() if name != "prediction"}
        composite = torch.where(valid, ground_truth, values["prediction"])
        batch_psnr = psnr(round_to_8_bits(composite), ground_truth)
        finite = batch_psnr[batch_psnr.isfinite()]
        train_psnr = float(finite.mean()) if len(finite) else math.nan
        seconds = time.monotonic() - self._since
        rate = self._steps * self._config.batch_size / seconds
        left = (self._config.steps - step) * seconds / self._steps
        self._since, self._steps = time.monotonic(), 0
        print(
            f"step {step}/{self._config.steps}  {rate:.1f} samples/s  "
            + "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
            + f"  PSNR {train_psnr:.2f} dB  {clock(left)} left",
            flush=True,
        )
        self.tracker.metrics(
            step,
            {f"train/{name}": value for name, value in terms.items()}
            | {
                "train/psnr": train_psnr,
                "train/samples_per_second": rate,
                "train/undecodable_rows": self._undecodable,
            },
        )

    def validate(self, step: int, generator: nn.Module) -> None:
        """Measure the averaged generator on held-out images and keep a sample grid."""
        started = time.monotonic()
        summaries, grid = self._validation.run(generator)
        values = {
            f"validation/{method}/{name}": value
            for method, summary in summaries.items()
            for name, value in asdict(summary).items()
        }
        self.last_validation = values
        self.tracker.metrics(step, values)
        self.tracker.image("samples", step, grid)
        scores = "  ".join(
            f"{method} {summary.psnr:.2f} dB" for method, summary in summaries.items()
        )
        print(f"step {step}  held-out PSNR: {scores}", flush=True)
        # Validation is not training: it must not slow the samples/s of the next line.
        self._since += time.monotonic() - started
