"""The machine this runs on, as figures name it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def exact_float32() -> None:
    """Compute float32 as float32 in this process: GPUs may round factors to TF32's 10 bits."""
    import torch  # here and not above: not everything that names the machine computes

    # Not `fp32_precision`: PyTorch's compiler and exporter read these, and then refuse the other.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def processor() -> str:
    """Name the processor; the architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
