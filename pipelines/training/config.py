"""What a training run is: one frozen configuration, and presets of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from math import lcm
from typing import Any, Literal, TypeVar, get_type_hints

from isnet.config import (
    SIZE_MULTIPLE,
    DiscriminatorConfig,
    GeneratorConfig,
    InputError,
    LossConfig,
    OptimizerConfig,
    ReconstructionConfig,
)
from isnet.shipped import SMALL
from pipelines.storage import without_secrets
from pipelines.tracking.runs import TrackingConfig

AUTO = "auto"
"""Value of the options that the cluster decides."""

Config = TypeVar("Config")

Precision = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run, from data to checkpoints."""

    data: str
    """Prepared data set (pipelines/prepare.py): a folder or a URI that every node can see."""
    output: str = "runs"
    """Folder or URI that holds the runs; each run is a folder of its name in it."""
    name: str | None = None
    """Name of the run. An unfinished run of that name continues; without one a new run is made."""
    init_from: str | None = None
    """Start from this generator: a shipped one's name, a checkpoint directory, an authors' .pth
    file, a URI of either, or models:/isnet@champion."""

    steps: int = 100_000
    """Optimizer updates of each network."""
    batch_size: int = 8
    """Images a step, over all workers together."""
    seed: int = 0
    """Seed of the initial weights, the order of the data, its flips and its masks."""
    size: int = 0
    """Side that the prepared pictures and masks are scaled down to, also those of validations; 0
    takes them as they were prepared."""
    crop_size: int = 0
    """Side of the square cut at random from each picture and its mask for training; 0 takes them
    whole."""
    accumulate: int = 1
    """Parts that a worker's share of a batch goes through the networks in, for less memory."""
    precision: Precision = "auto"
    """Arithmetic of the networks: fp32, bf16 by autocast (weights stay fp32), or auto: bf16 on
    GPUs and where every node's CPU computes in it, else fp32: imitating it takes many times as
    long."""
    channels_last: bool = True
    """Keep images with their channels last, the layout that convolutions are fastest in."""
    compile: bool = False
    """Run the networks through torch.compile: minutes at the start, then faster on GPUs."""

    num_workers: int | str = AUTO
    """Training processes: a number; MIN,MAX to go on with fewer where nodes are lost; or auto: one
    for each GPU that the batch can be shared by, else one on the CPU."""
    wait: bool = False
    """Wait for nodes that the cluster does not have yet, instead of refusing to start."""
    device: Device = "auto"
    """What workers compute on: one GPU each where the cluster has any (auto), cpu, or gpu."""
    cpus_per_worker: float = 0.5
    """Logical CPUs that a worker reserves; the rest decode images."""
    gpus_per_worker: float = 1.0
    """GPUs that a worker reserves; a fraction lets several small runs share one."""
    threads_per_worker: int = 0
    """Threads of a worker's CPU arithmetic; 0 shares the machine's cores among the workers."""
    max_failures: int = 3
    """Dead workers that are replaced before the run fails; -1 for any number."""
    max_rollbacks: int = 3
    """Times in a row that a loss that is not finite sends the run back to its last checkpoint, to
    go on with other flips, crops and masks, before the run fails."""

    log_every: int = 50
    """Steps between progress lines and logged metrics."""
    validate_every: int = 2_000
    """Steps between validations on held-out images, each with a sample grid."""
    validation_images: int = 32
    """Held-out images of a validation, spread evenly over the hole-ratio buckets."""
    checkpoint_every: int = 2_000
    """Steps between checkpoints; each validation is followed by one, too."""
    keep_checkpoints: int = 2
    """Checkpoints of the best held-out PSNR that are kept, beside the newest two."""
    early_stop: int = 0
    """Validations without a better held-out PSNR after which training ends; 0 never ends early."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The network that is trained."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Its adversary."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The generator's loss."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam, initialisation, averaged weights."""
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """The progressive reconstruction of validations."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """MLflow."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        least = {
            "steps": 1, "batch_size": 1, "accumulate": 1, "log_every": 1, "validate_every": 1,
            "validation_images": 1, "checkpoint_every": 1, "keep_checkpoints": 1, "early_stop": 0,
            "size": 0, "crop_size": 0, "threads_per_worker": 0, "max_rollbacks": 0,
        }  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {value}")
        for name in ("size", "crop_size"):
            if getattr(self, name) % SIZE_MULTIPLE:
                raise InputError(
                    f"{name} is {getattr(self, name)}; give a multiple of {SIZE_MULTIPLE}"
                )
        if self.cpus_per_worker <= 0:
            raise InputError(f"cpus_per_worker is {self.cpus_per_worker}; give more than 0")
        if not 0 < self.gpus_per_worker <= 1:
            raise InputError(
                f"gpus_per_worker is {self.gpus_per_worker}; give more than 0 and at most 1"
            )
        if self.num_workers != AUTO:
            self._require_even_shares(*self.worker_range())

    def worker_range(self) -> tuple[int, int]:
        """Fewest and most workers; `InputError` where `num_workers` is not one or two numbers."""
        match = re.fullmatch(r"(\d+)(?:,(\d+))?", str(self.num_workers))
        low = int(match[1]) if match else 0
        high = int(match[2] or low) if match else 0
        if not 1 <= low <= high:
            raise InputError(
                f"num_workers is {self.num_workers!r}; give a number, MIN,MAX such as 1,2, or auto"
            )
        return low, high

    def _require_even_shares(self, low: int, high: int) -> None:
        for workers in range(low, high + 1):
            if self.batch_size % (workers * self.accumulate):
                step = lcm(*range(low, high + 1)) * self.accumulate
                parts = f" in {self.accumulate} parts each" if self.accumulate > 1 else ""
                raise InputError(
                    f"batch_size is {self.batch_size}, which {workers} workers cannot share "
                    f"evenly{parts}; choose a multiple of {step}"
                )


def smoke() -> TrainConfig:
    """Train a narrow network at 64x64 on a laptop, in minutes.

    Every term of Eq. 5, with more weight on the pixels, an orthogonal start and Adam with momentum:
    a few hundred steps with the paper's own settings would hardly leave the grey start.
    """
    return TrainConfig(
        data="data/first",
        steps=600,
        num_workers=2,
        device="cpu",
        generator=GeneratorConfig(blocks=1, channels=8),
        discriminator=DiscriminatorConfig(channels=16),
        loss=LossConfig(preset="eq5", l1=100),
        optimizer=OptimizerConfig(
            generator_lr=1e-3,
            discriminator_lr_ratio=0.3,
            beta1=0.9,
            beta2=0.99,
            ema_decay=0.99,
            initialisation="orthogonal",
            init_std=0.02,
        ),
        # The paper's 15, scaled from 256x256 to 64x64.
        reconstruction=ReconstructionConfig(kernel_size=5),
        log_every=25,
        validate_every=200,
        checkpoint_every=200,
    )


def small() -> TrainConfig:
    """Train the network of `isnet-small` from the start: narrow, on crops of 128x128.

    The settings of `smoke`, for hours instead of minutes, and at a fifth of its rate, at which the
    largest singular values of wide layers outgrow the others and are all that is left of them.
    """
    recipe = smoke()
    return replace(
        recipe,
        data="data/photos",
        steps=20_000,
        crop_size=128,
        num_workers=AUTO,
        device="auto",
        generator=GeneratorConfig(blocks=2, channels=16),
        discriminator=DiscriminatorConfig(channels=32),
        optimizer=replace(recipe.optimizer, generator_lr=2e-4, ema_decay=0.999),
        reconstruction=ReconstructionConfig(),
        log_every=100,
        validate_every=1_000,
        checkpoint_every=1_000,
    )


def finetune() -> TrainConfig:
    """Train `isnet-small` on, with photographs of one's own; its licence stays."""
    recipe = small()
    return replace(
        recipe,
        init_from=SMALL,
        steps=1_000,
        optimizer=replace(recipe.optimizer, ema_decay=0.99),
        log_every=25,
        validate_every=250,
        checkpoint_every=250,
    )


def places2() -> TrainConfig:
    """Train the paper's ISNet with Eq. 5 on Places2, and average its weights."""
    averaged = OptimizerConfig(ema_decay=0.999)
    return TrainConfig(data="data/places2", steps=1_000_000, optimizer=averaged)


def celeba() -> TrainConfig:
    """Train the paper's ISNet with Eq. 5 on CelebA, and average its weights."""
    averaged = OptimizerConfig(ema_decay=0.999)
    return TrainConfig(data="data/celeba", steps=400_000, optimizer=averaged)


def shown(config: TrainConfig) -> dict[str, Any]:
    """Turn a configuration into JSON-able values, without the secrets that URIs may carry."""
    values: dict[str, Any] = without_secrets(asdict(config))
    return values


def rebuilt(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Make a configuration of what `shown` gave; secrets in its URIs are gone."""
    hints = get_type_hints(kind)
    given = {
        name: rebuilt(hints[name], value) if is_dataclass(hints[name]) else value
        for name, value in values.items()
    }
    return kind(**given)


PRESETS = {
    "smoke": smoke,
    "small": small,
    "finetune": finetune,
    "places2": places2,
    "celeba": celeba,
}
