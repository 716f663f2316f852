"""The picture of the passes: what progressive reconstruction makes of an image, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import nn

from isnet.config import ReconstructionConfig
from isnet.images import to_uint8
from isnet.reconstruction import progressive_passes
from pipelines.evaluation.filling import NOT_FINITE, corrupted
from pipelines.evaluation.pictures import ground_truth_and_corrupted
from pipelines.evaluation.samples import Sample
from pipelines.reporting.grid import comparison_grid

_MAX_PASS_COLUMNS = 11
"""As many as the paper's setting can take."""


def draw_passes(
    samples: Sequence[Sample], generator: nn.Module, config: ReconstructionConfig
) -> Image.Image:
    """Draw ground truth | corrupted | the composite after each pass | PRA, a row a sample.

    Images stop after different passes: what follows an image's last pass is left empty, and the
    column PRA shows each image's last pass. Of more than 11 passes the first 11 are shown.
    """
    rows = [_row(sample, generator, config) for sample in samples]
    longest = max(len(passes) for _, passes in rows)
    shown = min(longest, _MAX_PASS_COLUMNS)
    headers = ["ground truth", "corrupted", "pass 1 = one-shot"]
    headers += [f"pass {number}" for number in range(2, shown + 1)] + ["PRA = last pass"]
    grid, notes = [], []
    for sample, (fixed, passes) in zip(samples, rows, strict=True):
        padded = [*passes[:shown], *[None] * (shown - len(passes))]
        grid.append([*fixed, *padded, passes[-1]])
        ratio = 1 - sample.valid.float().mean().item()
        count = f"{len(passes)} pass" + ("es" if len(passes) > 1 else "")
        notes.append(f"hole {ratio:.0%}, {count}")
    return comparison_grid(grid, headers, notes=notes)


def _row(
    sample: Sample, generator: nn.Module, config: ReconstructionConfig
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Make one sample's pictures: ground truth, corrupted; and its composite after each pass."""
    device = next(generator.parameters()).device
    steps = [
        step.composite
        for step in progressive_passes(generator, *corrupted([sample], device), config)
    ]
    if not steps[-1].isfinite().all():
        raise FloatingPointError(NOT_FINITE)
    ground_truth, white = ground_truth_and_corrupted([sample])
    return [ground_truth[0], white[0]], [to_uint8(step)[0] for step in steps]
