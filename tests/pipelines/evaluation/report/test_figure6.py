"""Figure 6: the masks are those of the algorithm, white where it knows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isnet.config import ReconstructionConfig
from isnet.mask_generator import random_hole
from isnet.masks import dilate_valid
from isnet.reconstruction import progressive_passes
from pipelines.evaluation.report import figure6
from pipelines.evaluation.report.figure6 import growing_masks, mask_growth_figure


def _valid(seed, low=0.4, high=0.6, side=128) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return ~random_hole(draw, height=side, width=side, ratio_range=(low, high))


@pytest.fixture
def drawn(monkeypatch):
    """What the figure hands to the grid."""
    seen = SimpleNamespace()

    def grid(rows, headers, *, captions):
        seen.rows, seen.headers, seen.captions = rows, headers, captions

    monkeypatch.setattr(figure6, "comparison_grid", grid)
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_masks_are_dilated_by_9_until_the_hole_is_small(seed):
    """Algorithm 1, written out."""
    expected = [torch.from_numpy(_valid(seed))[None, None]]
    while 1 - expected[-1].double().mean() >= 0.2 and len(expected) < 11:
        expected.append(dilate_valid(expected[-1], 9))
    masks = growing_masks(_valid(seed))
    assert len(masks) > 1
    assert len(masks) == len(expected)
    for mask, wanted in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, wanted[0, 0].numpy())


def test_masks_are_those_that_images_are_reconstructed_under():
    valid = _valid(7)
    passes = progressive_passes(
        lambda image: image.flip(1) * 0.5 + 0.1,
        torch.rand(1, 3, 128, 128),
        torch.from_numpy(valid)[None, None],
        ReconstructionConfig(kernel_size=9),
    )
    used = [step.valid[0, 0].numpy() for step in passes]
    np.testing.assert_array_equal(np.stack(growing_masks(valid)), np.stack(used))


def test_a_small_hole_is_filled_in_one_pass():
    assert len(growing_masks(_valid(0, low=0.1, high=0.2))) == 1


def test_eleven_passes_are_the_most():
    assert len(growing_masks(np.zeros((16, 16), dtype=bool))) == 11


def test_the_four_largest_holes_are_shown_smaller_first(drawn):
    valid = np.stack(
        [_valid(i, low, low + 0.05) for i, low in enumerate((0.1, 0.5, 0.3, 0.2, 0.4))]
    )
    mask_growth_figure(valid)
    for row, index in zip(drawn.rows, (3, 2, 4, 1), strict=True):
        np.testing.assert_array_equal(row[0][..., 0] == 255, valid[index])


def test_white_is_valid_and_each_hole_ratio_stands_below(drawn):
    valid = np.stack([_valid(0, 0.5, 0.55), _valid(1, 0.1, 0.15)])
    mask_growth_figure(valid)
    masks = growing_masks(valid[0])
    small, large = drawn.rows
    for picture, mask in zip(large, masks, strict=True):
        assert picture.shape == (128, 128, 3)
        assert (picture[mask] == 255).all()
        assert (picture[~mask] == 0).all()
    assert small[1:] == [None] * (len(masks) - 1)
    assert drawn.captions[1] == [f"hole {1 - mask.mean():.1%}" for mask in masks]
    assert len(drawn.captions[0]) == 1
    assert drawn.headers == [
        *("M, as given", "after 1 dilation"),
        *(f"after {count} dilations" for count in range(2, len(masks))),
    ]


def test_one_pass_needs_one_column(drawn):
    mask_growth_figure(_valid(0, 0.1, 0.2)[None])
    assert drawn.headers == ["M, as given"]
