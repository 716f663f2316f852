"""No method gets hold of the ground truth in the hole, and one that did would be seen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from isnet.config import ReconstructionConfig
from isnet.images import to_tensor
from isnet.mask_generator import random_hole
from isnet.network import build_generator
from isnet.reconstruction import Reconstruction
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.fills import Fill, one_shot, progressive
from pipelines.evaluation.measuring import measure_samples
from pipelines.evaluation.pictures import composites
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.scores import score
from pipelines.evaluation.timing import time_fill
from pipelines.evaluation.work import WorkItem

CPU = torch.device("cpu")
GENERATOR = build_generator(blocks=1, channels=2).eval()
METHODS: dict[str, Fill] = {
    **CLASSICAL,
    "one-shot": one_shot(GENERATOR),
    "PRA": progressive(GENERATOR, ReconstructionConfig(kernel_size=5)),
}

every = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(scope="module")
def photographs(samples) -> list[Sample]:
    """Three photographs at 48x48 under holes of a third to a half."""
    draw = np.random.default_rng(0)
    found = []
    for bucket, path in enumerate(sorted(samples.glob("*.jpg"))[:3], start=1):
        hole = random_hole(draw, height=48, width=48, ratio_range=(0.3, 0.5))
        found.append(
            Sample(
                item=WorkItem(image=path.name, mask="m", turns=0, bucket=bucket),
                rgb=np.array(Image.open(path).convert("RGB").resize((48, 48))),
                valid=torch.from_numpy(~hole)[None],
            )
        )
    return found


@pytest.fixture(scope="module")
def other_truth(photographs) -> list[Sample]:
    """The same photographs with another ground truth in the holes."""
    return [
        replace(
            sample,
            rgb=np.where(sample.valid.numpy()[0][..., None], sample.rgb, 255 - sample.rgb),
        )
        for sample in photographs
    ]


def _returned(image: torch.Tensor) -> Reconstruction:
    passes = torch.ones(len(image), dtype=torch.int64)
    return Reconstruction(image=image, passes=passes, prediction=image)


def test_a_method_that_knew_the_truth_would_score_infinity(photographs):
    truth = torch.stack([to_tensor(sample.rgb) for sample in photographs])
    for entry in score(photographs, lambda image, valid: _returned(truth), device=CPU):
        assert entry.psnr == math.inf
        assert entry.ssim == pytest.approx(1)
        assert entry.mae == entry.relative_mae == 0


HARNESSES = {
    "training and campaigns": lambda samples, fill: list(score(samples, fill, device=CPU)),
    "evaluation": lambda samples, fill: measure_samples(
        samples, "one-shot", fill, device=CPU, lpips={}
    ),
    "pictures": lambda samples, fill: composites(samples, fill, device=CPU),
    "latency": lambda samples, fill: time_fill(
        samples, fill, "one-shot", len(samples), model="m", device=CPU
    ),
}


@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_methods_are_handed_zeros_in_the_hole(photographs, harness):
    """So a method that returns what it was handed scores as zeros do."""
    handed = []

    def copy(image, valid):
        handed.append((image, valid))
        return _returned(image)

    harness(photographs, copy)
    for (image, valid), sample in zip(_singles(handed)[:3], photographs, strict=True):
        assert torch.equal(valid, sample.valid)
        assert not image.masked_select(~valid).any()
        assert torch.equal(image.masked_select(valid), to_tensor(sample.rgb).masked_select(valid))


def _singles(handed):
    return [pair for image, valid in handed for pair in zip(image, valid, strict=True)]


@every
def test_another_truth_in_the_hole_changes_nothing_that_is_returned(name, photographs, other_truth):
    first, second = (composites(s, METHODS[name], device=CPU) for s in (photographs, other_truth))
    np.testing.assert_array_equal(first, second)


@every
def test_another_truth_in_the_hole_changes_the_scores(name, photographs, other_truth):
    """What is scored is the hole: the same answer is further from another truth, or nearer."""
    first, second = (list(score(s, METHODS[name], device=CPU)) for s in (photographs, other_truth))
    for one, other in zip(first, second, strict=True):
        assert math.isfinite(one.psnr)
        assert one.psnr != other.psnr


@every
def test_known_pixels_cost_nothing(name, photographs):
    """Scores are of the composite: the error is that of the hole alone."""
    for sample, entry, picture in zip(
        photographs,
        score(photographs, METHODS[name], device=CPU),
        composites(photographs, METHODS[name], device=CPU),
        strict=True,
    ):
        hole = ~sample.valid.numpy()[0]
        error = np.abs(picture[hole].astype(int) - sample.rgb[hole]).sum() / (3 * hole.size * 255)
        assert entry.mae == pytest.approx(error, abs=1e-6)
