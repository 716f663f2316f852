"""Endpoints as processes of their own, and pictures to send to them."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from isnet.config import InputError
from isnet.images import centre_square, open_image, square_crop
from isnet.mask_generator import random_hole

ROOT = Path(__file__).parent.parent
_START_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture and its mask, as PNG files."""

    image: bytes
    mask: bytes


def make_samples(
    photos: str, *, size: int, count: int, ratio_range: tuple[float, float]
) -> list[Sample]:
    """Crop photographs to squares, and draw a seeded mask for each.

    Args:
        photos: folder of JPEG photographs; taken in turn.
        size: side in pixels.
        count: how many.
        ratio_range: least and most share of a picture that is missing.

    """
    paths = sorted(Path(photos).glob("*.jpg"))
    if not paths:
        raise InputError(f"--photos {photos} holds no .jpg file; name a folder of photographs")
    rng = np.random.default_rng(0)
    return [_sample(paths[index % len(paths)], rng, size, ratio_range) for index in range(count)]


def _sample(
    path: Path, rng: np.random.Generator, size: int, ratio_range: tuple[float, float]
) -> Sample:
    picture = open_image(path)
    rgb = square_crop(picture, box=centre_square(picture), size=size)
    hole = random_hole(rng, height=size, width=size, ratio_range=ratio_range)
    return Sample(image=_png(Image.fromarray(rgb)), mask=_png(Image.fromarray(hole)))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


@contextmanager
def endpoint(checkpoint: str, *, threads: int, max_batch: int) -> Iterator[str]:
    """Run `pipelines/serve.py`; yield its URL."""
    port = _free_port()
    options = {
        "--checkpoint": checkpoint,
        "--port": port,
        "--model-cpus": threads,
        "--max-batch": max_batch,
    }
    words = [str(word) for pair in options.items() for word in pair]
    with _running([str(ROOT / "pipelines" / "serve.py"), *words], port) as url:
        yield url


@contextmanager
def plain_endpoint(checkpoint: str, *, threads: int) -> Iterator[str]:
    """Run the plain loop; yield its URL."""
    port = _free_port()
    with _running(
        ["-m", "benchmarks.plain_endpoint", checkpoint, str(port), str(threads)], port
    ) as url:
        yield url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(words: Sequence[str], port: int) -> Iterator[str]:
    """Run Python with these words until the context is left; yield once it is ready."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise InputError("the endpoint did not start; its messages are above")
