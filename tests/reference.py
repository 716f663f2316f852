"""Weights and inputs by formula, for which the outputs of the authors' networks are known."""

from __future__ import annotations

import json
import re
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).parent / "data"
SALT = 20220101

NETWORKS = ("isnet_blocks1", "isnet_blocks4", "isnet_base", "isnet_base_ff", "unet_like")


def golden(name: str) -> np.ndarray:
    """The authors' network's output for `reference_input`."""
    with np.load(DATA / "golden.npz") as arrays:
        return arrays[name]


def reference_input() -> Tensor:
    """float64 (1, 3, 64, 64) in [0, 1]."""
    return torch.from_numpy(np.random.RandomState(SALT).random_sample((1, 3, 64, 64)))


def published_state(name: str) -> dict[str, Tensor]:
    """A state in the authors' names, float64, by the formula; its tensors are not to be changed."""
    return dict(_published_state(name))


# One alone: a network takes 200 MB, and tests of the same network follow each other.
@lru_cache(maxsize=1)
def _published_state(name: str) -> dict[str, Tensor]:
    keys = json.loads((DATA / "checkpoint_keys.json").read_text())
    # One block is four blocks with index 0 only.
    listed = keys["isnet_blocks4" if name == "isnet_blocks1" else name]
    shapes = {
        key: shape
        for key, shape in listed
        if name != "isnet_blocks1" or not re.search(r"branches\.\d\.[1-3]\.", key)
    }
    state: dict[str, Tensor] = {}
    for key, shape in shapes.items():
        if key.endswith(("weight_u", "weight_v")):
            continue
        state[key] = torch.from_numpy(_values(key, shape))
        if key.endswith("weight_orig"):
            left, right = _leading_singular_vectors(state[key].numpy().reshape(shape[0], -1))
            state[key.replace("_orig", "_u")] = torch.from_numpy(left)
            state[key.replace("_orig", "_v")] = torch.from_numpy(right)
    return {key: state[key] for key in shapes}


def _leading_singular_vectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `np.linalg.svd` finds them, but for their common sign, in a tenth of its time."""
    left = np.linalg.eigh(matrix @ matrix.T)[1][:, -1].copy()
    right = left @ matrix
    return left, right / np.linalg.norm(right)


def _values(key: str, shape: list[int]) -> np.ndarray:
    random = np.random.RandomState((zlib.crc32(key.encode()) + SALT) % 2**32)
    values = random.standard_normal(shape)
    return values / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else values * 0.1
