"""Gradient accumulation: a step's batch in equal parts that go through the networks one by one.

The parts' gradients add up to the batch's, so that a step is the same step in less memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


class Part(NamedTuple):
    """What goes through the networks at once."""

    ground_truth: Tensor
    valid: Tensor

    @property
    def corrupted(self) -> Tensor:
        """The generator's input: 0 in the hole."""
        return torch.where(self.valid, self.ground_truth, torch.zeros_like(self.ground_truth))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A step's images in equal parts."""

    valid: Tensor
    """Of all parts."""
    parts: Sequence[Part]

    @classmethod
    def of(cls, ground_truth: Tensor, valid: Tensor, *, parts: int) -> Batch:
        """Cut a batch into parts."""
        if len(ground_truth) % parts:
            raise ValueError(f"{len(ground_truth)} images cannot be cut into {parts} equal parts")
        size = len(ground_truth) // parts
        pairs = zip(ground_truth.split(size), valid.split(size), strict=True)
        return cls(valid=valid, parts=[Part(*pair) for pair in pairs])


@contextmanager
def held(network: nn.Module, *, hold: bool) -> Iterator[None]:
    """Keep spectral norms as they are: a step has one power iteration, however many parts."""
    modules: list[Any] = list(network.modules()) if hold else []
    norms = [module.parametrizations.weight for module in modules if is_parametrized(module)]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without collecting any for its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def unsynchronised(network: nn.Module, *, unless: bool) -> AbstractContextManager[None]:
    """Let gradients add up on each rank; the last part's backward averages them over the ranks."""
    no_sync: Callable[[], AbstractContextManager[None]] | None = getattr(network, "no_sync", None)
    return nullcontext() if unless or no_sync is None else no_sync()


def average(values: Sequence[Tensor]) -> Tensor:
    """Mean of scalars, detached."""
    return torch.stack([value.detach() for value in values]).mean()
