"""Building blocks that the networks share. C is channels, H and W are height and width."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

Activation = Callable[[], nn.Module]


def leaky_relu() -> nn.Module:
    """Leaky ReLU of the base models and the discriminator, slope 0.2."""
    return nn.LeakyReLU(0.2)


class SpectralConv(nn.Conv2d):
    """Convolution whose weight is normalised in its own precision, whatever autocast is on.

    On a GPU, autocast would run the power iteration in bfloat16, and the network that is trained
    would not be the one that is exported.
    """

    given: Tensor | None = None
    """The normalised weight, while `isnet.spectral.normalised` has it computed for all layers."""

    def forward(self, features: Tensor) -> Tensor:
        """Convolve: (B, C, H, W) -> (B, C', H', W')."""
        weight = self.given
        if weight is None:
            with torch.autocast(features.device.type, enabled=False):
                weight = self.weight
        return functional.conv2d(
            features, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


def sn_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Spectrally normalised convolution, zero padding that keeps the size at stride 1."""
    if padding is None:
        padding = dilation * (kernel_size // 2)
    conv = SpectralConv(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=bias,
    )
    return spectral_norm(conv)


class ResidualBlock(nn.Module):
    """3x3, activation, 3x3, add, activation: (B, C, H, W) -> the same shape.

    The first convolution is dilated. The plain variant, without spectral norm and with
    bias, is the UNet-like model's.
    """

    def __init__(
        self, channels: int, *, dilation: int, activation: Activation, plain: bool = False
    ) -> None:
        super().__init__()
        if plain:
            self.conv1: nn.Module = nn.Conv2d(
                channels, channels, 3, padding=dilation, dilation=dilation
            )
            self.conv2: nn.Module = nn.Conv2d(channels, channels, 3, padding=1)
        else:
            self.conv1 = sn_conv(channels, channels, 3, dilation=dilation)
            self.conv2 = sn_conv(channels, channels, 3)
        self.activation = activation()

    def forward(self, features: Tensor) -> Tensor:
        """Apply the block."""
        residual = self.conv2(self.activation(self.conv1(features)))
        return self.activation(features + residual)


class Downsample(nn.Sequential):
    """`steps` stride-2 convolutions: (B, C, H, W) -> (B, C * 2^steps, H / 2^steps, W / 2^steps)."""

    def __init__(self, channels: int, *, steps: int, activation: Activation) -> None:
        layers: list[nn.Module] = []
        for step in range(steps):
            width = channels * 2**step
            layers += [sn_conv(width, 2 * width, 3, stride=2), activation()]
        super().__init__(*layers)


class PixelShuffle(nn.PixelShuffle):
    """Sub-pixel rearrangement (B, 4C, H, W) -> (B, C, 2H, 2W) that keeps channels last.

    On a GPU PyTorch's puts them first, and every layer after it would move the whole tensor back.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Rearrange."""
        first = features.is_contiguous() or features.device.type == "cpu"
        if first or not features.is_contiguous(memory_format=torch.channels_last):
            return super().forward(features)
        return channels_last_shuffle(features, self.upscale_factor)


def channels_last_shuffle(features: Tensor, factor: int) -> Tensor:
    """Do what `pixel_shuffle` does as one copy between tensors of channels last."""
    pixels = features.permute(0, 2, 3, 1).unflatten(3, (-1, factor, factor))
    moved = pixels.permute(0, 1, 4, 2, 5, 3).contiguous()
    return moved.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class SubPixelUpsample(nn.Sequential):
    """`steps` sub-pixel steps: (B, C, H, W) -> (B, C / 2^steps, H * 2^steps, W * 2^steps)."""

    def __init__(self, channels: int, *, steps: int, activation: Activation) -> None:
        layers: list[nn.Module] = []
        for step in range(steps):
            width = channels // 2**step
            layers += [sn_conv(width, 2 * width, 3), PixelShuffle(2), activation()]
        super().__init__(*layers)


class BilinearUpsample(nn.Sequential):
    """Bilinear upsampling by 2^steps that keeps every channel, after an optional activation."""

    def __init__(self, *, steps: int, activation: Activation | None) -> None:
        layers: list[nn.Module] = [activation()] if activation else []
        layers.append(nn.Upsample(scale_factor=2**steps, mode="bilinear", align_corners=False))
        super().__init__(*layers)
