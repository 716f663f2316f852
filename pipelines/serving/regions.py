"""What the ingress asks a model replica, and what comes back: regions, without their picture."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from isnet.config import InputError


@dataclass(frozen=True, kw_only=True)
class RegionRequest:
    """A region to be filled."""

    colours: np.ndarray
    """(h, w, 3): uint8, or float32 in [0, 1]."""
    hole: np.ndarray
    """bool (h, w), True = missing."""
    passes: int | None
    """Most passes; None for the endpoint's."""
    threshold: float | None
    """Hole ratio under which to stop; None for the endpoint's."""


@dataclass(frozen=True, kw_only=True)
class RegionFill:
    """A region after a pass."""

    fill: np.ndarray
    """float32 (N, 3) in [0, 1]: the pixels of the hole, in row-major order."""
    passes: int
    """Passes made so far."""
    finished: bool
    """Whether this was the last pass."""
    hole_ratio: float
    """Share of the region that a next pass would take for missing."""
    model_version: str
    queue_seconds: float
    """From arriving in the model replica to the first pass."""
    model_seconds: float
    """Since the first pass began, passes of others in between included."""


@dataclass(frozen=True, kw_only=True)
class ModelLocation:
    """Where a model lies, for processes of ours."""

    place: str
    """A path, a URI with whatever it carries, or models:/NAME/VERSION: never an alias."""
    version: str
    """Name and fingerprint, which clients see."""


class Solver(Protocol):
    """Whoever fills regions: a model in this process, or replicas of one elsewhere.

    A refusal is an answer: what a replica raises counts and is logged as a failure of its own.
    """

    async def solve(self, request: RegionRequest) -> RegionFill | InputError:
        """Fill a region, or say why that cannot be."""

    def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill | InputError]:
        """Fill a region, and show it after each pass; or say why that cannot be, and no more."""

    async def describe(self) -> dict[str, Any]:
        """Say which model it is: version, location, design, device and so on."""

    async def location(self) -> ModelLocation:
        """Say where the model lies."""
