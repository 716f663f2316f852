"""Rank 0's eyes on training: progress lines, MLflow metrics, validations."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from isnet.metrics import psnr, round_to_8_bits
from pipelines.logs import say
from pipelines.progress import clock
from pipelines.tracking.tracker import Tracker
from pipelines.training.config import TrainConfig
from pipelines.training.link import Curve
from pipelines.training.metrics import RunMetrics
from pipelines.training.validation import Validation

_log = logging.getLogger(__name__)


@dataclass
class _Tally:
    """What adds up over a run."""

    undecodable_rows: int = 0
    rollbacks: int = 0
    best_psnr: float = -math.inf
    validations_since_best: int = 0
    curve: Curve = field(default_factory=list)

    def compare(self, step: int, psnr: float) -> None:
        """Count a validation."""
        self.curve = [*self.curve, (step, psnr)]
        if psnr > self.best_psnr:
            self.best_psnr, self.validations_since_best = psnr, 0
        else:
            self.validations_since_best += 1


class Observer:
    """Rank 0's eyes: progress lines, MLflow metrics, validations."""

    def __init__(self, config: TrainConfig, tracker: Tracker, metrics: RunMetrics) -> None:
        """Load the held-out images that every validation looks at."""
        self.tracker, self._metrics = tracker, metrics
        self.psnr = math.nan
        """Held-out PSNR of the weights as they are now, NaN where they were not validated."""
        self._config = config
        self._validation = Validation(config)
        self._tally = _Tally()
        self._since, self._steps = time.monotonic(), 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return asdict(self._tally)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self._tally = _Tally(**state)
        self.psnr = math.nan

    @property
    def curve(self) -> Curve:
        """The validations so far."""
        return self._tally.curve

    def count(self, *, undecodable: int, rollbacks: int) -> None:
        """Count a step, the rows of all ranks that could not be decoded, and rollbacks so far."""
        self._steps += 1
        self._tally.undecodable_rows += undecodable
        self._tally.rollbacks = rollbacks
        self.psnr = math.nan

    @property
    def gives_up(self) -> bool:
        """Whether validations have stopped to get better."""
        patience = self._config.early_stop
        return 0 < patience <= self._tally.validations_since_best

    def log(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Print one progress line; the same numbers go to MLflow.

        Args:
            step: steps trained.
            values: loss terms, and this rank's `ground_truth`, `valid` and `prediction`.

        """
        terms = {name: float(value) for name, value in values.items() if value.ndim == 0}
        ground_truth = values["ground_truth"]
        composite = torch.where(values["valid"], ground_truth, values["prediction"])
        batch_psnr = psnr(round_to_8_bits(composite), ground_truth)
        finite = batch_psnr[batch_psnr.isfinite()]
        train_psnr = float(finite.mean()) if len(finite) else math.nan
        seconds = time.monotonic() - self._since
        rate = self._steps * self._config.batch_size / seconds
        left = (self._config.steps - step) * seconds / self._steps
        self._since, self._steps = time.monotonic(), 0
        say(
            _log,
            f"step {step}/{self._config.steps}  {rate:.1f} samples/s  "
            + "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
            + f"  PSNR {train_psnr:.2f} dB  {clock(left)} left",
            step=step,
            steps=self._config.steps,
            samples_per_second=rate,
            seconds_left=left,
            psnr_db=train_psnr,
            **{f"loss_{name}": value for name, value in terms.items()},
        )
        self._metrics.logged(terms)
        self.tracker.metrics(
            step,
            {f"train/{name}": value for name, value in terms.items()}
            | {
                "train/psnr": train_psnr,
                "train/samples_per_second": rate,
                "train/undecodable_rows": self._tally.undecodable_rows,
                "train/rollbacks": self._tally.rollbacks,
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
            if value is not None  # LPIPS, which a validation does not measure
        }
        self.psnr = summaries["progressive"].psnr
        self._metrics.validated({method: summary.psnr for method, summary in summaries.items()})
        self._tally.compare(step, self.psnr)
        self.tracker.metrics(step, values)
        self.tracker.image("samples", step, grid)
        scores = "  ".join(
            f"{method} {summary.psnr:.2f} dB" for method, summary in summaries.items()
        )
        say(
            _log,
            f"step {step}  held-out PSNR: {scores}",
            step=step,
            **{f"{method}_psnr_db": summary.psnr for method, summary in summaries.items()},
        )
        # Validation is not training: it must not slow the samples/s of the next line.
        self._since += time.monotonic() - started
