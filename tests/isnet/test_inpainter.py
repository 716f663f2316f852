"""The inpainter: every mode and size, exact known pixels, nothing leaks out of the hole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from isnet import images
from isnet.config import InputError, ReconstructionConfig
from isnet.inpainter import Inpainter
from isnet.network import build_generator
from isnet.reconstruction import reconstruct
from tests.isnet.small_pictures import (
    DEEP,
    HEIGHT,
    MODES,
    WIDTH,
    as_mask,
    noise,
    square_hole,
    with_garbage,
)

ORIENTATION = 0x0112


def palette_image(*, alpha: bool, seed: int = 0) -> Image.Image:
    """Return a palette picture, with an alpha for every entry or without."""
    picture = Image.fromarray(np.asarray(noise("RGB", seed))).quantize(16)
    if alpha:
        picture.info["transparency"] = bytes(range(0, 256, 16))
    return picture


@pytest.mark.parametrize("mode", MODES)
def test_mode_size_and_known_pixels_are_kept(inpainter: Inpainter, mode: str) -> None:
    image, hole = noise(mode), square_hole()
    result = inpainter(image, as_mask(hole))
    assert (result.mode, result.size) == (mode, image.size)
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(image)[~hole])


@pytest.mark.parametrize("mode", MODES)
def test_colours_under_the_hole_have_no_influence(inpainter: Inpainter, mode: str) -> None:
    image, hole = noise(mode), square_hole()
    expected = inpainter(image, as_mask(hole)).tobytes()
    for seed in (1, 2):
        damaged = with_garbage(image, hole, seed)
        assert damaged.tobytes() != image.tobytes()
        assert inpainter(damaged, as_mask(hole)).tobytes() == expected


@pytest.mark.parametrize("mode", MODES)
def test_fill_is_the_reconstruction_in_the_mode(inpainter: Inpainter, mode: str) -> None:
    colours = np.random.default_rng(3).integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    picture = Image.fromarray(colours)
    if mode in DEEP:
        grey = np.asarray(picture.convert("L")).astype(np.asarray(Image.new(mode, (1, 1))).dtype)
        picture = Image.frombytes(mode, picture.size, (grey * 257).tobytes())
    else:
        for step in {"La": ("LA", "La"), "RGBa": ("RGBA", "RGBa")}.get(mode, (mode,)):
            picture = picture.convert(step)
    hole = square_hole()
    expected = reconstruct(
        inpainter.generator,
        images.to_tensor(images.to_rgb(picture))[None],
        torch.from_numpy(~hole)[None, None],
        max_passes=2,
    ).image[0]
    if len(picture.getbands()) < 3:
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        expected = (expected * weights).sum(dim=0).expand(3, -1, -1)
    expected_levels = images.to_uint8(expected).astype(int)[hole]
    if mode == "1":
        expected_levels = np.where(expected_levels >= 128, 255, 0)
    filled = images.to_rgb(inpainter(picture, as_mask(hole))).astype(int)[hole]
    np.testing.assert_allclose(filled, expected_levels, atol=4)


@pytest.mark.parametrize("mode", ["LA", "La", "RGBA", "RGBa"])
def test_alpha_is_carried_through(inpainter: Inpainter, mode: str) -> None:
    image = noise(mode)
    result = inpainter(image, as_mask(square_hole()))
    np.testing.assert_array_equal(np.asarray(result)[..., -1], np.asarray(image)[..., -1])


@pytest.mark.parametrize("alpha", [False, True])
def test_palette_becomes_true_colour(inpainter: Inpainter, alpha: bool) -> None:
    image, hole = palette_image(alpha=alpha), square_hole()
    mode = "RGBA" if alpha else "RGB"
    result = inpainter(image, as_mask(hole))
    assert result.mode == mode
    assert "transparency" not in result.info
    expected = np.asarray(image.convert(mode))
    np.testing.assert_array_equal(np.asarray(result)[~hole], expected[~hole])
    np.testing.assert_array_equal(np.asarray(result)[..., 3:], expected[..., 3:])


def test_palette_entries_under_the_hole_have_no_influence(inpainter: Inpainter) -> None:
    image, hole = palette_image(alpha=False), square_hole()
    damaged = image.copy()
    damaged.paste(15, mask=Image.fromarray(hole))
    assert damaged.tobytes() != image.tobytes()
    results = [inpainter(picture, as_mask(hole)).tobytes() for picture in (image, damaged)]
    assert results[0] == results[1]


def test_palette_with_an_alpha_band_becomes_rgba(inpainter: Inpainter) -> None:
    image, hole = palette_image(alpha=False).convert("PA"), square_hole()
    image.putalpha(noise("L", 5))
    result = inpainter(image, as_mask(hole))
    assert result.mode == "RGBA"
    np.testing.assert_array_equal(
        np.asarray(result)[~hole], np.asarray(image.convert("RGBA"))[~hole]
    )
    np.testing.assert_array_equal(np.asarray(result)[..., 3], np.asarray(noise("L", 5)))


@pytest.mark.parametrize(
    ("mode", "key", "expected"),
    [("L", 7, "LA"), ("1", 0, "LA"), ("RGB", (1, 2, 3), "RGBA")],
)
def test_transparent_colour_becomes_alpha(
    inpainter: Inpainter, mode: str, key: int | tuple[int, ...], expected: str
) -> None:
    image, hole = noise(mode), square_hole()
    image.putpixel((0, 0), key)
    image.info["transparency"] = key
    result = inpainter(image, as_mask(hole))
    assert result.mode == expected
    assert "transparency" not in result.info
    np.testing.assert_array_equal(
        np.asarray(result)[~hole], np.asarray(image.convert(expected))[~hole]
    )
    assert np.asarray(result)[0, 0, -1] == 0


def test_16_bit_fill_has_16_bit_levels(inpainter: Inpainter) -> None:
    hole = square_hole()
    result = np.asarray(inpainter(noise("I;16"), as_mask(hole)))
    assert (result[hole] % 257 != 0).any()


@pytest.mark.parametrize("make", [lambda: noise("RGB"), lambda: palette_image(alpha=True)])
def test_icc_profile_is_kept(inpainter: Inpainter, make: Callable[[], Image.Image]) -> None:
    image = make()
    image.info["icc_profile"] = b"profile"
    assert inpainter(image, as_mask(square_hole())).info["icc_profile"] == b"profile"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_first(inpainter: Inpainter, orientation: int) -> None:
    image = noise("RGB")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.info["exif"] = exif.tobytes()
    displayed = images.upright(image)
    hole = square_hole(displayed.height, displayed.width)
    result = inpainter(image, as_mask(hole))
    assert result.getexif().get(ORIENTATION, 1) == 1
    assert displayed.size == (image.size if orientation < 5 else image.size[::-1])
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(displayed)[~hole])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 7), (37, 53), (16, 32)])
@pytest.mark.parametrize("share", ["none", "some", "all"])
def test_any_size_and_hole(inpainter: Inpainter, size: tuple[int, int], share: str) -> None:
    height, width = size
    image = noise("RGB", height=height, width=width)
    some = square_hole(height, width)
    hole = {"none": some & False, "some": some, "all": some | True}[share]
    result = inpainter(image, as_mask(hole))
    assert result.size == image.size
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(image)[~hole])


def test_mask_of_another_size_names_both(inpainter: Inpainter) -> None:
    mask = Image.new("L", (HEIGHT, WIDTH))
    with pytest.raises(InputError, match=r"mask is 18x21, the image 21x18"):
        inpainter(noise("RGB"), mask)


def test_black_hole_is_the_inverted_mask(inpainter: Inpainter) -> None:
    image, hole = noise("RGB"), square_hole()
    white = inpainter(image, as_mask(hole), polarity="white-hole")
    black = inpainter(image, as_mask(~hole), polarity="black-hole")
    assert white.tobytes() == black.tobytes()


def test_inputs_are_left_alone(inpainter: Inpainter) -> None:
    image, mask = noise("RGBA"), as_mask(square_hole())
    before = image.tobytes(), mask.tobytes()
    inpainter(image, mask)
    assert (image.tobytes(), mask.tobytes()) == before


def test_levels_out_of_range_are_refused(inpainter: Inpainter) -> None:
    image = Image.fromarray(np.full((HEIGHT, WIDTH), -3, dtype=np.int32))
    with pytest.raises(InputError, match=r"mode I with levels from -3 .*rescale"):
        inpainter(image, as_mask(square_hole()))


def test_settings_reach_the_reconstruction() -> None:
    torch.manual_seed(0)
    generator = build_generator(channels=2, blocks=1)
    calls: list[tuple[int, ...]] = []
    generator.register_forward_hook(lambda module, args, output: calls.append(output.shape))
    # After a dilation by the usual kernel nothing would be missing here.
    config = ReconstructionConfig(kernel_size=3, threshold=0, max_passes=2)
    inpaint = Inpainter(generator, reconstruction=config)
    inpaint(noise("RGB"), as_mask(square_hole()))
    assert calls == [(1, 3, 32, 32)] * 2
