"""What a campaign leaves behind: the outcome of each trial, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from isnet.config import LossWeights

State = Literal["finished", "failed", "stopped", "unfinished"]


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """One trained model and its scores."""

    name: str
    """Name of its folder and of its run in MLflow: "trial-03", "row3", "isnet"."""
    label: str
    """What the table calls it: "row 3", "Base Model+FF", "2 blocks"; empty for a random trial."""
    state: State
    """`stopped` by the scheduler before its budget was spent, `unfinished` while it may go on."""
    reason: str
    """Why it failed or was stopped, else empty."""
    overrides: Mapping[str, Any]
    """Dotted training options that set the trial apart: {"loss.l1": 48.08}."""
    weights: LossWeights
    """Weights of its loss."""
    published: str | None
    """The published row that it repeats, such as "table1-row3", "table7-isnet" or "table8-2"."""
    parameters: int
    """Trained parameters of the generator."""
    steps: int
    """Updates of the weights."""
    seconds: float
    """Time in training."""
    progressive: Mapping[str, float] | None
    """Scores of PRA: psnr in dB, ssim, mae and relative_mae as fractions, and lpips where it was
    measured; None unless the trial finished."""
    one_shot: Mapping[str, float] | None
    """The same scores of a single pass."""
    curve: Sequence[tuple[int, float]]
    """Step and held-out PSNR of PRA, of the validations during training."""
    composites: np.ndarray | None
    """PRA's composites of the sample images: uint8 (K, H, W, 3)."""
    location: str
    """Its folder: a path or a URI."""
    run_id: str | None
    """Its run in MLflow."""


@dataclass(frozen=True, kw_only=True)
class CampaignOutcome:
    """All trials of a campaign, and what they were scored on."""

    name: str
    """Name of the campaign."""
    kind: str
    """table1, table1-rows, table2, table7, table8, or `file` for a campaign file."""
    trials: Sequence[TrialOutcome]
    """In the order in which they were planned."""
    ground_truth: np.ndarray
    """The sample images: uint8 (K, H, W, 3)."""
    corrupted: np.ndarray
    """The sample images with white holes: uint8 (K, H, W, 3)."""
    facts: Mapping[str, str]
    """What the figures stand on, ready to print: data, work, images, size, channels, ..."""
