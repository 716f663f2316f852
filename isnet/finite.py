"""Losses and weights that are no longer finite: refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class NonFiniteLossError(ArithmeticError):
    """A loss term became NaN or infinite; no optimizer has seen it."""


def require_finite_terms(terms: Mapping[str, Tensor], *, step: int) -> None:
    """Refuse terms that are not finite; waits for their device once, for all of them.

    Args:
        terms: scalars by name.
        step: that computed them.

    Raises:
        NonFiniteLossError: with the name of the first.

    """
    values = torch.stack(list(terms.values())).tolist()
    for name, value in zip(terms, values, strict=True):
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"the loss term {name!r} is {value} at step {step}; "
                "lower the learning rate or that term's weight"
            )


def require_finite_weights(networks: Mapping[str, nn.Module], *, step: int) -> None:
    """Refuse weights that a finite loss with an infinite gradient has left behind.

    Args:
        networks: by name.
        step: the last one taken.

    Raises:
        NonFiniteLossError: with the name of the first network.

    """
    for name, network in networks.items():
        if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
            raise NonFiniteLossError(
                f"weights of the {name} are not finite after step {step}; lower the learning rate"
            )
