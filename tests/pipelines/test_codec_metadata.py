"""The codec: orientation, profile, EXIF and the rest come back as they came."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from torch import nn

from isnet.inpainter import Inpainter
from pipelines.codec import encode, read_mask, read_upload
from tests.pipelines.encoded import (
    HEIGHT,
    HOLE,
    PROFILE,
    WIDTH,
    chunk,
    deep_opened,
    deep_png,
    edited,
    encoded,
    opened,
    picture,
)

LIMIT = 1_000_000
MAKER = "Any maker"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
FORMS = ["JPEG", "PNG", "PNG48", "WEBP", "TIFF"]


def exif_block(orientation: int = 1) -> bytes:
    """Make a block with a maker and directories for the exposure and for the place."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = MAKER
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.01
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


def file_with_exif(form: str, orientation: int = 1, block: bytes = b"") -> bytes:
    """Make a file of noise with EXIF and a profile; `PNG48` has 16 bits per channel."""
    exif = block or exif_block(orientation)
    if form == "PNG48":
        profile = chunk(b"iCCP", b"any\0\0" + zlib.compress(PROFILE))
        return deep_png(chunks=profile + chunk(b"eXIf", exif[6:]))[1]
    options = {"WEBP": {"lossless": True}, "JPEG": {"subsampling": 0, "quality": 100}}.get(form, {})
    return encoded(picture("RGB"), form, exif=exif, icc_profile=PROFILE, **options)


def answered(data: bytes, **options: object) -> bytes:
    """Send a file through the codec with its hole edited."""
    upload = read_upload(data, max_pixels=LIMIT)
    return encode(upload, edited(upload.picture, hole_of(upload.picture)), **options).data


def hole_of(shown: Image.Image | np.ndarray) -> np.ndarray:
    """Return a hole of the size of a picture that may have been turned."""
    size = shown.shape[:2] if isinstance(shown, np.ndarray) else shown.size[::-1]
    return HOLE if size == HOLE.shape else HOLE.T


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Return the size before any orientation; Pillow turns TIFF by itself."""
    return (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_for_editing_and_undone(form: str, orientation: int) -> None:
    data = file_with_exif(form, orientation)
    before, after = opened(data), opened(answered(data, quality=100))
    assert stored_size(after) == stored_size(before) == (WIDTH, HEIGHT)
    was, now = (np.asarray(ImageOps.exif_transpose(image)) for image in (before, after))
    shown = read_upload(data, max_pixels=LIMIT).picture
    eight_bits = shown >> 8 if isinstance(shown, np.ndarray) else np.asarray(shown)
    np.testing.assert_array_equal(eight_bits, was)
    known = ~hole_of(shown)
    assert np.abs(now.astype(int) - was)[known].mean() <= (8 if form == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_come_back_in_every_orientation(orientation: int) -> None:
    block = exif_block(orientation)
    levels, data = deep_png(chunks=chunk(b"eXIf", block[6:]))
    upload = read_upload(data, max_pixels=LIMIT)
    np.testing.assert_array_equal(deep_opened(encode(upload, upload.picture).data), levels)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_comes_back(form: str, orientation: int) -> None:
    exif = Image.open(io.BytesIO(answered(file_with_exif(form, orientation)))).getexif()
    assert exif.get(ExifTags.Base.Orientation, 1) == orientation
    assert_has_exif(exif)


def assert_has_exif(exif: Image.Exif) -> None:
    """Hold EXIF against `exif_block`, but for its orientation."""
    assert exif[ExifTags.Base.Make] == MAKER
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == pytest.approx(0.01)
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "PNG48", "WEBP"])
@pytest.mark.parametrize("block", [exif_block(6), b"Exif\0\0garbage, not TIFF"])
def test_exif_block_is_the_same_bytes(form: str, block: bytes) -> None:
    after = opened(answered(file_with_exif(form, block=block)))
    assert after.info["exif"].removeprefix(b"Exif\0\0") == block[6:]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("target", ["png", "jpeg", "webp", "tiff"])
def test_exif_and_profile_go_to_other_formats(form: str, target: str) -> None:
    after = Image.open(io.BytesIO(answered(file_with_exif(form, 6), format=target)))
    assert after.format == target.upper()
    assert after.info["icc_profile"] == PROFILE
    assert after.getexif()[ExifTags.Base.Orientation] == 6
    assert_has_exif(after.getexif())
    assert stored_size(after) == (WIDTH, HEIGHT)


def test_exif_of_a_compressed_tiff_comes_back() -> None:
    compressed = answered(file_with_exif("JPEG", 6), format="tiff")
    again = Image.open(io.BytesIO(answered(compressed)))
    assert again.info["compression"] == "tiff_adobe_deflate"
    assert_has_exif(again.getexif())


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_text_of_tiff_comes_back_in_its_encoding(compression: str) -> None:
    artist = "Zoë 写真家".encode()
    info = ImageFileDirectory_v2()
    info[ExifTags.Base.Artist] = artist
    data = encoded(picture("RGB"), "TIFF", compression=compression, tiffinfo=info)
    assert artist in data
    assert artist in answered(data)


@pytest.mark.parametrize("form", FORMS)
def test_profile_comes_back(form: str) -> None:
    assert opened(answered(file_with_exif(form))).info["icc_profile"] == PROFILE


def test_profile_of_grey_is_not_given_to_rgb() -> None:
    profile = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    data = encoded(picture("L"), "PNG", icc_profile=profile)
    assert opened(answered(data)).info["icc_profile"] == profile
    assert "icc_profile" not in opened(answered(data, format="webp")).info


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_resolution_comes_back(form: str) -> None:
    data = encoded(picture("RGB"), form, dpi=(300, 200))
    after = opened(answered(data))
    assert [round(value) for value in after.info["dpi"]] == [300, 200]


def test_gamma_and_text_of_png_come_back() -> None:
    gamma = chunk(b"gAMA", struct.pack(">I", 30_000))
    _, data = deep_png(chunks=gamma + chunk(b"tEXt", b"Author\0someone"))
    after = opened(answered(data))
    assert (after.info["gamma"], after.info["Author"]) == (0.3, "someone")


def test_press_caption_and_comment_of_jpeg_come_back() -> None:
    caption = b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\4word"
    data = encoded(picture("RGB"), "JPEG", comment=b"by someone")
    data = data[:2] + struct.pack(">HH", 0xFFED, len(caption) + 2) + caption + data[2:]
    after = opened(answered(data))
    assert ("APP13", caption) in after.applist
    assert after.info["comment"] == b"by someone"


def file_with_xmp(form: str) -> bytes:
    """Make a file whose orientation, 6, stands in XMP only."""
    if form == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return encoded(picture("RGB"), "PNG", pnginfo=info)
    options = {"tiffinfo": {700: XMP}} if form == "TIFF" else {"xmp": XMP}
    return encoded(picture("RGB"), form, **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("target", ["same", "png", "jpeg", "webp", "tiff"])
def test_orientation_that_only_xmp_has_is_undone(form: str, target: str) -> None:
    upload = read_upload(file_with_xmp(form), max_pixels=LIMIT)
    assert upload.picture.size == (HEIGHT, WIDTH)
    after = Image.open(io.BytesIO(encode(upload, upload.picture, format=target).data))
    assert after.info["xmp"] == XMP
    assert after.getexif()[ExifTags.Base.Orientation] == 6
    assert stored_size(after) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_nothing_is_left_that_would_turn_the_picture_again(form: str) -> None:
    for data in (file_with_exif(form, 6), file_with_xmp(form)):
        upload = read_upload(data, max_pixels=LIMIT)
        assert upload.picture.getexif().get(ExifTags.Base.Orientation, 1) == 1
        mask = read_mask(encoded(Image.fromarray(HOLE.T), "PNG"), max_pixels=LIMIT)
        assert Inpainter(nn.Identity())(upload.picture, mask).size == (HEIGHT, WIDTH)


def test_masks_are_turned_as_they_are_displayed() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for form in ("PNG", "TIFF"):
        mask = read_mask(encoded(picture("L"), form, exif=exif), max_pixels=LIMIT)
        np.testing.assert_array_equal(np.asarray(mask), np.rot90(np.asarray(picture("L")), -1))


def test_exif_too_long_for_jpeg_leaves_the_orientation() -> None:
    exif = Image.Exif()
    exif.load(exif_block(6))
    exif[ExifTags.Base.ImageDescription] = "long " * 14_000
    data = encoded(picture("RGB"), "PNG", exif=exif)
    after = opened(answered(data, format="jpeg"))
    assert after.getexif()[ExifTags.Base.Orientation] == 6
    assert after.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_press_caption_of_tiff_comes_back(compression: str) -> None:
    info = ImageFileDirectory_v2()
    blocks = {33723: b"\x1c\2\x78\0\4word", 34377: b"8BIM\4\4\0\0\0\0\0\4word"}  # IPTC, Photoshop
    for tag, block in blocks.items():
        info[tag] = block
    data = encoded(picture("RGB"), "TIFF", compression=compression, tiffinfo=info)
    after = opened(answered(data))
    assert {tag: after.tag_v2[tag] for tag in blocks} == blocks
