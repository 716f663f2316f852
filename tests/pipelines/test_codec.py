"""The codec: what comes back is the file that came, but for the pixels that were edited."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import get_sampling
from torch import nn

from isnet.inpainter import Inpainter
from isnet.masks import hole_from_mask
from pipelines.codec import PREVIEW_SIDE, Encoded, encode, preview, read_mask, read_upload
from tests.pipelines.encoded import (
    HEIGHT,
    HOLE,
    WIDTH,
    chunk,
    deep_opened,
    deep_png,
    edited,
    encoded,
    noise,
    opened,
    picture,
    png,
    with_room,
)

LIMIT = 1_000_000

LOSSLESS = [
    *(("PNG", mode, {}) for mode in ("1", "L", "L+", "LA", "I;16", "RGB", "RGB+", "RGBA")),
    *(("PNG", mode, {}) for mode in ("P", "P+")),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("GIF", mode, {}) for mode in ("L", "P", "P+")),
    *(("WEBP", mode, {"lossless": True, "exact": True}) for mode in ("RGB", "RGBA")),
    *(
        ("TIFF", mode, {"compression": compression})
        for mode in ("1", "L", "LA", "I;16", "I", "F", "P", "RGB", "RGBA", "CMYK", "LAB")
        for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd")
    ),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "I;16B", {"compression": "raw"}),
    ("TIFF", "RGB", {"big_tiff": True}),
    ("TIFF", "YCbCr", {"compression": "raw"}),
]


def round_trip(data: bytes, **options: object) -> Encoded:
    """Send a file through the codec with its hole edited."""
    upload = read_upload(data, max_pixels=LIMIT)
    return encode(upload, edited(upload.picture, HOLE), **options)


@pytest.mark.parametrize(("form", "mode", "options"), LOSSLESS)
def test_pixels_that_were_not_edited_come_back_exactly(
    form: str, mode: str, options: dict[str, object]
) -> None:
    data = encoded(picture(mode), form, **options)
    before = with_room(opened(data))
    after = opened(round_trip(data).data)
    assert after.format == ("PNG" if form == "GIF" else form)
    assert (after.mode, after.size) == (before.mode, before.size)
    np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(before)[~HOLE])
    assert (np.asarray(after)[HOLE] != np.asarray(before)[HOLE]).any()


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "zstd", "lzma"])
def test_lossless_compression_of_tiff_is_kept(compression: str) -> None:
    data = encoded(picture("RGB"), "TIFF", compression=compression)
    assert opened(round_trip(data).data).info["compression"] == compression


def test_lossy_compression_of_tiff_becomes_deflate() -> None:
    data = encoded(picture("RGB"), "TIFF", compression="jpeg")
    before, after = opened(data), opened(round_trip(data).data)
    assert after.info["compression"] == "tiff_adobe_deflate"
    np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(before)[~HOLE])


def test_predictor_of_tiff_is_kept() -> None:
    data = encoded(picture("RGB"), "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    after = opened(round_trip(data).data)
    assert after.tag_v2[317] == 2
    np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(picture("RGB"))[~HOLE])


def test_white_of_16_bit_tiff_stays_zero() -> None:
    data = encoded(picture("I;16"), "TIFF", tiffinfo={262: 0})
    after = opened(round_trip(data).data)
    assert after.tag_v2[262] == 0
    np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(picture("I;16"))[~HOLE])


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_per_channel_of_png_come_back_exactly(channels: int) -> None:
    levels, data = deep_png(channels)
    after = deep_opened(round_trip(data).data)
    np.testing.assert_array_equal(after[~HOLE], levels[~HOLE])
    np.testing.assert_array_equal(after[HOLE, :3], levels[HOLE, :3] // 2)


def test_16_bit_grey_with_alpha_becomes_rgba_of_16_bits() -> None:
    levels, data = deep_png(2)
    after = deep_opened(round_trip(data).data)
    np.testing.assert_array_equal(after[~HOLE], levels[..., [0, 0, 0, 1]][~HOLE])


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_colour_of_16_bit_png_becomes_alpha(channels: int) -> None:
    levels = deep_png(channels)[0]
    transparent = chunk(b"tRNS", levels[1, 2].astype(">u2").tobytes())
    upload = read_upload(deep_png(channels, transparent)[1], max_pixels=LIMIT)
    alpha = np.full((HEIGHT, WIDTH), 65535)
    alpha[1, 2] = 0
    np.testing.assert_array_equal(upload.picture[..., 3], alpha)
    np.testing.assert_array_equal(upload.picture[..., :3], np.broadcast_to(levels, (7, 11, 3)))


def test_transparent_level_of_2_bit_png_is_found() -> None:
    packed = np.full((HEIGHT, 3), 0b01_10_11_00)
    data = png(packed, 0, bits=2, chunks=chunk(b"tRNS", b"\0\2"))
    data = data.replace(chunk(b"IHDR", data[16:29]), chunk(b"IHDR", b"\0\0\0\x0b" + data[20:29]))
    alpha = np.asarray(with_room(read_upload(data, max_pixels=LIMIT).picture))[0, :4, 1]
    assert alpha.tolist() == [255, 0, 255, 255]


@pytest.mark.parametrize(("form", "mode"), [("PNG", "P+"), ("PNG", "I;16"), ("TIFF", "CMYK")])
def test_the_inpainter_stands_between(form: str, mode: str) -> None:
    data = encoded(picture(mode), form)
    upload = read_upload(data, max_pixels=LIMIT)
    mask = read_mask(encoded(Image.fromarray(HOLE), "PNG"), max_pixels=LIMIT)
    filled = Inpainter(nn.Identity())(upload.picture, mask)
    before, after = with_room(opened(data)), opened(encode(upload, filled).data)
    assert after.mode == before.mode
    np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(before)[~HOLE])
    assert (np.asarray(after)[HOLE] != np.asarray(before)[HOLE]).any()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_keeps_its_mode_and_comes_near(mode: str) -> None:
    smooth = picture(mode).resize((64, 48), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95)
    upload = read_upload(data, max_pixels=LIMIT)
    before, after = opened(data), opened(encode(upload, upload.picture).data)
    assert after.mode == mode
    assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).mean() < 3


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_stored_as_it_came(subsampling: int, progressive: bool) -> None:
    data = encoded(picture("RGB"), "JPEG", subsampling=subsampling, progressive=progressive)
    after = opened(round_trip(data).data)
    assert get_sampling(after) == subsampling
    assert ("progressive" in after.info) == progressive


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_progressive_jpeg_of_noise_has_room(mode: str) -> None:
    shape = (500, 600) if mode == "L" else (500, 600, len(mode))
    image = Image.frombytes(mode, (600, 500), noise(*shape).astype(np.uint8).tobytes())
    data = encoded(image, "JPEG", progressive=True, subsampling=0)
    upload = read_upload(data, max_pixels=LIMIT)
    assert opened(encode(upload, upload.picture, quality=100).data).size == (600, 500)


def test_quality_is_that_of_lossy_formats() -> None:
    for form in ("JPEG", "WEBP"):
        upload = read_upload(encoded(picture("RGB"), form), max_pixels=LIMIT)
        low, high = (encode(upload, upload.picture, quality=quality).data for quality in (5, 95))
        assert len(low) < len(high)


def test_first_picture_of_a_phones_jpeg_comes_back() -> None:
    second = picture("RGB").transpose(Image.Transpose.ROTATE_180)
    data = encoded(picture("RGB"), "MPO", save_all=True, append_images=[second])
    assert opened(data).format == "MPO"
    upload = read_upload(data, max_pixels=LIMIT)
    np.testing.assert_array_equal(np.asarray(upload.picture), np.asarray(opened(data)))
    after = round_trip(data)
    assert (upload.format, after.media_type) == ("JPEG", "image/jpeg")
    assert opened(after.data).format == "JPEG"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F", "P", "RGBA", "CMYK", "LAB"])
def test_preview_is_a_jpeg(mode: str) -> None:
    shown = opened(preview(picture(mode)))
    assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (WIDTH, HEIGHT))


@pytest.mark.parametrize("kind", ["RGB", "I;16", "array"])
def test_preview_of_a_large_picture_is_small(kind: str) -> None:
    wide = (4 * PREVIEW_SIDE, 40)
    large = np.zeros((*wide[::-1], 3), np.uint16) if kind == "array" else Image.new(kind, wide)
    assert opened(preview(large)).size == (PREVIEW_SIDE, 10)


def test_preview_of_16_bits_has_its_colours() -> None:
    levels = np.full((16, 16, 4), (65535, 32768, 0, 0), dtype=np.uint16)
    assert opened(preview(levels)).getpixel((8, 8)) == pytest.approx((255, 128, 0), abs=2)


@pytest.mark.parametrize("mode", ["1", "L", "L+", "P+", "RGBA", "I;16"])
def test_masks_of_every_mode_mark_the_same_hole(mode: str) -> None:
    mask = Image.fromarray(HOLE)
    if mode == "I;16":
        mask = Image.fromarray(HOLE.astype(np.uint16) * 65535)
    elif mode == "P+":
        mask = mask.convert("L").convert("P")
        mask.info["transparency"] = mask.getpixel((0, 0))
    else:
        mask = mask.convert(mode.rstrip("+"))
        if mode == "L+":
            mask.info["transparency"] = 0
    read = read_mask(encoded(mask, "PNG"), max_pixels=LIMIT)
    np.testing.assert_array_equal(hole_from_mask(read), HOLE)
