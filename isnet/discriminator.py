"""The PatchGAN discriminator: one logit for each patch that a neuron sees."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from isnet.config import DiscriminatorConfig
from isnet.layers import leaky_relu, sn_conv

SMALLEST_SIDE = 24
"""Side of the smallest image in which a patch is left to judge."""


class PatchDiscriminator(nn.Module):
    """Five spectrally normalised 4x4 convolutions, three of stride 2, two of stride 1."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = [3, *(config.channels * factor for factor in (1, 2, 4, 8)), 1]
        strides = (2, 2, 2, 1, 1)
        self.convs = nn.ModuleList(
            sn_conv(in_channels, out_channels, 4, stride=stride, padding=1)
            for (in_channels, out_channels), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.activation = leaky_relu()
        self.sigmoid = config.sigmoid

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge images (B, 3, H, W) in [0, 1].

        Returns:
            logits (B, 1, h, w), and the five feature maps for feature matching: four after
            their activation, the fifth the logits themselves.

        """
        features: list[Tensor] = []
        hidden = image
        for index, conv in enumerate(self.convs):
            hidden = conv(hidden)
            if self.sigmoid:
                hidden = torch.sigmoid(hidden)
            elif index < len(self.convs) - 1:
                hidden = self.activation(hidden)
            features.append(hidden)
        return hidden, features


def build_discriminator(*, sigmoid: bool = False, channels: int = 64) -> nn.Module:
    """Build the discriminator: (B, 3, H, W) in [0, 1] -> (logits (B, 1, h, w), 5 feature maps).

    Args:
        sigmoid: apply a sigmoid after every layer, in place of leaky ReLU, as the paper says.
        channels: width of the first layer; later layers double it (64 in the paper).

    """
    return PatchDiscriminator(DiscriminatorConfig(sigmoid=sigmoid, channels=channels))
