"""What a training run is: one frozen configuration, and presets of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from isnet.config import (
    DiscriminatorConfig,
    GeneratorConfig,
    InputError,
    LossConfig,
    OptimizerConfig,
    ReconstructionConfig,
)
from pipelines.storage import printable
from pipelines.tracking.runs import TrackingConfig

Precision = Literal["fp32", "bf16"]
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
    """Start from this generator: a checkpoint directory or an authors' .pth file."""

    steps: int = 100_000
    """Optimizer updates of each network."""
    batch_size: int = 8
    """Images a step, over all workers together."""
    seed: int = 0
    """Seed of the initial weights, the order of the data, its flips and its masks."""
    precision: Precision = "fp32"
    """Arithmetic of the networks: fp32, or bf16 by autocast (weights stay fp32)."""

    workers: int = 1
    """Training processes."""
    device: Device = "auto"
    """What workers compute on: one GPU each where the cluster has any (auto), cpu, or gpu."""
    cpus_per_worker: float = 0.5
    """Logical CPUs that a worker reserves; the rest decode images."""
    threads_per_worker: int = 0
    """Threads of a worker's CPU arithmetic; 0 shares the machine's cores among the workers."""
    max_failures: int = 3
    """Dead workers that are replaced before the run fails; -1 for any number."""

    log_every: int = 50
    """Steps between progress lines and logged metrics."""
    validate_every: int = 2_000
    """Steps between validations on held-out images, each with a sample grid."""
    validation_images: int = 32
    """Held-out images of a validation, spread evenly over the hole-ratio buckets."""
    checkpoint_every: int = 2_000
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints that are kept."""

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
        for name in ("steps", "batch_size", "workers", "log_every", "validate_every",
                     "validation_images", "checkpoint_every", "keep_checkpoints"):  # fmt: skip
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.batch_size % self.workers:
            raise InputError(
                f"batch_size is {self.batch_size}, which {self.workers} workers cannot share "
                "evenly; choose a multiple"
            )
        if self.threads_per_worker < 0:
            raise InputError(f"threads_per_worker is {self.threads_per_worker}; give 0 or more")
        if self.cpus_per_worker <= 0:
            raise InputError(f"cpus_per_worker is {self.cpus_per_worker}; give more than 0")


def smoke() -> TrainConfig:
    """Train a narrow network at 64x64 on a laptop, in minutes.

    Every term of Eq. 5, with more weight on the pixels, an orthogonal start and Adam with momentum:
    a few hundred steps with the paper's own settings would hardly leave the grey start.
    """
    return TrainConfig(
        data="data/demo",
        steps=600,
        workers=2,
        device="cpu",
        precision="bf16",
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


def places2() -> TrainConfig:
    """Train the paper's ISNet with Eq. 5 on Places2."""
    return TrainConfig(data="data/places2", steps=1_000_000)


def celeba() -> TrainConfig:
    """Train the paper's ISNet with Eq. 5 on CelebA."""
    return TrainConfig(data="data/celeba", steps=400_000)


def shown(config: TrainConfig) -> dict[str, Any]:
    """Turn a configuration into JSON-able values, without the secrets that URIs may carry."""
    values: dict[str, Any] = _without_secrets(asdict(config))
    return values


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    return printable(value) if isinstance(value, str) else value


PRESETS = {"smoke": smoke, "places2": places2, "celeba": celeba}
