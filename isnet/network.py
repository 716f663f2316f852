"""The generators of Table 7: ISNet, its base models, and the UNet-like comparison.

Every generator maps the corrupted image, float (B, 3, H, W) in [0, 1] with hole pixels 0
and H and W divisible by 16, to a prediction of the same shape in [0, 1].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from isnet.config import PHASES, Design, GeneratorConfig, require_padded
from isnet.context import context_of
from isnet.layers import (
    Activation,
    BilinearUpsample,
    Downsample,
    ResidualBlock,
    SubPixelUpsample,
    leaky_relu,
    sn_conv,
)


class Stem(nn.Module):
    """Embed the corrupted image: (B, 3, H, W) -> (B, channels, H, W)."""

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.conv1 = sn_conv(3, 2 * channels, 3)
        self.conv2 = sn_conv(2 * channels, channels, 3)
        self.shortcut = nn.Conv2d(3, channels, 1, bias=False)
        self.activation = activation()

    def forward(self, image: Tensor) -> Tensor:
        """Add the two convolutions to the 1x1 shortcut."""
        residual = self.conv2(self.activation(self.conv1(image)))
        return self.activation(self.shortcut(image) + residual)


class Phase(nn.Module):
    """Inpainting, Interaction and Aggregation of one phase (Figure 4).

    The high-resolution branch keeps `channels` and its size; the low-resolution branch, from
    phase 1 on, enters with channels * 2^index at 1 / 2^index of the size and leaves with
    `low_out` channels at half of that.
    """

    def __init__(
        self,
        index: int,
        *,
        channels: int,
        blocks: int,
        low_out: int,
        activation: Activation,
        upsample: nn.Module,
        upsampled_channels: int,
    ) -> None:
        super().__init__()
        low = channels * 2**index
        self.high_blocks = _blocks(blocks, channels, dilation=1, activation=activation)
        self.high_to_low = Downsample(channels, steps=index + 1, activation=activation)
        high_in, low_in = channels, 2 * low
        if index > 0:
            self.low_blocks = _blocks(blocks, low, dilation=2, activation=activation)
            self.low_to_low = Downsample(low, steps=1, activation=activation)
            self.low_to_high = upsample
            high_in, low_in = channels + upsampled_channels, 4 * low
        self.aggregate_high = nn.Sequential(sn_conv(high_in, channels, 3), activation())
        self.aggregate_low = nn.Sequential(sn_conv(low_in, low_out, 3), activation())

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor]:
        """Exchange the branches: high (B, C, H, W), low at 1 / 2^index or None in phase 0."""
        high = self.high_blocks(high)
        to_low = self.high_to_low(high)
        if low is None:
            return self.aggregate_high(high), self.aggregate_low(to_low)
        low = self.low_blocks(low)
        to_high = torch.cat([high, self.low_to_high(low)], dim=1)
        to_low = torch.cat([to_low, self.low_to_low(low)], dim=1)
        return self.aggregate_high(to_high), self.aggregate_low(to_low)


class InteractiveSeparationNetwork(nn.Module):
    """ISNet and the two base models of Table 7: stem, four phases, and how they end."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.context = context_of(config)
        """Pixels away that a prediction depends on at most."""
        channels, design = config.channels, config.design
        activation: Activation = nn.Tanh if design == "isnet" else leaky_relu
        last_low = channels * (8 if design == "base_ff" else 16)
        self.stem = Stem(channels, activation)
        self.phases = nn.ModuleList(
            _phase(index, config, activation, last_low) for index in range(PHASES)
        )
        self.fusion = _fusion(design, last_low)
        self.head = _head(design, channels, last_low)

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict the whole image: (B, 3, H, W) in [0, 1] -> the same shape and range."""
        require_padded(*corrupted.shape[-2:])
        high: Tensor = self.stem(corrupted)
        low: Tensor | None = None
        for phase in self.phases:
            high, low = phase(high, low)
        if self.fusion is not None:
            high = torch.cat([high, self.fusion(low)], dim=1)
        return _to_unit_range(self.head(high))


class UNetLike(nn.Module):
    """The comparison model of Table 7: an encoder-decoder with four dilated residual blocks."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.context = context_of(config)
        """None: a prediction depends on the whole image."""
        base = 2 * config.channels
        widths = [base, 2 * base, 4 * base, 8 * base]
        encoder: list[nn.Module] = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(3, base, 7), base)]
        for width, wider in pairwise(widths):
            encoder += _normed(nn.Conv2d(width, wider, 4, stride=2, padding=1), wider)
        decoder: list[nn.Module] = []
        for wider, width in pairwise(reversed(widths)):
            decoder += _normed(nn.ConvTranspose2d(wider, width, 4, stride=2, padding=1), width)
        self.encoder = nn.Sequential(*encoder)
        self.middle = nn.Sequential(
            *(
                ResidualBlock(widths[-1], dilation=2, activation=nn.Tanh, plain=True)
                for _ in range(config.blocks)
            )
        )
        self.decoder = nn.Sequential(*decoder, nn.ReflectionPad2d(3), nn.Conv2d(base, 3, 7))

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict the whole image: (B, 3, H, W) in [0, 1] -> the same shape and range."""
        require_padded(*corrupted.shape[-2:])
        return _to_unit_range(self.decoder(self.middle(self.encoder(corrupted))))


def build_generator(design: Design = "isnet", *, blocks: int = 4, channels: int = 32) -> nn.Module:
    """Build a generator (Table 7) with `blocks` residual blocks a branch and phase (Table 8).

    Args:
        design: isnet, base (no final fusion, no sub-pixel), base_ff (base with final fusion)
            or unet_like.
        blocks: 1 to 4.
        channels: width of the high-resolution branch; all widths scale with it (paper: 32).

    Returns:
        A module: corrupted image, float (B, 3, H, W) in [0, 1], H and W divisible by 16
        -> prediction of the same shape, in [0, 1].

    Raises:
        InputError: an unknown design, or blocks or channels out of range.

    """
    return generator_from_config(GeneratorConfig(design=design, blocks=blocks, channels=channels))


def generator_from_config(config: GeneratorConfig) -> nn.Module:
    """Build the generator that `config` describes."""
    if config.design == "unet_like":
        return UNetLike(config)
    return InteractiveSeparationNetwork(config)


def _phase(index: int, config: GeneratorConfig, activation: Activation, last_low: int) -> Phase:
    low = config.channels * 2**index
    if config.design == "isnet":
        upsample: nn.Module = SubPixelUpsample(low, steps=index, activation=activation)
        upsampled = config.channels
    else:
        # The base model applies its activation once more before upsampling, base_ff does not.
        again = activation if config.design == "base" else None
        upsample, upsampled = BilinearUpsample(steps=index, activation=again), low
    return Phase(
        index,
        channels=config.channels,
        blocks=config.blocks,
        low_out=last_low if index == PHASES - 1 else 2 * low,
        activation=activation,
        upsample=upsample,
        upsampled_channels=upsampled,
    )


def _fusion(design: Design, low: int) -> nn.Module | None:
    """Bring the last low-resolution branch back to full size (final fusion)."""
    if design == "isnet":
        return SubPixelUpsample(low, steps=PHASES, activation=nn.Tanh)
    if design == "base_ff":
        return BilinearUpsample(steps=PHASES, activation=None)
    return None


def _head(design: Design, channels: int, low: int) -> nn.Module:
    """Decode the fused features to three channels."""
    if design == "base":
        return nn.Conv2d(channels, 3, 1)
    if design == "base_ff":
        fuse = sn_conv(channels + low, channels, 7, bias=True)
        return nn.Sequential(fuse, leaky_relu(), nn.Conv2d(channels, 3, 3, padding=1))
    fuse = sn_conv(2 * channels, channels, 7, bias=True)
    return nn.Sequential(fuse, nn.Tanh(), sn_conv(channels, 3, 3, bias=True))


def _blocks(count: int, channels: int, *, dilation: int, activation: Activation) -> nn.Sequential:
    blocks = (
        ResidualBlock(channels, dilation=dilation, activation=activation) for _ in range(count)
    )
    return nn.Sequential(*blocks)


def _normed(conv: nn.Module, channels: int) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(channels), nn.ReLU()]


def _to_unit_range(logits: Tensor) -> Tensor:
    # Under autocast the logits are bfloat16, whose steps near 1 are coarser than 8-bit levels.
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return (torch.tanh(logits) + 1) / 2
