"""Kubernetes' way to write amounts."""

from __future__ import annotations

FACTORS = {
    "m": 1e-3,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
}


def quantity(written: str | int) -> float:
    """Read `500m`, `8` or `32Gi`."""
    text = str(written)
    for suffix, factor in FACTORS.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)
