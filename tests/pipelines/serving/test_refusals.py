"""What is refused, with which status, code and limit, and in which words."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from pipelines.serving.metrics import IngressMetrics
from tests.pipelines.serving.in_process import api_of, client_of, load_model, refused
from tests.pipelines.serving.pictures import (
    HEIGHT,
    WIDTH,
    encoded,
    form,
    hole,
    mask_of,
    noise,
    small,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def strict(
    small_checkpoint: Path, ingress_metrics: IngressMetrics
) -> AsyncIterator[httpx.AsyncClient]:
    """Call an API with low limits, just above what `small` sends: 75x50 is padded to 80x64."""
    limits = {"max_bytes": 20_000, "max_pixels": WIDTH * HEIGHT, "max_region_pixels": 5120}
    model = await load_model(small_checkpoint, **limits)
    async with client_of(api_of(model, ingress_metrics, **limits)) as calling:
        yield calling


@pytest.fixture(scope="module")
async def narrow(
    small_checkpoint: Path, ingress_metrics: IngressMetrics
) -> AsyncIterator[httpx.AsyncClient]:
    """Call an API that computes regions of less than 75x50, padded, in a pass."""
    limits = {"max_region_pixels": 5119}
    model = await load_model(small_checkpoint, **limits)
    async with client_of(api_of(model, ingress_metrics, **limits)) as calling:
        yield calling


def picture_bomb() -> bytes:
    """Write a PNG of 60,000x60,000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def animation() -> bytes:
    frames = [noise(), noise(HEIGHT, WIDTH).transpose(Image.Transpose.ROTATE_90)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


async def test_what_is_just_within_the_limits_is_filled(
    strict: httpx.AsyncClient, url: str
) -> None:
    assert (await strict.post(url, **small())).status_code == 200


async def test_a_declared_length_above_the_limit_is_refused(
    strict: httpx.AsyncClient, url: str
) -> None:
    request = form(bytes(20_000), b"")
    error = await refused(strict, url, 413, "too_many_bytes", **request)
    assert error["limit"] == {"name": "max_bytes", "value": 20_000}
    assert "20,000" in error["message"]


async def test_a_body_without_length_is_read_no_further_than_the_limit(
    strict: httpx.AsyncClient, url: str
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield bytes(1000)

    headers = {"Content-Type": "application/json"}
    error = await refused(strict, url, 413, "too_many_bytes", content=endless(), headers=headers)
    assert error["limit"] == {"name": "max_bytes", "value": 20_000}
    assert read <= 22_000


async def test_too_many_pixels_are_refused(strict: httpx.AsyncClient, url: str) -> None:
    image = encoded(Image.new("RGB", (WIDTH + 1, HEIGHT)))
    error = await refused(strict, url, 413, "too_many_pixels", **form(image, mask_of(hole())))
    assert error["limit"] == {"name": "max_pixels", "value": WIDTH * HEIGHT}
    assert error["message"].startswith("image: ")


async def test_a_mask_of_too_many_pixels_is_refused(strict: httpx.AsyncClient, url: str) -> None:
    mask = encoded(Image.new("1", (WIDTH + 1, HEIGHT)))
    error = await refused(strict, url, 413, "too_many_pixels", **form(encoded(noise()), mask))
    assert error["message"].startswith("mask: ")


@pytest.mark.parametrize("part", ["image", "mask"])
async def test_a_decompression_bomb_is_refused(
    client: httpx.AsyncClient, url: str, part: str
) -> None:
    files = {"image": encoded(noise()), "mask": mask_of(hole()), part: picture_bomb()}
    error = await refused(client, url, 413, "too_many_pixels", files=files)
    assert error["limit"] == {"name": "max_pixels", "value": 50_000_000}


async def test_a_region_that_is_too_large_is_refused(
    narrow: httpx.AsyncClient, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await refused(narrow, url, 413, "region_too_large", **small())
    assert error["limit"] == {"name": "max_region_pixels", "value": 5119}
    assert "5,120 pixels in a pass over a region of 75x50; the limit is 5,119" in error["message"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_of_a_large_picture_only_what_a_pass_computes_counts(
    small_checkpoint: Path, ingress_metrics: IngressMetrics, url: str
) -> None:
    missing = np.zeros((600, 800), dtype=bool)
    missing[300:310, 400:420] = True
    request = form(encoded(noise(800, 600)), mask_of(missing), passes=1)
    window = 320 * 320  # the hole, a context of 140 on each side, and the grid
    for limit in (window, window - 1):
        model = await load_model(small_checkpoint, max_region_pixels=limit)
        api = api_of(model, ingress_metrics, max_region_pixels=limit)
        async with client_of(api) as client:
            if limit == window:
                assert (await client.post(url, **request)).status_code == 200
            else:
                error = await refused(client, url, 413, "region_too_large", **request)
                assert "102,400 pixels in a pass over a region of 800x600" in error["message"]


async def test_sizes_that_differ_are_refused(client: httpx.AsyncClient, url: str) -> None:
    request = form(encoded(noise()), mask_of(hole(HEIGHT, WIDTH)))
    error = await refused(client, url, 422, "size_mismatch", **request)
    assert "50x75" in error["message"]
    assert "75x50" in error["message"]


@pytest.mark.parametrize("part", ["image", "mask"])
async def test_animations_are_refused(client: httpx.AsyncClient, url: str, part: str) -> None:
    files = {"image": encoded(noise()), "mask": mask_of(hole()), part: animation()}
    error = await refused(client, url, 422, "animated", files=files)
    assert error["message"].startswith(f"{part}: ")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
async def test_truncated_files_are_refused(client: httpx.AsyncClient, url: str, kind: str) -> None:
    image = encoded(noise(), kind)
    await refused(
        client, url, 422, "undecodable", **form(image[: len(image) // 2], mask_of(hole()))
    )


async def test_what_is_no_picture_is_refused(client: httpx.AsyncClient, url: str) -> None:
    request = form(b"%PDF-1.7", mask_of(hole()))
    error = await refused(client, url, 415, "unsupported_format", **request)
    assert "PNG" in error["message"]


async def test_a_picture_in_another_format_is_refused(client: httpx.AsyncClient, url: str) -> None:
    request = form(encoded(noise(), "PPM"), mask_of(hole()))
    await refused(client, url, 415, "unsupported_format", **request)


async def test_a_format_that_would_lose_something_is_refused(
    client: httpx.AsyncClient, url: str
) -> None:
    request = form(encoded(noise(mode="RGBA")), mask_of(hole()), format="jpeg", passes=1)
    if url.endswith("stream"):  # found after the passes, which went well
        response = await client.post(url, **request)
        assert '"code": "invalid_option"' in response.text.split("\n\n")[-2]
    else:
        await refused(client, url, 422, "invalid_option", **request)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "tiles"},
        {"passes": "0"},
        {"passes": "12"},
        {"passes": "many"},
        {"passes": "1.5"},
        {"threshold": "1.01"},
        {"threshold": "-0.1"},
        {"threshold": "nan"},
        {"mask_polarity": "grey"},
        {"format": "gif"},
        {"quality": "101"},
        {"quality": ""},
        {"colour": "red"},
    ],
)
async def test_wrong_options_are_refused_by_name(
    client: httpx.AsyncClient, url: str, wrong: dict[str, str]
) -> None:
    (name,) = wrong
    error = await refused(client, url, 422, "invalid_option", **small(**wrong))
    assert error["message"].startswith(f"{name}: ")


async def test_levels_that_have_no_meaning_are_refused(client: httpx.AsyncClient, url: str) -> None:
    picture = Image.fromarray(np.full((HEIGHT, WIDTH), 70_000, np.int32))
    request = form(encoded(picture, "TIFF"), mask_of(hole()))
    error = await refused(client, url, 422, "invalid_input", **request)
    assert "rescale" in error["message"]
