"""The codec: what is not read or written, and that nothing but its own error comes of bytes."""

from __future__ import annotations

import io
import pickle
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from isnet.config import InputError
from pipelines.codec import CodecError, encode, read_mask, read_upload
from tests.pipelines.encoded import PNG_SIGNATURE, chunk, deep_png, encoded, noise, picture, png

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about the damage

LIMIT = 1_000_000

FILES = {
    "JPEG": encoded(picture("RGB"), "JPEG", exif=Image.Exif()),
    "CMYK": encoded(picture("CMYK"), "JPEG", progressive=True),
    "MPO": encoded(picture("RGB"), "MPO", save_all=True, append_images=[picture("RGB")]),
    "PNG": encoded(picture("P+"), "PNG", dpi=(72, 72)),
    "PNG48": deep_png()[1],
    "WEBP": encoded(picture("RGBA"), "WEBP", exif=b"Exif\0\0any", xmp=b"any"),
    "TIFF": encoded(picture("RGB"), "TIFF", dpi=(72, 72), description="any"),
    "LZW": encoded(picture("L"), "TIFF", compression="tiff_lzw"),
    "BMP": encoded(picture("RGB"), "BMP"),
    "GIF": encoded(picture("P"), "GIF"),
}


def refusal(data: bytes, read: Callable[..., object] = read_upload, limit: int = LIMIT) -> str:
    """Return code and sentence of the error that reading raises."""
    with pytest.raises(CodecError) as caught:
        read(data, max_pixels=limit)
    assert "\n" not in str(caught.value)
    return f"{caught.value.code}: {caught.value}"


def with_size(png_file: bytes, width: int, height: int) -> bytes:
    """Let a PNG claim another size."""
    header = struct.pack(">II", width, height) + png_file[24:29]
    return PNG_SIGNATURE + chunk(b"IHDR", header) + png_file[33:]


def frames(form: str) -> bytes:
    """Make a file of three frames."""
    return encoded(
        picture("RGB"),
        form,
        save_all=True,
        append_images=[picture("RGB").rotate(180), picture("L").convert("RGB")],
    )


@pytest.mark.parametrize("read", [read_upload, read_mask])
@pytest.mark.parametrize(
    "data",
    [b"not a picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", bytes(100)],
)
def test_other_files_are_named_by_their_beginning(data: bytes, read: Callable[..., object]) -> None:
    text = refusal(data, read)
    assert text.startswith("unsupported_format: ")
    assert repr(data[:8]) in text
    assert "JPEG, PNG, WEBP, TIFF, BMP, GIF" in text


@pytest.mark.parametrize("form", ["PPM", "ICO", "TGA"])
def test_formats_that_are_not_named_are_not_read(form: str) -> None:
    assert refusal(encoded(picture("RGB"), form)).startswith("unsupported_format: ")


def test_sentence_begins_with_the_name() -> None:
    assert refusal(b"").startswith("undecodable: image: empty, 0 bytes")
    assert refusal(b"", read_mask).startswith("undecodable: mask: ")
    with pytest.raises(CodecError, match=r"^cat\.png: "):
        read_upload(b"", max_pixels=LIMIT, name="cat.png")


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_undecodable(name: str) -> None:
    data = FILES[name][: len(FILES[name]) // 2]
    assert refusal(data).startswith("undecodable: ")


@pytest.mark.parametrize("name", FILES)
def test_first_bytes_of_a_format_are_undecodable(name: str) -> None:
    assert refusal(FILES[name][:18]).startswith(("undecodable: ", "unsupported_format: "))


@pytest.mark.parametrize("name", FILES)
def test_size_and_limit_are_named(name: str) -> None:
    text = refusal(FILES[name], limit=76)
    assert text.startswith("too_many_pixels: image: 11x7 = 77 pixels; the limit is 76")
    assert read_upload(FILES[name], max_pixels=77)


def test_pixels_are_counted_before_any_is_decoded() -> None:
    data = with_size(encoded(picture("RGB"), "PNG"), 10_000, 10_000)
    assert refusal(data).startswith("too_many_pixels: image: 10000x10000")


def test_decompression_bomb_is_refused() -> None:
    data = with_size(encoded(picture("1"), "PNG"), 30_000, 30_000)
    assert refusal(data, limit=2**40).startswith("too_many_pixels: ")


def test_scans_without_end_are_refused_before_they_are_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "JPEG", progressive=True)
    start, _, rest = buffer.getvalue().rpartition(b"\xff\xda")
    empty = b"\xff\xda" + rest[:-2]
    assert "more than 100 scans" in refusal(start + 101 * empty + b"\xff\xd9")


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt"])
def test_text_and_profile_that_blow_up_are_refused(kind: bytes) -> None:
    bomb = chunk(kind, b"any\0\0" + zlib.compress(bytes(100_000_000)))
    data = png(noise(7, 11, 3), 2, bits=8, chunks=bomb)
    assert refusal(data).startswith("undecodable: ")


@pytest.mark.parametrize("read", [read_upload, read_mask])
@pytest.mark.parametrize(
    ("form", "count"),
    [("PNG", "3 frames"), ("WEBP", "3 frames"), ("GIF", "more than one"), ("TIFF", "more than")],
)
def test_several_frames_are_refused(form: str, count: str, read: Callable[..., object]) -> None:
    text = refusal(frames(form), read)
    assert text.startswith("animated: ")
    assert f"has {count}" in text


def test_animation_of_one_frame_is_a_picture() -> None:
    data = encoded(picture("RGB"), "WEBP", lossless=True)
    frame = b"\0" * 6 + struct.pack("<I", 10)[:3] + struct.pack("<I", 6)[:3] + b"\0" * 4 + data[12:]
    chunks = b"VP8X" + struct.pack("<IB3x", 10, 2) + frame[6:12]
    chunks += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    chunks += b"ANMF" + struct.pack("<I", len(frame)) + frame
    animation = b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
    upload = read_upload(animation, max_pixels=LIMIT)
    after = Image.open(io.BytesIO(encode(upload, upload.picture).data))
    np.testing.assert_array_equal(np.asarray(after.convert("RGB")), np.asarray(picture("RGB")))


def deep_tiff(bits: int, channels: int) -> bytes:
    """Make an uncompressed TIFF of zeros with `bits` per channel."""
    entries = [
        (256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 1, bits), (259, 3, 1, 1),
        (262, 3, 1, channels // 2 + 1), (273, 4, 1, 134), (277, 3, 1, channels), (278, 3, 1, 4),
        (279, 4, 1, 96), (296, 3, 1, 1),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4 + 96)


@pytest.mark.parametrize(("bits", "channels"), [(16, 3), (12, 1)])
def test_tiff_that_would_lose_depth_is_refused(bits: int, channels: int) -> None:
    data = deep_tiff(bits, channels)
    text = refusal(data)
    assert text.startswith("unsupported_format: ")
    assert text.endswith("save it as 16-bit PNG")
    assert read_mask(data, max_pixels=LIMIT).size == (4, 4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_refuse_a_picture(form: str) -> None:
    for block in (
        b"garbage",
        b"II*\0\x08\0\0\0\xff\xff" + bytes(range(200)),
        b"MM\0*\xff\xff\xff\xff",
    ):
        upload = read_upload(
            encoded(picture("RGB"), form, exif=b"Exif\0\0" + block), max_pixels=LIMIT
        )
        for target in ("same", "png", "jpeg", "webp", "tiff"):
            assert encode(upload, upload.picture, format=target).data


def test_text_of_png_cannot_pose_as_transparency() -> None:
    data = png(noise(7, 11, 3), 2, bits=8, chunks=chunk(b"tEXt", b"transparency\0any"))
    assert not read_upload(data, max_pixels=LIMIT).picture.info


@pytest.mark.parametrize(
    ("form", "mode", "asked", "instead"),
    [
        ("PNG", "RGBA", "jpeg", "png, webp, tiff"),
        ("PNG", "LA", "jpeg", "png, webp, tiff"),
        ("PNG", "P+", "jpeg", "png, webp, tiff"),
        ("PNG", "I;16", "jpeg", "png, tiff"),
        ("PNG", "I;16", "webp", "png, tiff"),
        ("JPEG", "CMYK", "png", "jpeg, tiff"),
        ("JPEG", "CMYK", "webp", "jpeg, tiff"),
        ("TIFF", "F", "png", "tiff"),
        ("TIFF", "I", "png", "tiff"),
        ("PNG", "RGB", "gif", "png, jpeg, webp, tiff"),
    ],
)
def test_format_that_would_lose_something_is_refused(
    form: str, mode: str, asked: str, instead: str
) -> None:
    upload = read_upload(encoded(picture(mode), form), max_pixels=LIMIT)
    with pytest.raises(CodecError, match=rf"format {asked} .*choose {instead} or same") as caught:
        encode(upload, upload.picture, format=asked)
    assert caught.value.code == "invalid_option"


@pytest.mark.parametrize("asked", ["jpeg", "webp", "tiff"])
def test_only_png_is_given_for_16_bits_per_channel(asked: str) -> None:
    upload = read_upload(FILES["PNG48"], max_pixels=LIMIT)
    with pytest.raises(CodecError, match=r"mode 16-bit RGB, .*choose png or same"):
        encode(upload, upload.picture, format=asked)


def test_side_too_long_for_webp_is_refused() -> None:
    upload = read_upload(encoded(Image.new("1", (16_384, 1)), "PNG"), max_pixels=LIMIT)
    with pytest.raises(CodecError, match="16,383 pixels at most, the picture has 16,384"):
        encode(upload, upload.picture, format="webp")


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range_is_refused(quality: int) -> None:
    upload = read_upload(FILES["JPEG"], max_pixels=LIMIT)
    with pytest.raises(CodecError, match=f"quality {quality}; choose 1 to 100"):
        encode(upload, upload.picture, quality=quality)


def test_error_goes_between_processes() -> None:
    error = pickle.loads(pickle.dumps(CodecError("animated", "has 3 frames")))
    assert isinstance(error, InputError)
    assert (error.code, str(error)) == ("animated", "has 3 frames")


def read_or_refused(data: bytes) -> None:
    """Read bytes as image and as mask, and write what was read; only `CodecError` may be raised."""
    for read in (read_upload, read_mask):
        with suppress(CodecError):
            found = read(data, max_pixels=LIMIT)
            if read is read_upload:
                assert encode(found, found.picture).data


quick = settings(
    deadline=None, max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck)
)


@quick
@given(st.binary(max_size=200), st.sampled_from([b"", *(data[:30] for data in FILES.values())]))
def test_any_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    read_or_refused(start + data)


@settings(quick, max_examples=1500)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files_are_read_or_refused(name: str, draw: st.DataObject) -> None:
    data = bytearray(FILES[name])
    places = st.integers(0, len(data) - 1)
    for place, value in draw.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        data[place] = value
    start, end = sorted(draw.draw(st.tuples(places, places)))
    if draw.draw(st.booleans()):
        del data[start:end]
    read_or_refused(bytes(data))


def test_threads_do_not_disturb_each_other() -> None:
    expected = {name: encode_again(data) for name, data in FILES.items()}
    wrong: list[str] = []

    def work() -> None:
        wrong.extend(name for name, data in FILES.items() if encode_again(data) != expected[name])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def encode_again(data: bytes) -> bytes:
    """Send a file through the codec unedited."""
    upload = read_upload(data, max_pixels=LIMIT)
    return encode(upload, upload.picture).data
