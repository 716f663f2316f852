"""What a campaign would cost, before it is run: its trials, their resources, operations, hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isnet.counting import count
from isnet.losses import needs_extractor
from pipelines.reporting.markdown import markdown_table
from pipelines.training.config import AUTO, TrainConfig
from pipelines.tuning.trials import Trial


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A trial and its training run."""

    trial: Trial
    config: TrainConfig
    repeats: int = 1
    """Trials like it, where a search proposes them one by one."""

    @property
    def samples(self) -> int:
        """Images that each of them trains on."""
        return self.config.steps * self.config.batch_size

    def flop(self, size: int) -> float:
        """Operations of training each of them on pictures of `size`."""
        networks = count(
            self.config.generator,
            self.config.discriminator,
            size=self.config.crop_size or self.config.size or size,
            extractor=needs_extractor(self.config.loss.weights()),
        )
        return float(self.samples) * networks.step_flop


def estimate(planned: Sequence[Planned], *, size: int, tflops: float) -> str:
    """Lay out trials, resources, samples, operations and GPU hours.

    Args:
        planned: the trials.
        size: side of the prepared pictures.
        tflops: what a GPU is taken to sustain.

    """
    table = markdown_table(
        ["trial", "options", "steps", "samples", "FLOP"], [_row(plan, size) for plan in planned]
    )
    samples = sum(plan.repeats * plan.samples for plan in planned)
    flop = sum(plan.repeats * plan.flop(size) for plan in planned)
    return (
        f"{table}\n{_resources(planned[0].config)}\n"
        f"In all: {sum(plan.repeats for plan in planned)} trials, {samples:,} samples, "
        f"{flop:.2e} FLOP: {flop / (tflops * 1e12) / 3600:,.1f} GPU hours at {tflops:g} TFLOP/s "
        "sustained (--assumed-tflops), without validations and scores.\n"
    )


def _row(plan: Planned, size: int) -> list[str]:
    options = ", ".join(f"{name} {_short(value)}" for name, value in plan.trial.overrides.items())
    name = plan.trial.name if plan.repeats == 1 else f"{plan.repeats} of {plan.trial.name}"
    figures = [f"{plan.config.steps:,}", f"{plan.samples:,}", f"{plan.flop(size):.2e}"]
    return [name, options, *figures]


def _resources(config: TrainConfig) -> str:
    workers = (
        "a worker for each GPU"
        if config.num_workers == AUTO
        else f"{config.num_workers} worker(s) of {config.cpus_per_worker:g} CPUs"
    )
    gpu = f"{config.gpus_per_worker:g} GPU"
    where = {"cpu": "on CPUs", "gpu": f"and {gpu} each"}.get(
        config.device, f"and, where the cluster has GPUs, {gpu} each"
    )
    return f"Each trial: {workers} {where}."


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
