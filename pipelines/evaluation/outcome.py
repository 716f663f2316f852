"""What an evaluation leaves behind, ready to be laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from isnet.config import GeneratorConfig
from pipelines.evaluation.rows import FILL, ONE_SHOT, PRA, Method
from pipelines.evaluation.work import Work

Group = Literal["networks", "classical"]
"""What is measured side by side, on devices of its own."""

ENOUGH_BATCHES = 20
"""Timed batches that a 95th percentile needs: of fewer it is the slowest."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model or a classical method under test."""

    name: str
    """What the tables call it."""
    location: str
    """Checkpoint or authors' file; or the name of a registered or shipped model, or of a classical
    method."""
    fingerprint: str
    """Hash of its weights, so that it is the same model everywhere and in a later run."""
    generator: GeneratorConfig | None = None
    """What the network is built from; None for a classical method."""
    parameters: int | None = None
    """Trained parameters of the network."""
    facts: Mapping[str, str]
    """What is known of its training, ready to print."""

    @property
    def group(self) -> Group:
        """Whether it is a network."""
        return "classical" if self.generator is None else "networks"

    @property
    def methods(self) -> tuple[Method, ...]:
        """How it fills."""
        return (FILL,) if self.generator is None else (ONE_SHOT, PRA)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a network takes (Table 3): prediction only, no loading, decoding or scoring."""

    model: str
    method: Method
    batch_size: int
    device: str
    """E.g. `NVIDIA H100 80GB HBM3` or `AMD EPYC 7B13, 2 threads`."""
    precision: str
    """E.g. `fp32`."""
    size: int
    """Side of the pictures."""
    warm_up: float
    """Milliseconds an image of the first batch's extra run, which is not among the others."""
    milliseconds: tuple[float, ...]
    """Milliseconds an image, of each timed batch."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A few items, the same for every candidate; K of them, two of each bucket."""

    items: tuple[int, ...]
    """Their places in the plan, smaller holes first."""
    ground_truth: np.ndarray
    """uint8 (K, H, W, 3)."""
    valid: np.ndarray
    """bool (K, H, W), True = known."""
    composites: Mapping[tuple[str, Method], np.ndarray]
    """uint8 (K, H, W, 3) by model's name and method; one that failed is not there."""


Published = Literal["places2", "celeba"]
"""Which of the paper's tables stands beside: Table 5 or Table 6."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOutcome:
    """All that a report is made of."""

    candidates: Sequence[Candidate]
    """In the order of the tables; differences are to the first."""
    scores: pd.DataFrame
    """Rows of `pipelines.evaluation.rows.SCHEMA`."""
    work: Work
    published: Published
    timings: Sequence[Timing]
    examples: Examples
    facts: Mapping[str, str]
    """What the figures stand on, ready to print: data, split, seed, reconstruction, device, ..."""
    warnings: tuple[str, ...] = ()
    """What was noticed on the way, in whole sentences."""
