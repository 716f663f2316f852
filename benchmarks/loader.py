"""The rival of the training stream: a PyTorch DataLoader over the same shards and the same work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pipelines.training.mask_bank import MaskBank
from pipelines.training.streams import Unit, unit_samples


@dataclass(frozen=True, kw_only=True)
class UnitDataset(IterableDataset[dict[str, Any]]):
    """Samples of a list of units, every n-th unit in each of n worker processes."""

    units: Sequence[Unit]
    bank: MaskBank
    seed: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read, decode, crop, flip and mask: what a task of the stream does."""
        worker = get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        # The loader's workers are the parallelism; more threads would fight over the cores.
        torch.set_num_threads(1)
        for unit in self.units[first::every]:
            for sample in unit_samples(unit, self.bank, seed=self.seed):
                yield {name: _collatable(value) for name, value in sample.items()}


def _collatable(value: Any) -> Tensor | str | bool:
    """Turn a value into what the loader's own collation stacks."""
    if getattr(value, "ndim", 0) == 0:
        return value.item()  # type: ignore[no-any-return]
    return torch.from_numpy(value.copy())  # a flipped picture has negative strides


def build_loader(
    units: Sequence[Unit], bank: MaskBank, *, seed: int, batch_size: int, workers: int
) -> DataLoader[dict[str, Any]]:
    """Build the loader: persistent workers, four batches ahead each, batches in shared memory."""
    return DataLoader(
        UnitDataset(units=units, bank=bank, seed=seed),
        batch_size=batch_size,
        num_workers=workers,
        persistent_workers=True,
        prefetch_factor=4,
        drop_last=True,
    )
