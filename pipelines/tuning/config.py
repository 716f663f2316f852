"""What a campaign is: the training configuration its trials share, and their number and budget."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from isnet.config import InputError
from pipelines.training.config import TrainConfig

VALIDATIONS = 5
"""Validations that a trial has at least, however small its budget."""


@dataclass(frozen=True, kw_only=True)
class CampaignConfig(TrainConfig):
    """A campaign: several training runs on the same data, scored on the same work.

    The options of a training run stand for every trial; a trial has those that set it apart.
    `name` is the campaign's, and `seed` decides the trials of a random search and their seeds.
    """

    output: str = "campaigns"
    """Folder or URI that holds the campaigns; each is a folder of its name in it."""
    trials: int = 50
    """Trials of a search; a campaign with a list of trials has those."""
    samples_per_trial: int = 256_000
    """Images that a trial trains on; its steps are that by --batch-size."""
    channels: int = 0
    """Width of every generator, whose discriminator is twice as wide, in place of
    --generator.channels and --discriminator.channels; 0 leaves those."""
    evaluation_images: int = 3_000
    """Held-out images that every trial's final generator is scored on, all trials on the same."""
    search: Literal["random", "optuna"] = "random"
    """How a search proposes trials: at random, or by Optuna's TPE from the scores so far."""
    asha: bool = False
    """End trials early whose held-out PSNR falls behind (asynchronous successive halving)."""
    max_concurrent: int = 0
    """Trials at once; 0 for as many as fit. More than fit would wait for each other, and are not
    started."""
    keep_trial_checkpoints: bool = False
    """Keep every checkpoint of a finished trial; otherwise its final generator alone."""
    retry_failed: bool = False
    """When a campaign goes on, train trials that failed once more."""
    assumed_tflops: float = 30.0
    """TFLOP/s that a GPU sustains, for the estimate of --dry-run; `python -m benchmarks.training`
    measures yours."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        super().__post_init__()
        least = {
            "trials": 1, "samples_per_trial": self.batch_size, "channels": 0,
            "evaluation_images": 1, "max_concurrent": 0,
        }  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {value}")
        if self.assumed_tflops <= 0:
            raise InputError(f"assumed_tflops is {self.assumed_tflops}; give more than 0")
        if self.steps != TrainConfig.steps:
            raise InputError(
                f"steps is {self.steps}; give a trial's budget as --samples-per-trial "
                f"{self.steps * self.batch_size}"
            )

    def shared(self) -> TrainConfig:
        """Take the options of a training run: what every trial starts from."""
        given = {field.name: getattr(self, field.name) for field in fields(TrainConfig)}
        config = TrainConfig(**given)
        if not self.channels:
            return config
        return replace(
            config,
            generator=replace(config.generator, channels=self.channels),
            discriminator=replace(config.discriminator, channels=2 * self.channels),
        )


def within_budget(config: TrainConfig, samples: int) -> TrainConfig:
    """Train on so many samples, validating and saving a few times on the way."""
    steps = samples // config.batch_size
    longest = max(1, steps // VALIDATIONS)
    return replace(
        config,
        steps=steps,
        validate_every=min(config.validate_every, longest),
        checkpoint_every=min(config.checkpoint_every, longest),
        log_every=min(config.log_every, longest),
    )
