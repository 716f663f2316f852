"""Figure 5 again: the same images under every trial, in order of score."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image

from pipelines.reporting.grid import comparison_grid
from pipelines.reporting.published import FIGURE5
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.ranking import LPIPS, PSNR, score, title

IMAGES = 8
"""Sample images shown of each trial."""
SHOWN = 12
"""Trials shown; of more, the best half and the worst half of as many."""
_PER_SHEET = 6


def choose(ranked: Sequence[TrialOutcome]) -> list[list[tuple[int, TrialOutcome]]]:
    """Deal the trials that have composites over sheets, each with its place from 1, best first."""
    placed = [
        (place, trial)
        for place, trial in enumerate(ranked, start=1)
        if trial.composites is not None and len(trial.composites)
    ]
    if len(placed) > SHOWN:
        return [placed[: SHOWN // 2], placed[-SHOWN // 2 :]]
    sheets = ceil(len(placed) / _PER_SHEET)
    share = ceil(len(placed) / sheets) if sheets else 0
    return [placed[sheet * share : (sheet + 1) * share] for sheet in range(sheets)]


def draw_sheet(outcome: CampaignOutcome, placed: Sequence[tuple[int, TrialOutcome]]) -> Image.Image:
    """Draw ground truth, corrupted, and a row a trial; a column an image."""
    rows = [outcome.ground_truth, outcome.corrupted]
    notes = ["ground truth", "corrupted: what the networks see, holes white"]
    for place, trial in placed:
        assert trial.composites is not None
        rows.append(trial.composites)
        notes.append(f"{place}. {_note(trial)}")
    pictures = min(IMAGES, *(len(row) for row in rows))
    shown: list[list[np.ndarray]] = [list(row[:pictures]) for row in rows]
    return comparison_grid(shown, [""] * pictures, notes=notes)


def _note(trial: TrialOutcome) -> str:
    psnr, lpips = score(trial, PSNR), score(trial, LPIPS)
    figures = f"{title(trial)}: {psnr:.2f} dB"
    if lpips is not None:
        figures += f", LPIPS {lpips:.3f}"
    heading = FIGURE5.get(trial.published or "")
    return f"{figures} (the paper's '{heading}')" if heading else figures
