"""Spectral norm of a whole network at once.

PyTorch normalises each convolution by itself, in a dozen small operations: over a thousand for
ISNet's 91 convolutions, whose launches a GPU waits for. Here convolutions whose weights have one
shape, and of ISNet's 91 there are 16 shapes, go through the same equations as one batch of
matrices. The vectors of the power iteration stay where PyTorch keeps them. A CPU, for which
operations start in no time, is slower at it: the weights are copied together first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import is_parametrized

from isnet.layers import SpectralConv


@contextmanager
def normalised(network: nn.Module, *, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Give every spectrally normalised convolution its weight for the forward passes inside.

    As PyTorch's parametrisation would, within float rounding: in training mode one power iteration
    comes first, and gradients flow to the weights that are trained.

    Args:
        network: any of ours; without such convolutions nothing happens.
        dtype: what the convolutions compute in, so that all weights are cast at once; None for
            float32.

    """
    convs = [
        module
        for module in network.modules()
        if isinstance(module, SpectralConv) and is_parametrized(module, "weight")
    ]
    groups: dict[Any, list[SpectralConv]] = {}
    for conv in convs:
        groups.setdefault((_original(conv).shape, _norm(conv).training), []).append(conv)
    try:
        for group in groups.values():
            for conv, weight in zip(group, _weights(group, dtype), strict=True):
                conv.given = weight
        yield
    finally:
        for conv in convs:
            conv.given = None


def _original(conv: nn.Module) -> Tensor:
    parametrizations: Any = conv.parametrizations
    original: Tensor = parametrizations.weight.original
    return original


def _norm(conv: nn.Module) -> Any:
    """Return PyTorch's own module, which holds the vectors `_u` and `_v`."""
    parametrizations: Any = conv.parametrizations
    return parametrizations.weight[0]


def _weights(convs: Sequence[nn.Module], dtype: torch.dtype | None) -> list[Tensor]:
    """Normalise weights of one shape (O, I, h, w): W / (u' W v)."""
    originals = [_original(conv) for conv in convs]
    norms = [_norm(conv) for conv in convs]
    last = _is_channels_last(originals[0])
    # In the order in which the weights lie in memory, so that convolutions find them in theirs.
    stacked = torch.stack([_channels_to_end(one) if last else one for one in originals])
    with torch.autocast(stacked.device.type, enabled=False):
        matrices = stacked.flatten(2)
        u, v = _vectors(norms, matrices.detach(), originals[0].shape if last else None)
        sigma = (u * (matrices @ v[..., None])[..., 0]).sum(dim=1)
        weights = stacked / sigma.view(-1, 1, 1, 1, 1)
        if dtype is not None:
            weights = weights.to(dtype)
    return [one.permute(0, 3, 1, 2) if last else one for one in weights.unbind()]


@torch.no_grad()
def _vectors(
    norms: Sequence[Any], matrices: Tensor, channels_last: torch.Size | None
) -> tuple[Tensor, Tensor]:
    """Return u (N, O) and v (N, I * h * w) in the order of `matrices`; iterate if training."""
    u, v = torch.stack([norm._u for norm in norms]), torch.stack([norm._v for norm in norms])
    if channels_last is not None:
        v = v.unflatten(1, channels_last[1:]).permute(0, 2, 3, 1).flatten(1)
    if not norms[0].training:
        return u, v
    eps = norms[0].eps
    u = functional.normalize((matrices @ v[..., None])[..., 0], dim=1, eps=eps)
    v = functional.normalize((u[:, None] @ matrices)[:, 0], dim=1, eps=eps)
    kept = v
    if channels_last is not None:
        inputs, height, width = channels_last[1:]
        kept = v.unflatten(1, (height, width, inputs)).permute(0, 3, 1, 2).flatten(1)
    torch._foreach_copy_([norm._u for norm in norms], list(u.unbind()))
    torch._foreach_copy_([norm._v for norm in norms], list(kept.unbind()))
    return u, v


def _is_channels_last(weight: Tensor) -> bool:
    return not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last)


def _channels_to_end(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1)
