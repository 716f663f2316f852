"""Batched spectral norms on two ranks, as on GPUs: the step of one rank on their whole batch.

Ray Train's own tests, on CPUs, have each norm apart.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from tests.isnet.small_training import small_batch, small_trainer

STEPS = 3


@pytest.mark.parametrize("design", ["isnet", "base"])
def test_two_ranks_take_the_step_of_one(tmp_path: Path, design):
    multiprocessing.spawn(_train, args=(str(tmp_path), design), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = small_trainer(design=design)
    for step in range(STEPS):
        batches = [small_batch(2 * step + rank) for rank in range(2)]
        alone.step(*map(torch.cat, zip(*batches, strict=True)))
    for name, tensor in alone.generator.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], tensor, rtol=1e-2, atol=1e-4)


def _train(rank: int, folder: str, design: str) -> None:
    torch.set_num_threads(1)
    place = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=2)
    # As the pipeline wraps them; the base model's last low-resolution output goes nowhere.
    wrap = partial(
        DistributedDataParallel,
        broadcast_buffers=False,
        find_unused_parameters=design == "base",
    )
    trainer = small_trainer(design=design, batched_norms=True, wrap=wrap, mean=_mean)
    trainer.warm_up(*small_batch())
    for step in range(STEPS):
        trainer.step(*small_batch(2 * step + rank))
    torch.save(trainer.generator.state_dict(), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def _mean(tensor: torch.Tensor) -> torch.Tensor:
    total = tensor.detach().clone()
    distributed.all_reduce(total)
    return total / 2
