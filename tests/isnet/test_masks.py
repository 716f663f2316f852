"""Masks: every mode binarised, polarity, resizing, ratio, buckets, dilation, storage."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from isnet.config import InputError
from isnet.masks import (
    BUCKETS,
    PUBLISHED_BUCKETS,
    bucket_name,
    bucket_of,
    decode_hole,
    dilate_valid,
    encode_hole,
    hole_from_mask,
    hole_ratio,
    resize_hole,
)

RNG = np.random.default_rng(0)
HOLE = RNG.random((13, 21)) < 0.3


def grey(white: int = 255, black: int = 0) -> Image.Image:
    """HOLE as a grey picture."""
    return Image.fromarray(np.where(HOLE, white, black).astype(np.uint8))


PICTURES = {
    "1": Image.fromarray(HOLE),
    "L": grey(),
    "L, soft edges": grey(white=128, black=127),
    "P": grey().convert("P"),
    "RGB": grey().convert("RGB"),
    "RGBA": grey().convert("RGBA"),
    "LA": grey().convert("LA"),
    "CMYK": grey().convert("RGB").convert("CMYK"),
    "I;16": Image.fromarray(np.where(HOLE, 65535, 0).astype(np.uint16)),
    "I": Image.fromarray(np.where(HOLE, 65535, 0).astype(np.int32)),
    "F": Image.fromarray(HOLE.astype(np.float32)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_white_is_hole_in_every_mode(name: str) -> None:
    assert np.array_equal(hole_from_mask(PICTURES[name]), HOLE)


@pytest.mark.parametrize("name", PICTURES)
def test_black_hole_is_the_opposite(name: str) -> None:
    assert np.array_equal(hole_from_mask(PICTURES[name], polarity="black-hole"), ~HOLE)


def test_transparent_pixels_are_black() -> None:
    alpha = Image.fromarray(np.where(HOLE, 255, 0).astype(np.uint8))
    picture = Image.new("RGB", alpha.size, "white")
    picture.putalpha(alpha)
    assert np.array_equal(hole_from_mask(picture), HOLE)


def test_unknown_polarity_is_refused() -> None:
    with pytest.raises(InputError, match="white-hole or black-hole"):
        hole_from_mask(grey(), polarity="white")  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(26, 42), (39, 63), (13, 21)])
def test_resizing_by_whole_factors_repeats_pixels(height: int, width: int) -> None:
    factors = height // 13, width // 21
    assert np.array_equal(
        resize_hole(HOLE, width=width, height=height), np.kron(HOLE, np.ones(factors)) > 0
    )


def test_shrinking_takes_existing_pixels() -> None:
    big = np.kron(HOLE, np.ones((4, 4))) > 0
    assert np.array_equal(resize_hole(big, width=21, height=13), HOLE)


def test_hole_ratio_is_the_share_of_missing_pixels() -> None:
    valid = torch.from_numpy(RNG.random((4, 1, 20, 30)) > 0.4)
    expected = 1 - valid.numpy().mean(axis=(1, 2, 3))
    assert np.allclose(hole_ratio(valid).numpy(), expected)


def test_hole_ratio_of_the_extremes() -> None:
    valid = torch.stack([torch.ones(1, 8, 8), torch.zeros(1, 8, 8)]).bool()
    assert hole_ratio(valid).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("ratio", "bucket"),
    [
        (0.0, None),
        (0.0999, None),
        (0.1, 0),
        (0.1999, 0),
        (0.2, 1),
        (0.4999, 3),
        (0.5, 4),
        (0.6, None),
    ],
)
def test_buckets_are_closed_below_and_open_above(ratio: float, bucket: int | None) -> None:
    assert bucket_of(ratio) == bucket


def test_bucket_names_are_the_papers() -> None:
    names = [bucket_name(index) for index in range(len(BUCKETS))]
    assert names[:PUBLISHED_BUCKETS] == ["10-20%", "20-30%", "30-40%", "40-50%"]
    assert names[PUBLISHED_BUCKETS:] == ["50-60%"]


@pytest.mark.parametrize("kernel_size", [3, 7, 15])
def test_dilation_equals_grey_dilation(kernel_size: int) -> None:
    valid = RNG.random((3, 1, 40, 50)) > 0.97
    expected = [
        ndimage.grey_dilation(
            image[0].astype(np.uint8), size=(kernel_size, kernel_size), mode="constant", cval=0
        )
        for image in valid
    ]
    grown = dilate_valid(torch.from_numpy(valid), kernel_size)
    assert grown.dtype == torch.bool
    assert np.array_equal(grown.numpy()[:, 0], np.stack(expected) > 0)


def test_nothing_known_stays_nothing_known() -> None:
    assert not dilate_valid(torch.zeros(1, 1, 16, 16, dtype=torch.bool), 15).any()


def test_stored_hole_comes_back() -> None:
    assert np.array_equal(decode_hole(encode_hole(HOLE)), HOLE)


def test_stored_hole_is_one_bit_png_with_white_hole() -> None:
    with Image.open(io.BytesIO(encode_hole(HOLE))) as picture:
        assert (picture.format, picture.mode) == ("PNG", "1")
        assert np.array_equal(np.asarray(picture.convert("L")) == 255, HOLE)
