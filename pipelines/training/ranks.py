"""What the ranks of a run do together: average tensors, add up signals, agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train together."""

    rank: int
    size: int
    local_size: int
    """Those on this node."""
    device: torch.device

    @classmethod
    def current(cls) -> Ranks:
        """Ask Ray Train, inside one of its workers."""
        context = ray.train.get_context()
        return cls(
            rank=context.get_world_rank(),
            size=context.get_world_size(),
            local_size=context.get_local_world_size(),
            device=ray.train.torch.get_device(),
        )

    def mean(self, tensor: Tensor) -> Tensor:
        """Average a tensor over the ranks; every rank calls it."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total / self.size

    def total(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Add up counts over the ranks, by name; every rank calls it with the same names."""
        if self.size == 1:
            return dict(counts)
        summed = torch.tensor(list(counts.values()), dtype=torch.int64, device=self.device)
        dist.all_reduce(summed)
        return dict(zip(counts, summed.tolist(), strict=True))

    def data_parallel(self, module: nn.Module, *, find_unused: bool) -> nn.Module:
        """Wrap a network so that a backward pass averages its gradients over the ranks."""
        if self.size == 1:
            return module
        options = {
            "find_unused_parameters": find_unused,
            # The only buffers are spectral norm's, which equal updates keep equal.
            "broadcast_buffers": False,
        }
        prepare = ray.train.torch.prepare_model
        parallel: nn.Module = prepare(module, parallel_strategy_kwargs=options)
        return parallel
