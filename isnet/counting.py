"""What the networks of a run weigh, counted, not measured: parameters, operations of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn
from torch._subclasses import FakeTensorMode  # tensors of a shape and a device, without values
from torch.utils.flop_counter import FlopCounterMode

from isnet.config import DiscriminatorConfig, GeneratorConfig
from isnet.discriminator import build_discriminator
from isnet.network import generator_from_config
from isnet.vgg import build_extractor

FORWARDS = {"generator": 3, "discriminator": 8, "extractor": 3}
"""Forward passes that a sample's step is worth, a backward pass being worth two, or one where it
only passes gradients to the image. The generator: forward and backward. The discriminator: both on
the ground truth and on the prediction, and once more forward and to the image in the generator's
step. VGG: forward on the ground truth; forward and to the image on the prediction."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Sizes of the three networks."""

    parameters: dict[str, int]
    """Trained ones, by network."""
    forward_flop: dict[str, int]
    """Of one image, by network; a multiplication and an addition are two."""

    @property
    def step_flop(self) -> int:
        """Floating-point operations of one sample in a training step."""
        return sum(FORWARDS[name] * flop for name, flop in self.forward_flop.items())


@lru_cache
def count(
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    *,
    size: int,
    extractor: bool = True,
) -> Networks:
    """Count a run's networks on images of `size`; nothing is computed.

    Args:
        generator: which generator.
        discriminator: which discriminator.
        size: side of the images in pixels, a multiple of 16.
        extractor: whether a term of the loss looks at VGG features.

    """
    with FakeTensorMode():
        networks: dict[str, nn.Module] = {
            "generator": generator_from_config(generator),
            "discriminator": build_discriminator(channels=discriminator.channels),
        }
        if extractor:
            networks["extractor"] = build_extractor("random")
        return Networks(
            parameters={name: _parameters(network) for name, network in networks.items()},
            forward_flop={name: _flop(network, size) for name, network in networks.items()},
        )


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _flop(network: nn.Module, size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, size, size))
    return int(counter.get_total_flops())
