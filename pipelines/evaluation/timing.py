"""How long a method takes (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import torch
from torch import Tensor

from pipelines.evaluation.filling import corrupted
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.outcome import ENOUGH_BATCHES, Timing
from pipelines.evaluation.rows import Method
from pipelines.evaluation.samples import Sample
from pipelines.machine import processor

_LONG_S = 60.0


def time_fill(
    samples: Sequence[Sample],
    fill: Fill,
    method: Method,
    batch_size: int,
    *,
    model: str,
    device: torch.device,
) -> Timing:
    """Time prediction alone: no loading of weights, decoding or scoring (Table 3).

    The first batch is run once more before, as the warm-up; a last batch that is not full is left
    out. Batches take turns until 20 were timed, or for a minute, but each has at least one.
    """
    batches = [
        corrupted(samples[start : start + batch_size], device)
        for start in range(0, len(samples) - batch_size + 1, batch_size)
    ]
    warm_up = _seconds(fill, batches[0], device)
    seconds: list[float] = []
    while len(seconds) < len(batches) or (len(seconds) < ENOUGH_BATCHES and sum(seconds) < _LONG_S):
        seconds.append(_seconds(fill, batches[len(seconds) % len(batches)], device))
    return Timing(
        model=model,
        method=method,
        batch_size=batch_size,
        device=device_name(device),
        precision="fp32",
        size=samples[0].rgb.shape[0],
        warm_up=1000 * warm_up / batch_size,
        milliseconds=tuple(1000 * value / batch_size for value in seconds),
    )


def _seconds(fill: Fill, batch: tuple[Tensor, Tensor], device: torch.device) -> float:
    _wait(device)
    start = perf_counter()
    fill(*batch)
    _wait(device)
    return perf_counter() - start


def _wait(device: torch.device) -> None:
    """A GPU works behind the program's back."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Name a GPU, or a CPU and how many threads compute on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.get_num_threads()} threads"
