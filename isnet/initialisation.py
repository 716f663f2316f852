"""The weights that training starts from, and spectral norms that belong to them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from isnet.config import GeneratorConfig, Initialisation
from isnet.network import generator_from_config

_SETTLING_ITERATIONS = 15


def new_generator(
    config: GeneratorConfig, *, seed: int, initialisation: Initialisation, init_std: float
) -> nn.Module:
    """Build an untrained generator; the same weights for the same arguments."""
    torch.manual_seed(seed)
    generator = generator_from_config(config)
    initialise(generator, initialisation, std=init_std)
    return generator


def initialise(network: nn.Module, initialisation: Initialisation, *, std: float) -> None:
    """Draw convolution weights and set biases to zero, in place.

    Args:
        network: any of ours.
        initialisation: `normal`, of standard deviation `std`; or `orthogonal`, under which every
            direction passes a spectrally normalised convolution with gain 1, where a normal one
            of any deviation lets most of them fade, and narrow networks barely start to learn.
        std: only for `normal`.

    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = _raw_weight(module)
            if initialisation == "orthogonal":
                nn.init.orthogonal_(weight)
            else:
                nn.init.normal_(weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    settle_spectral_norms(network)
    network.train()


def _raw_weight(conv: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """Return the weight that is trained: before spectral norm, where there is one."""
    if not is_parametrized(conv, "weight"):
        return conv.weight
    parametrizations: Any = conv.parametrizations
    weight: Tensor = parametrizations.weight.original
    return weight


def settle_spectral_norms(network: nn.Module) -> nn.Module:
    """Run the power iterations of every spectral norm on its present weight; to eval mode."""
    network.train()
    normed = [module for module in network.modules() if is_parametrized(module, "weight")]
    with torch.no_grad():
        for _ in range(_SETTLING_ITERATIONS):
            for module in normed:
                module.weight  # noqa: B018 - reading it in training mode is one iteration
    return network.eval()
