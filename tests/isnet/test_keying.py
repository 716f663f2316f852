"""Holes that pictures carry: alpha of every kind, and a key colour."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from isnet.canvas import Picture
from isnet.config import InputError
from isnet.images import to_rgb
from isnet.inpainter import open_canvas
from isnet.keying import hole_from_alpha, hole_from_colour, opaque, parse_colour

RNG = np.random.default_rng(0)
HOLE = RNG.random((13, 21)) < 0.3
RGB = RNG.integers(0, 200, (13, 21, 3), dtype=np.uint8)
ALPHA = np.where(HOLE, 127, 128).astype(np.uint8)


def rgba() -> Image.Image:
    return Image.fromarray(np.dstack([RGB, ALPHA]))


def deep(channels: int) -> np.ndarray:
    picture = np.dstack([RGB.astype(np.uint16) * 257, np.where(HOLE, 32767, 32768)])
    return picture.astype(np.uint16)[..., :channels]


def keyed(mode: str, level: object) -> Image.Image:
    """A picture of which one colour is declared transparent, as it comes out of a PNG."""
    levels = np.where(HOLE, 255, 100).astype(np.uint8)
    picture = Image.fromarray(levels)
    picture = Image.fromarray(HOLE) if mode == "1" else picture.convert(mode)
    if mode == "I;16":
        picture = Image.fromarray(levels.astype(np.uint16) * 257)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", transparency=level)
    return Image.open(buffer)


PICTURES: dict[str, Picture] = {
    "RGBA": rgba(),
    "RGBa": rgba().convert("RGBa"),
    "LA": rgba().convert("LA"),
    "La": rgba().convert("LA").convert("La"),
    "PA": rgba().convert("PA"),
    "P": keyed("P", 255),
    "1": keyed("1", 1),
    "L": keyed("L", 255),
    "RGB": keyed("RGB", (255, 255, 255)),
    "I;16": keyed("I;16", 65535),
    "uint16": deep(4),
}
"""Transparent, or less than half opaque, in the hole."""


@pytest.mark.parametrize("name", PICTURES)
def test_less_than_half_opaque_is_missing(name: str) -> None:
    assert np.array_equal(hole_from_alpha(PICTURES[name]), HOLE)


@pytest.mark.parametrize("name", PICTURES)
def test_a_hole_made_opaque_is_none(name: str) -> None:
    covered = opaque(PICTURES[name], HOLE)
    if name == "I;16":
        assert isinstance(covered, Image.Image)
        assert not covered.has_transparency_data
    else:
        assert not hole_from_alpha(covered).any()


@pytest.mark.parametrize("name", PICTURES)
def test_making_a_hole_opaque_leaves_the_picture_alone(name: str) -> None:
    opaque(PICTURES[name], HOLE)
    assert np.array_equal(hole_from_alpha(PICTURES[name]), HOLE)


def test_outside_the_hole_alpha_stays() -> None:
    covered = np.asarray(opaque(rgba(), HOLE))
    assert np.array_equal(covered[..., :3], RGB)
    assert np.array_equal(covered[..., 3], np.where(HOLE, 255, 128))


def test_what_is_filled_into_an_opaque_hole_is_opaque() -> None:
    canvas = open_canvas(opaque(rgba(), HOLE), HOLE)
    canvas.paste(np.ones((13, 21, 3), np.float32), HOLE, (0, 0, 21, 13))
    assert (np.asarray(canvas.picture)[HOLE] == 255).all()


def test_a_profile_survives() -> None:
    picture = keyed("RGB", (255, 255, 255))
    picture.info["icc_profile"] = b"profile"
    covered = opaque(picture, HOLE)
    assert isinstance(covered, Image.Image)
    assert covered.info["icc_profile"] == b"profile"


@pytest.mark.parametrize("picture", [Image.fromarray(RGB), deep(3), Image.new("CMYK", (2, 2))])
def test_a_picture_without_alpha_is_refused(picture: Picture) -> None:
    with pytest.raises(InputError, match="no alpha"):
        hole_from_alpha(picture)
    with pytest.raises(InputError, match="no alpha"):
        opaque(picture, HOLE)


GREEN = np.array([10, 250, 20], np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_colour_is_missing_in_every_mode(mode: str) -> None:
    picture = Image.fromarray(np.where(HOLE[..., None], GREEN, np.uint8(100)))
    picture = picture.convert(mode, dither=Image.Dither.NONE)
    assert np.array_equal(hole_from_colour(picture, (0, 255, 0), 20), HOLE)


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize(("tolerance", "missing"), [(0, 0), (19, 0), (20, 1), (255, 1)])
def test_every_channel_must_be_within_the_tolerance(
    is_deep: bool, tolerance: int, missing: int
) -> None:
    pixel = GREEN.reshape(1, 1, 3)
    picture = pixel.astype(np.uint16) * 257 if is_deep else Image.fromarray(pixel)
    assert hole_from_colour(picture, (0, 255, 0), tolerance).sum() == missing


def test_deep_grey_has_colours_too() -> None:
    picture = Image.fromarray(np.array([[65535, 0]], np.uint16))
    assert hole_from_colour(picture, (255, 255, 255), 0).tolist() == [[True, False]]


def test_a_picture_is_as_it_was() -> None:
    picture = Image.fromarray(RGB)
    hole_from_colour(picture, (0, 0, 0), 255)
    assert np.array_equal(to_rgb(picture), RGB)


@pytest.mark.parametrize("text", ["00ff0A", "#00FF0a"])
def test_colours_are_six_hexadecimal_digits(text: str) -> None:
    assert parse_colour(text) == (0, 255, 10)


@pytest.mark.parametrize(
    "text", ["", "#", "0f0", "green", "00ff000", "00ff0g", "00ff00\n", "##00ff00"]
)
def test_other_colours_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="give six hexadecimal digits"):
        parse_colour(text)
