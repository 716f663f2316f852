"""The inpainter by strategy: the contract of every mode holds whatever the network sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from isnet.config import InputError
from isnet.inpainter import Inpainter, InpaintingTask
from isnet.strategies import Strategy, find_windows
from tests.isnet.small_pictures import MODES, as_mask, noise, square_hole, with_garbage

STRATEGIES: list[Strategy] = ["original", "crop", "resize"]
HEIGHT, WIDTH = 40, 420


def two_holes() -> np.ndarray:
    """Return two holes that `crop` fills apart."""
    hole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    hole[5:20, 30:45] = hole[12:30, 380:400] = True
    return hole


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_mode_size_and_known_pixels_are_kept(
    inpainter: Inpainter, mode: str, strategy: Strategy
) -> None:
    picture, hole = noise(mode, height=HEIGHT, width=WIDTH), two_holes()
    result = inpainter(picture, as_mask(hole), strategy=strategy, scale=32)
    assert (result.mode, result.size) == (mode, picture.size)
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(picture)[~hole])
    assert result.tobytes() != picture.tobytes()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.filterwarnings("error")
def test_colours_under_the_hole_have_no_influence(
    inpainter: Inpainter, mode: str, strategy: Strategy
) -> None:
    picture, hole = noise(mode, height=HEIGHT, width=WIDTH), two_holes()
    damaged = with_garbage(picture, hole, seed=1)
    assert damaged.tobytes() != picture.tobytes()
    results = [
        inpainter(one, as_mask(hole), strategy=strategy, scale=32) for one in (picture, damaged)
    ]
    assert results[0].tobytes() == results[1].tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_crop_is_each_window_filled_by_itself(inpainter: Inpainter, mode: str) -> None:
    picture, hole = noise(mode, height=HEIGHT, width=WIDTH), two_holes()
    boxes = find_windows(hole)
    assert len(boxes) == 2
    expected = picture.copy()
    for box in boxes:
        expected.paste(inpainter(picture.crop(box), as_mask(hole).crop(box)), box[:2])
    result = inpainter(picture, as_mask(hole), strategy="crop")
    assert result.tobytes() == expected.tobytes()


def test_a_hole_everywhere_is_cropped_to_the_whole(inpainter: Inpainter) -> None:
    picture, mask = noise("RGB", height=70, width=90), Image.new("L", (90, 70), 255)
    whole = inpainter(picture, mask)
    assert inpainter(picture, mask, strategy="crop").tobytes() == whole.tobytes()


def test_resize_leaves_a_small_picture_to_original(inpainter: Inpainter) -> None:
    picture, mask = noise("RGB", height=HEIGHT, width=WIDTH), as_mask(two_holes())
    whole = inpainter(picture, mask)
    resized = inpainter(picture, mask, strategy="resize", scale=HEIGHT)
    assert resized.tobytes() == whole.tobytes()


def test_resize_fills_with_what_the_network_says_of_the_small_picture() -> None:
    picture, hole = Image.new("RGB", (128, 96), (90, 120, 30)), square_hole(96, 128)
    task = InpaintingTask(picture, as_mask(hole), strategy="resize", scale=48)
    (region,) = task.regions
    assert region.hole.shape == (48, 64)
    colour = np.array([90, 120, 30], dtype=np.float32) / 255
    np.testing.assert_allclose(region.colours[~region.hole], [colour] * int((~region.hole).sum()))
    task.put(region, np.tile(colour, (int(region.hole.sum()), 1)))
    assert isinstance(task.picture, Image.Image)
    assert task.picture.tobytes() == picture.tobytes()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_hole_gives_the_picture_back(inpainter: Inpainter, strategy: Strategy) -> None:
    picture = noise("RGBA")
    task = InpaintingTask(picture, Image.new("L", picture.size), strategy=strategy)
    assert (task.regions, task.hole_ratio) == ([], 0)
    result = inpainter(picture, Image.new("L", picture.size), strategy=strategy)
    assert result.tobytes() == picture.tobytes()


def test_an_unknown_strategy_is_refused(inpainter: Inpainter) -> None:
    with pytest.raises(InputError, match="strategy 'tile'; choose original, crop, resize"):
        inpainter(noise("RGB"), as_mask(square_hole()), strategy="tile")  # type: ignore[arg-type]


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Image.Image, np.ndarray]:
    """Draw a picture of any mode and size with a hole of any shape."""
    height, width = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    picture = noise(
        draw(st.sampled_from(MODES)), draw(st.integers(0, 9)), height=height, width=width
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    hole = rng.random((height, width)) < draw(st.sampled_from([0, 0.01, 0.5, 1]))
    top, left = draw(st.integers(0, height)), draw(st.integers(0, width))
    hole[top : top + draw(st.integers(0, 40)), left : left + draw(st.integers(0, 40))] = True
    return picture, hole


@settings(deadline=None, max_examples=60)
@given(jobs(), st.sampled_from(STRATEGIES), st.integers(1, 100))
def test_any_picture_and_mask_keeps_the_contract(
    inpainter: Inpainter, job: tuple[Image.Image, np.ndarray], strategy: Strategy, scale: int
) -> None:
    picture, hole = job
    result = inpainter(picture, as_mask(hole), strategy=strategy, scale=scale)
    assert (result.mode, result.size) == (picture.mode, picture.size)
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(picture)[~hole])
    damaged = inpainter(
        with_garbage(picture, hole, 10), as_mask(hole), strategy=strategy, scale=scale
    )
    assert damaged.tobytes() == result.tobytes()
