"""Validation during training: a few held-out images, one-shot and progressive, and a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import nn

from pipelines.evaluation.fills import Fill, mean_fill, one_shot, progressive
from pipelines.evaluation.pictures import composites, ground_truth_and_corrupted
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.scores import Summary, score, summarise
from pipelines.evaluation.work import plan_work
from pipelines.reporting.grid import comparison_grid
from pipelines.shards import read_manifest
from pipelines.training.checks import WORK_SEED
from pipelines.training.config import TrainConfig

_GRID_ROWS = 4


class Validation:
    """The same held-out images under the same masks, whenever it runs."""

    def __init__(self, config: TrainConfig) -> None:
        """Choose and load the samples."""
        manifest = read_manifest(config.data)
        work = plan_work(config.data, manifest, images=config.validation_images, seed=WORK_SEED)
        self._samples = load_samples(config.data, manifest, work, size=config.size)
        self._reconstruction = config.reconstruction

    def run(self, generator: nn.Module) -> tuple[dict[str, Summary], Image.Image]:
        """Score the generator beside mean fill; return the summaries and the sample grid."""
        fills: dict[str, Fill] = {
            "one_shot": one_shot(generator),
            "progressive": progressive(generator, self._reconstruction),
            "mean_fill": mean_fill,
        }
        device = next(generator.parameters()).device
        summaries = {
            name: summarise(list(score(self._samples, fill, device=device)))
            for name, fill in fills.items()
        }
        return summaries, sample_grid(self._samples[:_GRID_ROWS], fills, device=device)


def sample_grid(
    samples: Sequence[Sample], fills: dict[str, Fill], *, device: torch.device
) -> Image.Image:
    """Draw ground truth, corrupted, and each method's composite, one sample a row."""
    pictures = [*ground_truth_and_corrupted(samples)]
    pictures += [composites(samples, fill, device=device) for fill in fills.values()]
    rows = [[column[index] for column in pictures] for index in range(len(samples))]
    return comparison_grid(rows, ["ground truth", "corrupted", *fills])
