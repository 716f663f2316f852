"""Pictures with holes, and clients that send them to an endpoint all the time."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

STRATEGIES = ("original", "crop", "resize")
TIMEOUT = httpx.Timeout(200.0)
"""Longer than the endpoint allows a request."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture with a hole, and how to fill it."""

    pixels: np.ndarray
    """uint8 (H, W, 3)."""
    hole: np.ndarray
    """bool (H, W)."""
    image: bytes
    mask: bytes
    options: dict[str, str]

    def request(self, route: str = "/v1/inpaint", **headers: str) -> dict[str, Any]:
        """Arguments of httpx."""
        files = {"image": ("image.png", self.image), "mask": ("mask.png", self.mask)}
        return {
            "method": "POST",
            "url": route,
            "files": files,
            "data": self.options,
            "headers": headers,
        }

    def require_kept(self, answer: bytes) -> np.ndarray:
        """Return the answer's pixels; the known ones are exactly those of the picture."""
        filled = np.asarray(Image.open(io.BytesIO(answer)))
        np.testing.assert_array_equal(filled[~self.hole], self.pixels[~self.hole])
        return filled


def sample(height: int, width: int, *, seed: int = 0, **options: object) -> Sample:
    """Make a picture of noise with a hole in its middle."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = np.zeros((height, width), dtype=bool)
    hole[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return Sample(
        pixels=pixels,
        hole=hole,
        image=as_png(pixels),
        mask=as_png(hole.astype(np.uint8) * 255),
        options={name: str(value) for name, value in options.items()},
    )


def samples(number: int, *, largest: int = 160) -> list[Sample]:
    """Make pictures of many sizes, for all strategies in turn."""
    sizes = np.random.default_rng(number).integers(8, largest + 1, (number, 2)).tolist()
    return [
        sample(height, width, seed=index, strategy=STRATEGIES[index % len(STRATEGIES)])
        for index, (height, width) in enumerate(sizes)
    ]


def as_png(pixels: np.ndarray) -> bytes:
    """Encode pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of a request."""

    index: int
    """Of its sample."""
    status: int
    body: bytes
    version: str
    seconds: float


@dataclass(kw_only=True)
class Load:
    """Clients that each send one request after the other, and try nothing again."""

    url: str
    samples: Sequence[Sample]
    clients: int = 6
    headers: dict[str, str] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: bool = False

    async def __aenter__(self) -> Self:
        """Begin."""
        self._tasks = [asyncio.create_task(self._send(first)) for first in range(self.clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, when each client has its last answer; a broken connection is raised here."""
        self._ending = True
        await asyncio.gather(*self._tasks)

    async def more(self, number: int) -> None:
        """Wait for so many more answers."""
        target = len(self.replies) + number
        while len(self.replies) < target:
            broken = [task for task in self._tasks if task.done()]
            assert not broken, broken
            await asyncio.sleep(0.05)

    def require_all_right(self) -> None:
        """Every request was answered, by one model alike, and no known pixel changed."""
        first: dict[tuple[int, str], np.ndarray] = {}
        for reply in self.replies:
            assert reply.status == 200, reply.body
            filled = self.samples[reply.index].require_kept(reply.body)
            expected = first.setdefault((reply.index, reply.version), filled)
            # The size of a batch may change the last bit of a float.
            np.testing.assert_allclose(filled.astype(int), expected.astype(int), atol=1)

    def slowest(self) -> float:
        """Seconds of the request that took longest."""
        return max(reply.seconds for reply in self.replies)

    async def _send(self, first: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT) as http:
            for turn in count(first, self.clients):
                if self._ending:
                    return
                index = turn % len(self.samples)
                began = time.monotonic()
                answer = await http.request(**self.samples[index].request(**self.headers))
                self.replies.append(
                    Reply(
                        index=index,
                        status=answer.status_code,
                        body=answer.content,
                        version=answer.headers.get("X-Model-Version", ""),
                        seconds=time.monotonic() - began,
                    )
                )
