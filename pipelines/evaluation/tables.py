"""How an evaluation is shown: the table by hole-ratio bucket, and the picture of the passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn

from isnet.config import ReconstructionConfig
from isnet.images import to_uint8
from isnet.masks import bucket_name
from isnet.reconstruction import progressive_passes
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.scores import Score, Summary, summarise
from pipelines.reporting.grid import comparison_grid
from pipelines.reporting.markdown import markdown_table

_MAX_PASS_COLUMNS = 11
"""As many as the paper's setting can take."""
_ROWS_PER_BUCKET = 2

Scores = Mapping[str, Sequence[Score]]
"""Scores by method, in the order of the table."""


def bucket_table(scores: Scores) -> str:
    """Lay out PSNR / SSIM / MAE % by method and hole-ratio bucket, as in Tables 5 and 6."""
    some = next(iter(scores.values()))
    buckets = buckets_of(some)
    headers = ["PSNR dB / SSIM / MAE %"]
    headers += [f"{bucket_name(bucket)} ({len(in_bucket(some, bucket))})" for bucket in buckets]
    rows = []
    for name, entries in scores.items():
        cells = [_cell(summarise(in_bucket(entries, bucket))) for bucket in buckets]
        total = summarise(entries)
        rows.append([name, *cells, _cell(total), f"{total.passes:.1f}"])
    return markdown_table([*headers, f"all ({len(some)})", "passes"], rows) + _infinite(scores)


def buckets_of(entries: Sequence[Score]) -> list[int]:
    """List the buckets that occur."""
    return sorted({entry.item.bucket for entry in entries})


def in_bucket(entries: Sequence[Score], bucket: int) -> list[Score]:
    """Take the scores of one bucket."""
    return [entry for entry in entries if entry.item.bucket == bucket]


def _cell(summary: Summary) -> str:
    return f"{summary.psnr:.2f} / {summary.ssim:.3f} / {summary.mae * 100:.2f}"


def _infinite(scores: Scores) -> str:
    counts = {name: summarise(entries).infinite for name, entries in scores.items()}
    named = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"\nImages without any error, left out of the mean PSNR: {named}.\n" if named else ""


def draw_passes(
    samples: Sequence[Sample], generator: nn.Module, config: ReconstructionConfig
) -> Image.Image:
    """Draw ground truth | corrupted | the composite after each pass | PRA, two images a bucket.

    Images stop after different passes: what follows an image's last pass is left empty, and the
    column PRA shows each image's last pass. Of more than 11 passes the first 11 are shown.
    """
    rows = [_row(sample, generator, config) for sample in _examples(samples)]
    longest = max(len(passes) for _, passes in rows)
    shown = min(longest, _MAX_PASS_COLUMNS)
    headers = ["ground truth", "corrupted", "pass 1 = one-shot"]
    headers += [f"pass {number}" for number in range(2, shown + 1)] + ["PRA = last pass"]
    grid, notes = [], []
    for sample, (fixed, passes) in zip(_examples(samples), rows, strict=True):
        blank = np.full_like(passes[0], 255)
        padded = [*passes[:shown], *[blank] * (shown - len(passes))]
        grid.append([*fixed, *padded, passes[-1]])
        ratio = 1 - sample.valid.float().mean().item()
        count = f"{len(passes)} pass" + ("es" if len(passes) > 1 else "")
        notes.append(f"hole {ratio:.0%}, {count}")
    return comparison_grid(grid, headers, notes=notes)


def _examples(samples: Sequence[Sample]) -> list[Sample]:
    """Take the first samples of each bucket, smaller holes first."""
    taken: dict[int, list[Sample]] = {}
    for sample in samples:
        same = taken.setdefault(sample.item.bucket, [])
        if len(same) < _ROWS_PER_BUCKET:
            same.append(sample)
    return [sample for bucket in sorted(taken) for sample in taken[bucket]]


def _row(
    sample: Sample, generator: nn.Module, config: ReconstructionConfig
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Make one sample's pictures: ground truth, corrupted; and its composite after each pass."""
    device = next(generator.parameters()).device
    ground_truth, valid = sample.ground_truth[None].to(device), sample.valid[None].to(device)
    corrupted = torch.where(valid, ground_truth, torch.zeros_like(ground_truth))
    passes = [
        to_uint8(step.composite.cpu())[0]
        for step in progressive_passes(generator, corrupted, valid, config)
    ]
    # White holes: black ones would look like dark parts of the picture.
    white = torch.where(valid, ground_truth, torch.ones_like(ground_truth))
    return [to_uint8(picture.cpu())[0] for picture in (ground_truth, white)], passes
