"""Where a benchmark computes: the device, its clock, and the memory that a process took."""

from __future__ import annotations

import contextlib
import re
import resource
from pathlib import Path

import torch

from benchmarks.measuring import machine


def find_device(name: str) -> torch.device:
    """Return a device by its name; auto is the GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def use_threads(count: int) -> None:
    """Compute with so many threads on a CPU; 0 leaves PyTorch's choice."""
    if count:
        torch.set_num_threads(count)


def wait_for(device: torch.device) -> None:
    """Return when the device has done what it was given: a GPU is given work ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Name a device in the settings of a report."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def where(device: torch.device) -> str:
    """Say in one line where this runs, GPU included."""
    gpu = f"{device_name(device)}, " if device.type == "cuda" else ""
    return gpu + machine()


class Memory:
    """Peak memory from where it is made.

    On a CPU what the process grew by, files that it has mapped included; on a GPU what PyTorch had
    allocated at most.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Where the kernel refuses, a peak of before counts too.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # peak := now
        self._before = _resident()

    def peak_bytes(self) -> int:
        """Return the most memory since then."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        kib = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return max(0, kib * 1024 - self._before)


def _resident() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
