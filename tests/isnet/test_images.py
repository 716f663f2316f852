"""Pictures: safe opening, RGB from every mode, squares, uint8 <-> float."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from isnet.config import InputError
from isnet.images import (
    FORMATS,
    ImageError,
    centre_square,
    encode_jpeg,
    open_image,
    square_crop,
    to_rgb,
    to_tensor,
    to_uint8,
)

ORIENTATION = 0x0112

# What a viewer does with the stored rows and columns, per EXIF orientation, in NumPy.
DISPLAY: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def noise(height: int = 7, width: int = 9, channels: int = 3) -> np.ndarray:
    """Return uint8 noise, (H, W, C) or (H, W) for one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    """Return the picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_named_format_opens(image_format: str) -> None:
    picture = open_image(encoded(Image.fromarray(noise(channels=1)), image_format))
    assert picture.size == (9, 7)


def test_bytes_paths_and_files_open_alike(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(noise()))
    path = tmp_path / "noise.png"
    path.write_bytes(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        np.testing.assert_array_equal(np.asarray(open_image(source)), noise())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_its_tag_dropped(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = open_image(encoded(Image.fromarray(noise()), exif=exif))
    np.testing.assert_array_equal(np.asarray(picture), DISPLAY[orientation](noise()))
    assert picture.getexif().get(ORIENTATION, 1) == 1


def test_unreadable_exif_does_not_refuse_the_picture() -> None:
    picture = open_image(encoded(Image.fromarray(noise()), exif=b"Exif\0\0garbage, not TIFF"))
    np.testing.assert_array_equal(np.asarray(picture), noise())


@pytest.mark.parametrize("image_format", FORMATS)
def test_truncated_files_are_image_errors(image_format: str) -> None:
    data = encoded(Image.fromarray(noise(64, 64, 1)), image_format)
    with pytest.raises(ImageError) as caught:
        open_image(data[: len(data) // 2])
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about the damage
def test_flipped_bytes_raise_nothing_but_image_errors() -> None:
    data = bytearray(encoded(Image.fromarray(noise(16, 16)), "TIFF"))
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(200):
        damaged = data.copy()
        for position in rng.integers(0, len(data), 8):
            damaged[position] = rng.integers(256)
        try:
            open_image(bytes(damaged))
        except ImageError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_text_named_jpg_is_named_with_the_formats_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("not a picture")
    with pytest.raises(ImageError, match=r"^note\.jpg: not a picture .*JPEG, PNG"):
        open_image(path)


@pytest.mark.parametrize("image_format", ["PPM", "ICO", "TGA"])
def test_other_formats_are_refused(image_format: str) -> None:
    with pytest.raises(ImageError, match="not a picture in a format that is read"):
        open_image(encoded(Image.fromarray(noise(16, 16)), image_format))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^absent\.png: No such file"):
        open_image(tmp_path / "absent.png")


def test_size_and_limit_are_named_before_anything_is_decoded() -> None:
    data = encoded(Image.fromarray(noise(64, 64)))
    with pytest.raises(ImageError, match="64x64 = 4,096 pixels; the limit is 4,095"):
        open_image(data[:100], max_pixels=4095)
    assert open_image(data, max_pixels=4096).size == (64, 64)


def test_decompression_bomb_is_refused() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    small = encoded(Image.new("1", (1, 1)))
    bomb = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    with pytest.raises(ImageError, match=r"too large: .*900000000 .*limit here is 80,000,000"):
        open_image(bomb)


@pytest.mark.parametrize(
    "mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "RGBa", "P", "PA"]
)
def test_colour_modes_become_rgb(mode: str) -> None:
    colours = np.full((5, 7, 3), (200, 100, 40), dtype=np.uint8)
    picture = Image.fromarray(colours)
    steps = {"RGBa": ("RGBA", "RGBa"), "PA": ("P", "PA")}.get(mode, (mode,))
    for step in steps:
        picture = picture.convert(step, palette=Image.Palette.ADAPTIVE)
    rgb = to_rgb(picture)
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb.astype(int), colours.astype(int), atol=5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La"])
def test_grey_modes_repeat_their_level(mode: str) -> None:
    grey = np.where(noise(channels=1) >= 128, 255, 0).astype(np.uint8)
    picture = Image.fromarray(grey)
    for step in {"La": ("LA", "La")}.get(mode, (mode,)):
        picture = picture.convert(step)
    np.testing.assert_array_equal(to_rgb(picture), np.repeat(grey[..., None], 3, axis=2))


def test_transparent_palette_keeps_its_colours(
    recwarn: pytest.WarningsRecorder,
) -> None:
    picture = Image.fromarray(noise()).quantize(16)
    expected = np.asarray(picture.convert("RGB"))
    picture.info["transparency"] = bytes(range(0, 256, 16))
    np.testing.assert_array_equal(to_rgb(picture), expected)
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_colours_are_divided_by_alpha(mode: str) -> None:
    straight = {"La": "LA", "RGBa": "RGBA"}[mode]
    picture = Image.new(straight, (3, 3), (100, 128) if straight == "LA" else (100, 50, 200, 128))
    rgb = to_rgb(picture.convert(mode))
    np.testing.assert_allclose(rgb, np.array(picture.convert("RGB")), atol=2)


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I;16N", "I", "F"])
def test_16_bit_grey_is_scaled_by_257(mode: str) -> None:
    levels = np.array([[0, 257, 300], [32896, 65278, 65535]])
    dtype = np.asarray(Image.new(mode, (1, 1))).dtype
    picture = Image.frombytes(mode, (3, 2), levels.astype(dtype).tobytes())
    np.testing.assert_array_equal(to_rgb(picture)[..., 0], np.rint(levels / 257))


@pytest.mark.parametrize(("mode", "white"), [("F", 1), ("F", 255), ("I", 255)])
def test_scale_of_i_and_f_follows_their_levels(mode: str, white: int) -> None:
    picture = Image.fromarray(np.array([[0, white]], dtype=np.int32)).convert(mode)
    assert to_rgb(picture)[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("level", [-1.0, 70_000.0, np.nan, np.inf])
def test_levels_without_a_meaning_are_refused(level: float) -> None:
    with pytest.raises(InputError, match=r"mode F .*rescale"):
        to_rgb(Image.fromarray(np.array([[0, level]], dtype=np.float32)))


def test_uint8_to_float_and_back_is_exact() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    tensor = to_tensor(levels)
    assert tensor.shape == (1, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (0, 1)
    np.testing.assert_array_equal(to_uint8(tensor), levels)


def test_float_is_rounded_and_clipped() -> None:
    image = torch.tensor([-0.1, 0.4 / 255, 0.6 / 255, 1.1]).expand(3, 1, 4)
    assert to_uint8(image)[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("size", "box"),
    [((9, 5), (2, 0, 7, 5)), ((4, 7), (0, 1, 4, 5)), ((6, 6), (0, 0, 6, 6))],
)
def test_centre_square(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    assert centre_square(Image.new("L", size)) == box


def test_square_crop_at_its_own_size_is_the_crop() -> None:
    crop = square_crop(Image.fromarray(noise(9, 12)), box=(2, 1, 8, 7), size=6)
    np.testing.assert_array_equal(crop, noise(9, 12)[1:7, 2:8])


def test_square_crop_averages_when_it_shrinks() -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = square_crop(Image.fromarray(stripes), box=(0, 0, 64, 64), size=8)
    assert crop.shape == (8, 8, 3)
    np.testing.assert_allclose(crop, 127.5, atol=8)


def test_encode_jpeg_stays_near(samples: Path) -> None:
    photo = open_image(min(samples.glob("*.jpg")))
    crop = square_crop(photo, box=centre_square(photo), size=64)
    again = to_rgb(open_image(encode_jpeg(crop)))
    assert np.abs(again.astype(int) - crop.astype(int)).mean() < 3
