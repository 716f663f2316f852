"""What the machine can do, measured: products, convolutions, memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.devices import wait_for

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

_GEMM_SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
_STREAM_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Of one array: far more than any cache holds."""


def best_seconds(run: Callable[[], object], device: torch.device, *, budget: float = 1.0) -> float:
    """Return the least seconds that a call took, over `budget` seconds and at least three calls.

    On a GPU ten calls are given at a time, so that it never waits for the next.
    """
    calls = 10 if device.type == "cuda" else 1
    run()
    wait_for(device)
    best, rounds, spent = math.inf, 0, 0.0
    while rounds < 3 or spent < budget:
        began = time.perf_counter()
        for _ in range(calls):
            run()
        wait_for(device)
        took = time.perf_counter() - began
        best, rounds, spent = min(best, took / calls), rounds + 1, spent + took
    return best


@torch.inference_mode()
def gemm_flop_s(
    precision: str, device: torch.device, *, sides: Sequence[int] | None = None
) -> float:
    """Best FLOP/s of square matrix products."""
    # As convolutions compute by default: on a GPU, fp32 may round its factors to TF32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    best = 0.0
    for side in sides or _GEMM_SIDES[device.type]:
        a = torch.rand(side, side, device=device).to(DTYPES[precision])
        b = torch.rand(side, side, device=device).to(DTYPES[precision])
        out = torch.empty_like(a)
        seconds = best_seconds(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), device)
        best = max(best, 2 * side**3 / seconds)
    return best


@torch.inference_mode()
def stream_bytes_s(device: torch.device, *, size: int | None = None) -> float:
    """Best bytes/s of a copy and of a triad, a = b + s c, over arrays of `size` bytes."""
    count = (size or _STREAM_BYTES[device.type]) // 4
    a, b, c = (torch.ones(count, device=device) for _ in range(3))
    copy = best_seconds(lambda: a.copy_(b), device)
    triad = best_seconds(lambda: torch.add(b, c, alpha=3.0, out=a), device)
    return max(2 * 4 * count / copy, 3 * 4 * count / triad)


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A shape of convolution that a network has, and what all of that shape compute."""

    channels: tuple[int, int]
    """In, out."""
    kernel: int
    stride: int
    padding: int
    dilation: int
    height: int
    width: int
    batch: int
    flop: int = 0
    """Of one such convolution."""

    def __str__(self) -> str:
        """Name it as tables do."""
        more = f", stride {self.stride}" if self.stride > 1 else ""
        more += f", dilation {self.dilation}" if self.dilation > 1 else ""
        incoming, outgoing = self.channels
        shape = f"{incoming} to {outgoing} at {self.height}x{self.width}"
        return f"{self.kernel}x{self.kernel}, {shape}{more}"


@torch.inference_mode()
def convolution_flop_s(shape: Convolution, precision: str, device: torch.device) -> float:
    """FLOP/s of a convolution alone, channels last, its input warm."""
    incoming, outgoing = shape.channels
    conv = nn.Conv2d(
        incoming,
        outgoing,
        shape.kernel,
        stride=shape.stride,
        padding=shape.padding,
        dilation=shape.dilation,
        bias=False,
    )
    features = torch.rand(shape.batch, incoming, shape.height, shape.width)
    like = {"device": device, "dtype": DTYPES[precision], "memory_format": torch.channels_last}
    conv, features = conv.to(**like), features.to(**like)
    return shape.flop / best_seconds(lambda: conv(features), device, budget=0.5)
