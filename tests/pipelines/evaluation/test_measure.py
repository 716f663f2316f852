"""What evaluations write down, against scikit-image on the same 8-bit pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from isnet.images import to_tensor, to_uint8
from isnet.mask_generator import random_hole
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.pictures import composites
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.scores import measure, score
from pipelines.evaluation.work import WorkItem

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs(samples) -> list[Sample]:
    """Every sample photograph at 96x96, under a hole of its own."""
    draw = np.random.default_rng(1)
    return [
        Sample(
            item=WorkItem(image=path.name, mask="m", turns=0, bucket=0),
            rgb=np.array(Image.open(path).convert("RGB").resize((96, 96))),
            valid=torch.from_numpy(~random_hole(draw, height=96, width=96))[None],
        )
        for path in sorted(samples.glob("*.jpg"))
    ]


@pytest.mark.parametrize("name", CLASSICAL)
def test_scores_are_those_of_the_pictures_that_are_shown(name, photographs):
    pictures = composites(photographs, CLASSICAL[name], device=CPU)
    scores = score(photographs, CLASSICAL[name], device=CPU, batch_size=5)
    for sample, picture, entry in zip(photographs, pictures, scores, strict=True):
        truth = sample.rgb
        similarity = structural_similarity(
            truth,
            picture,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        error = np.abs(truth.astype(float) - picture)
        assert entry.psnr == pytest.approx(peak_signal_noise_ratio(truth, picture), abs=1e-3)
        assert entry.ssim == pytest.approx(similarity, abs=1e-4)
        assert entry.mae == pytest.approx(error.mean() / 255, abs=1e-6)
        assert entry.relative_mae == pytest.approx(error.sum() / truth.sum(), rel=1e-5)


def test_what_is_between_levels_is_rounded_first(photographs):
    truth = to_tensor(photographs[0].rgb)[None]
    near = truth + 0.4 / 255
    assert np.array_equal(to_uint8(near)[0], photographs[0].rgb)
    assert measure(near, truth, {})["mae"] == [pytest.approx(0, abs=1e-7)]
