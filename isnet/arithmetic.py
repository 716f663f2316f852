"""What a device computes in by itself, instead of imitating it or overflowing."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether a device is known to compute in bfloat16 itself, instead of imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _cpu_has("avx512_bf16", "amx_bf16")


def has_vnni() -> bool:
    """Whether the CPU is known to add products of 8-bit numbers in 32 bits."""
    return _cpu_has("avx512_vnni", "avx_vnni", "amx_int8")


def _cpu_has(*names: str) -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):  # older torch: unknown
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in names)
