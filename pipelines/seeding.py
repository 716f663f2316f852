"""Randomness as a function of names: the same words give the same numbers on every machine."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_hash(*words: object) -> int:
    """Hash words (by their `str`) to an integer in [0, 2**64), alike in every process."""
    return int.from_bytes(_digest(words)[:8], "little")


def keyed_generator(*words: object) -> np.random.Generator:
    """Make a generator whose numbers depend on the words alone, e.g. (seed, "crop", key)."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(words), "little")))


def _digest(words: tuple[object, ...]) -> bytes:
    # A length before each word keeps ("ab", "c") apart from ("a", "bc").
    encoded = [str(word).encode("utf-8", "surrogateescape") for word in words]
    joined = b"".join(len(word).to_bytes(4, "little") + word for word in encoded)
    return hashlib.blake2b(joined, digest_size=16).digest()
