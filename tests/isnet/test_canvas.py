"""Pictures being edited: 16 bits a channel in NumPy, tall pictures, fills that are replaced."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from isnet import images
from isnet.canvas import open_canvas, size_of
from isnet.config import InputError
from isnet.inpainter import Inpainter, InpaintingTask
from isnet.strategies import Strategy
from tests.isnet.holes import dotted
from tests.isnet.small_pictures import as_mask, noise, square_hole

STRATEGIES: list[Strategy] = ["original", "crop", "resize"]


def deep_colour(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return random colours of 16 bits a channel."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 65536, (height, width, channels), dtype=np.uint16)


def random_fill(hole: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a colour in [0, 1] for each pixel of a hole."""
    return np.random.default_rng(seed).random((int(hole.sum()), 3), dtype=np.float32)


def filled(task: InpaintingTask, inpainter: Inpainter) -> np.ndarray:
    """Fill every region of a 16-bit picture."""
    for region, fill in zip(task.regions, inpainter.fill(task.regions), strict=True):
        task.put(region, fill)
    assert isinstance(task.picture, np.ndarray)
    return task.picture


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_known_samples_and_alpha_of_16_bits_are_exact(
    inpainter: Inpainter, channels: int, strategy: Strategy
) -> None:
    picture, hole = deep_colour(40, 56, channels), square_hole(40, 56)
    before = picture.copy()
    result = filled(InpaintingTask(picture, as_mask(hole), strategy=strategy, scale=16), inpainter)
    assert (result.dtype, result.shape) == (np.uint16, picture.shape)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    np.testing.assert_array_equal(result[..., 3:], picture[..., 3:])
    assert (result[hole][:, :3] != picture[hole][:, :3]).any()
    np.testing.assert_array_equal(picture, before)


def test_a_16_bit_fill_is_rounded_to_16_bits() -> None:
    hole = square_hole()
    task = InpaintingTask(deep_colour(*hole.shape), as_mask(hole))
    fill = random_fill(hole)
    task.put(task.regions[0], fill)
    assert isinstance(task.picture, np.ndarray)
    levels = np.rint(fill.astype(np.float64) * 65535)
    np.testing.assert_array_equal(task.picture[hole], levels)


def test_a_fill_out_of_range_is_clipped() -> None:
    hole = square_hole()
    task = InpaintingTask(deep_colour(*hole.shape), as_mask(hole))
    task.put(task.regions[0], np.full((int(hole.sum()), 3), [-0.5, 2, 1], dtype=np.float32))
    assert isinstance(task.picture, np.ndarray)
    assert (task.picture[hole] == [0, 65535, 65535]).all()


def test_16_bit_colours_reach_the_network_as_they_are() -> None:
    picture, hole = deep_colour(30, 30), square_hole(30, 30)
    (region,) = InpaintingTask(picture, as_mask(hole)).regions
    np.testing.assert_array_equal(np.rint(region.colours * 65535)[~hole], picture[~hole])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_16_bit_samples_under_the_hole_have_no_influence(
    inpainter: Inpainter, strategy: Strategy
) -> None:
    picture, hole = deep_colour(40, 56), square_hole(40, 56)
    damaged = np.where(hole[..., None], deep_colour(40, 56, seed=1), picture)
    results = [
        filled(InpaintingTask(one, as_mask(hole), strategy=strategy, scale=16), inpainter)
        for one in (picture, damaged)
    ]
    np.testing.assert_array_equal(results[0], results[1])


def test_views_and_read_only_pictures_are_taken() -> None:
    picture, hole = deep_colour(40, 56)[::-2, ::-1], square_hole(20, 56)
    picture.flags.writeable = False
    fill = random_fill(hole)
    task, expected = (
        InpaintingTask(one, as_mask(hole)) for one in (picture, np.ascontiguousarray(picture))
    )
    for one in (task, expected):
        one.put(one.regions[0], fill)
    np.testing.assert_array_equal(task.picture, expected.picture)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8), np.uint16),
        np.zeros((8,), np.uint16),
        np.zeros((), np.uint16),
        np.zeros((1, 8, 8, 3), np.uint16),
        np.zeros((8, 8, 2), np.uint16),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 3), ">u2"),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    hole = square_hole(8, 8)
    message = r"is no picture; give uint16 \(H, W, 3\) or \(H, W, 4\)"
    for use in (
        lambda: InpaintingTask(array, as_mask(hole)),
        lambda: open_canvas(array, hole),
        lambda: size_of(array),
    ):
        with pytest.raises(InputError, match=message):
            use()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="the mask is 8x9, the image 9x8"):
        InpaintingTask(deep_colour(8, 9), as_mask(square_hole(9, 8)))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("deep", [False, True])
def test_a_later_fill_replaces_the_earlier(strategy: Strategy, deep: bool) -> None:
    hole = square_hole(40, 56)
    picture = deep_colour(40, 56) if deep else noise("RGB", height=40, width=56)
    twice, once = (
        InpaintingTask(picture, as_mask(hole), strategy=strategy, scale=16) for _ in range(2)
    )
    (region,) = twice.regions
    twice.put(region, random_fill(region.hole, seed=1))
    first = np.array(twice.picture)
    for task in (twice, once):
        task.put(region, random_fill(region.hole, seed=2))
    np.testing.assert_array_equal(np.asarray(twice.picture), np.asarray(once.picture))
    assert (np.asarray(twice.picture) != first).any()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_a_tall_picture_is_written_whole(mode: str) -> None:
    hole = dotted(1100, 12, step=5, first=2)
    hole[:3], hole[520:800] = True, False
    picture = noise(mode, height=1100, width=12)
    task = InpaintingTask(picture, as_mask(hole))
    fill = random_fill(hole)
    task.put(task.regions[0], fill)
    result = np.asarray(task.picture)
    np.testing.assert_array_equal(result[~hole], np.asarray(picture)[~hole])
    if mode == "I;16":
        grey = (fill.astype(np.float64) @ [0.299, 0.587, 0.114]) * 65535
        np.testing.assert_allclose(result[hole], grey, atol=0.51)
    else:
        levels = np.rint(fill.astype(np.float64) * 255)
        np.testing.assert_array_equal(result[hole][:, :3], levels)


def test_a_tall_window_is_written_where_it_lies() -> None:
    hole = np.zeros((1000, 900), dtype=bool)
    hole[350:650, 500:520] = True
    task = InpaintingTask(deep_colour(*hole.shape), as_mask(hole), strategy="crop")
    (region,) = task.regions
    left, top, _, bottom = region.box
    assert min(left, top) > 0
    assert bottom - top > 512
    fill = random_fill(hole)
    task.put(region, fill)
    levels = np.rint(fill.astype(np.float64) * 65535)
    np.testing.assert_array_equal(np.asarray(task.picture)[hole], levels)


@pytest.mark.parametrize("mode", ["RGB", "LA", "I;16", "F"])
def test_the_picture_given_is_left_alone(mode: str) -> None:
    picture, hole = noise(mode), square_hole()
    before = picture.tobytes()
    task = InpaintingTask(picture, as_mask(hole))
    task.put(task.regions[0], random_fill(hole))
    assert picture.tobytes() == before
    assert isinstance(task.picture, Image.Image)
    assert task.picture.tobytes() != before


def test_deep_grey_is_scaled_by_its_known_pixels() -> None:
    levels = np.full((20, 20), 200, dtype=np.int32)
    hole = square_hole(20, 20)
    levels[hole] = 60_000
    canvas = open_canvas(Image.fromarray(levels), hole)
    colours = canvas.colours()
    np.testing.assert_allclose(colours[~hole], 200 / 255, rtol=1e-6)
    canvas.paste(np.full((20, 20, 3), 0.4, dtype=np.float32), hole, (0, 0, 20, 20))
    assert np.asarray(canvas.picture)[hole].tolist() == [102] * int(hole.sum())


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_8_bit_colours_are_those_of_to_rgb(mode: str) -> None:
    picture = noise(mode)
    colours = open_canvas(picture, square_hole()).colours()
    np.testing.assert_array_equal(colours, images.to_rgb(picture))
