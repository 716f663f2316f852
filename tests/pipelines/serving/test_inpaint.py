"""Filling over HTTP: what comes back is what the library makes, as the picture came."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

from isnet.inpainter import Inpainter, InpaintingTask
from pipelines.codec import encode, read_mask, read_upload
from pipelines.serving.metrics import IngressMetrics
from tests.pipelines.serving.in_process import api_of, client_of, load_model
from tests.pipelines.serving.pictures import (
    HEIGHT,
    WIDTH,
    decoded,
    encoded,
    form,
    hole,
    mask_of,
    noise,
    small,
)

pytestmark = pytest.mark.anyio

URL = "/v1/inpaint"
WIDE = 520
"""Pixels between whose ends two windows of the strategy `crop` lie apart."""


@pytest.fixture(scope="module")
def two_holes() -> np.ndarray:
    missing = np.zeros((HEIGHT, WIDE), dtype=bool)
    missing[10:30, 8:40] = missing[5:25, WIDE - 30 : WIDE - 12] = True
    return missing


async def filled(client: httpx.AsyncClient, request: dict[str, Any]) -> httpx.Response:
    response = await client.post(URL, **request)
    assert response.status_code == 200, response.text
    return response


def as_json(image: bytes, mask: bytes, **options: Any) -> dict[str, Any]:
    texts = {"image": image, "mask": mask}
    files = {name: base64.b64encode(data).decode() for name, data in texts.items()}
    return {"json": {**files, **options}}


def in_library(inpainter: Inpainter, image: bytes, mask: bytes, **options: Any) -> bytes:
    """Decode, fill and encode without a server."""
    chosen = {name: options.pop(name) for name in ("format", "quality") if name in options}
    upload = read_upload(image, max_pixels=10**6)
    task = InpaintingTask(upload.picture, read_mask(mask, max_pixels=10**6), **options)
    for region, fill in zip(task.regions, inpainter.fill(task.regions), strict=True):
        task.put(region, fill)
    return encode(upload, task.picture, **chosen).data


@pytest.mark.parametrize("sent", [form, as_json])
@pytest.mark.parametrize(("strategy", "regions"), [("original", 1), ("crop", 2), ("resize", 1)])
async def test_the_answer_is_what_the_inpainter_makes(
    client: httpx.AsyncClient,
    inpainter_of: Callable[..., Inpainter],
    two_holes: np.ndarray,
    strategy: str,
    regions: int,
    sent: Callable[..., dict[str, Any]],
) -> None:
    picture = noise(WIDE)
    image, mask = encoded(picture), mask_of(two_holes)
    task = InpaintingTask(picture, decoded(mask), strategy=strategy)  # type: ignore[arg-type]
    assert len(task.regions) == regions
    expected = inpainter_of()(picture, decoded(mask), strategy=strategy)  # type: ignore[arg-type]

    response = await filled(client, sent(image, mask, strategy=strategy))

    assert response.content == encode(read_upload(image, max_pixels=10**6), expected).data
    came = np.asarray(decoded(response.content))
    assert np.array_equal(came[~two_holes], np.asarray(picture)[~two_holes])
    assert not np.array_equal(came[two_holes], np.asarray(picture)[two_holes])


async def test_headers_say_how_it_was_filled(client: httpx.AsyncClient) -> None:
    response = await filled(client, small(passes=3, threshold=0))
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert headers["x-passes"] == "3"
    assert headers["x-hole-ratio"] == f"{hole().mean():.6f}"
    assert headers["x-model-version"] == (await client.get("/v1/model")).json()["version"]
    assert float(headers["x-queue-ms"]) >= 0
    assert float(headers["x-model-ms"]) > 0
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("passes", [1, 2, 11])
async def test_passes_and_threshold_reach_the_reconstruction(
    client: httpx.AsyncClient, inpainter_of: Callable[..., Inpainter], passes: int
) -> None:
    image, mask = encoded(noise()), mask_of(hole())
    response = await filled(client, form(image, mask, passes=passes, threshold=0))
    assert response.headers["x-passes"] == str(passes)
    inpainter = inpainter_of(max_passes=passes, threshold=0)
    assert response.content == in_library(inpainter, image, mask)


async def test_a_threshold_above_the_hole_ratio_stops_after_one_pass(
    client: httpx.AsyncClient,
) -> None:
    response = await filled(client, small(passes=11, threshold=hole().mean() + 0.01))
    assert response.headers["x-passes"] == "1"


async def test_the_endpoint_makes_no_more_passes_than_it_is_set_to(
    small_checkpoint: Path, ingress_metrics: IngressMetrics
) -> None:
    settings = {"max_passes": 2, "threshold": 0.0}
    model = await load_model(small_checkpoint, **settings)
    async with client_of(api_of(model, ingress_metrics, **settings)) as client:
        for asked in ({}, {"passes": 9}):
            response = await filled(client, form(encoded(noise()), mask_of(hole()), **asked))
            assert response.headers["x-passes"] == "2"


async def test_a_black_hole_is_the_white_one_of_the_negative(client: httpx.AsyncClient) -> None:
    image = encoded(noise())
    white = await filled(client, form(image, mask_of(hole())))
    black = await filled(client, form(image, mask_of(~hole()), mask_polarity="black-hole"))
    assert black.content == white.content


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
async def test_formats_are_written_as_asked(client: httpx.AsyncClient, kind: str) -> None:
    response = await filled(client, small(format=kind))
    assert response.headers["content-type"] == f"image/{kind}"
    assert decoded(response.content).format == kind.upper()


async def test_quality_is_of_the_file(
    client: httpx.AsyncClient, inpainter_of: Callable[..., Inpainter]
) -> None:
    image, mask = encoded(noise()), mask_of(hole())
    for quality in (20, 90):
        options: dict[str, Any] = {"format": "jpeg", "quality": quality}
        response = await filled(client, form(image, mask, passes=1, **options))
        expected = in_library(inpainter_of(max_passes=1), image, mask, **options)
        assert response.content == expected


@pytest.mark.parametrize("strategy", ["original", "crop", "resize"])
async def test_without_a_hole_the_picture_comes_back(
    client: httpx.AsyncClient, strategy: str
) -> None:
    nothing = mask_of(np.zeros((HEIGHT, WIDTH), dtype=bool))
    response = await filled(client, form(encoded(noise()), nothing, strategy=strategy))
    assert np.array_equal(np.asarray(decoded(response.content)), np.asarray(noise()))
    assert response.headers["x-passes"] == "0"
    assert response.headers["x-hole-ratio"] == "0.000000"
    assert response.headers["x-model-version"] == (await client.get("/v1/model")).json()["version"]


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (1, 1)])
@pytest.mark.parametrize("strategy", ["original", "crop", "resize"])
async def test_a_picture_that_is_all_hole_is_filled_from_nothing(
    client: httpx.AsyncClient, strategy: str, size: tuple[int, int]
) -> None:
    everything = mask_of(np.ones(size[::-1], dtype=bool))
    options = {"strategy": strategy, "passes": 2}
    one = await filled(client, form(encoded(noise(*size)), everything, **options))
    other = await filled(client, form(encoded(Image.new("RGB", size)), everything, **options))
    assert one.headers["x-hole-ratio"] == "1.000000"
    assert decoded(one.content).size == size
    assert one.content == other.content


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000)])
async def test_a_line_of_pixels_is_filled(client: httpx.AsyncClient, size: tuple[int, int]) -> None:
    missing = np.zeros(size[::-1], dtype=bool)
    missing.flat[100:140] = missing.flat[-300:] = True
    picture = noise(*size)
    options = {"strategy": "crop", "passes": 1}
    response = await filled(client, form(encoded(picture), mask_of(missing), **options))
    came = np.asarray(decoded(response.content))
    assert np.array_equal(came[~missing], np.asarray(picture)[~missing])


async def test_grey_of_16_bits_stays_so(
    client: httpx.AsyncClient, inpainter_of: Callable[..., Inpainter]
) -> None:
    picture, mask = noise(mode="I;16"), mask_of(hole())
    response = await filled(client, form(encoded(picture), mask))
    came = decoded(response.content)
    assert came.mode == "I;16"
    levels = np.asarray(came)
    assert np.array_equal(levels[~hole()], np.asarray(picture)[~hole()])
    assert (levels[hole()] % 257 != 0).any()  # more than 8 bits, spread over 16
    assert response.content == in_library(inpainter_of(), encoded(picture), mask)


@pytest.mark.parametrize("channels", [3, 4])
async def test_colour_of_16_bits_stays_so(
    client: httpx.AsyncClient, inpainter_of: Callable[..., Inpainter], channels: int
) -> None:
    rng = np.random.default_rng(channels)
    levels = rng.integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    image, mask = encoded(levels), mask_of(hole())
    response = await filled(client, form(image, mask))
    came = cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert came.dtype == np.uint16
    order = [2, 1, 0, 3][:channels]
    assert np.array_equal(came[~hole()][:, order], levels[~hole()])
    assert (came[hole()][:, :3] % 257 != 0).any()
    assert response.content == in_library(inpainter_of(), image, mask)


async def test_cmyk_stays_cmyk(client: httpx.AsyncClient) -> None:
    image = encoded(noise(mode="CMYK"), "JPEG", quality=95)
    response = await filled(client, form(image, mask_of(hole())))
    assert response.headers["content-type"] == "image/jpeg"
    assert decoded(response.content).mode == "CMYK"


@pytest.mark.parametrize(("entries", "mode"), [(None, "RGB"), (bytes(range(0, 256, 16)), "RGBA")])
async def test_a_palette_becomes_colours(
    client: httpx.AsyncClient, entries: bytes | None, mode: str
) -> None:
    picture = noise().quantize(16)
    options = {} if entries is None else {"transparency": entries}
    image = encoded(picture, **options)
    came = decoded((await filled(client, form(image, mask_of(hole())))).content)
    assert came.mode == mode
    expected = np.asarray(decoded(image).convert(mode))
    assert np.array_equal(np.asarray(came)[~hole()], expected[~hole()])


async def test_gif_comes_back_as_png(client: httpx.AsyncClient) -> None:
    image = encoded(noise().quantize(16), "GIF")
    response = await filled(client, form(image, mask_of(hole())))
    assert response.headers["content-type"] == "image/png"
    expected = np.asarray(decoded(image).convert("RGB"))
    assert np.array_equal(np.asarray(decoded(response.content))[~hole()], expected[~hole()])


async def test_orientation_and_profile_come_back_as_they_came(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = b"a profile that nobody reads"
    image = encoded(noise(HEIGHT, WIDTH), exif=exif, icc_profile=profile)

    response = await filled(client, form(image, mask_of(hole())))  # as it is displayed

    came = decoded(response.content)
    assert came.size == (HEIGHT, WIDTH)
    assert came.getexif()[0x0112] == 6
    assert came.info["icc_profile"] == profile
    stored = np.rot90(hole())
    assert np.array_equal(np.asarray(came)[~stored], np.asarray(noise(HEIGHT, WIDTH))[~stored])
    assert not np.array_equal(np.asarray(came)[stored], np.asarray(noise(HEIGHT, WIDTH))[stored])


async def test_alpha_is_kept_under_the_hole_too(client: httpx.AsyncClient) -> None:
    picture = noise(mode="RGBA")
    came = decoded((await filled(client, form(encoded(picture), mask_of(hole())))).content)
    assert np.array_equal(np.asarray(came)[..., 3], np.asarray(picture)[..., 3])


async def test_the_model_is_described(client: httpx.AsyncClient) -> None:
    described = (await client.get("/v1/model")).json()
    assert described["design"] == "isnet"
    assert described["error"] is None
    assert described["reconstruction"] == {"kernel_size": 15, "threshold": 0.2, "max_passes": 11}
    assert {"max_bytes", "max_pixels", "max_region_pixels", "max_seconds", "formats"} <= set(
        described["limits"]
    )


async def test_it_says_that_it_lives_and_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    ready = (await client.get("/readyz")).json()
    version = (await client.get("/v1/model")).json()["version"]
    assert ready == {"status": "ready", "model_version": version}
