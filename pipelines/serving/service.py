"""From a submission to an answer: decode, let the network fill the regions, encode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from isnet.config import InputError
from isnet.inpainter import InpaintingTask
from pipelines.codec import (
    PREVIEW_SIDE,
    Encoded,
    Upload,
    count_pixels,
    encode,
    preview,
    read_mask,
    read_upload,
)
from pipelines.serving.admission import PixelBudget
from pipelines.serving.body import Submission
from pipelines.serving.concurrency import gathered, merged
from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError, from_input_error
from pipelines.serving.options import InpaintOptions
from pipelines.serving.regions import RegionFill, RegionRequest, Solver
from pipelines.tasks import open_task

_REGIONS_AT_ONCE = 4
"""Regions of one request that are in the model's hands at once: a request does not crowd others."""

_PICTURES_AT_ONCE = 4
"""Largest pictures that are in memory at once, and threads that work on them. A thread ends what it
began, also for a request that was given up; no other takes its place before."""


_LARGE_PREVIEWS = 64
_SMALL_SIDE = 320
"""After so many previews a stream shows only the last pass of each region, and small: a client
that does not read leaves them in Serve's memory, and a picture may have a thousand holes."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A filled picture, and how it was filled."""

    encoded: Encoded
    hole_ratio: float
    passes: int
    """Most passes of any region."""
    model_version: str
    queue_seconds: float
    """Longest that a region waited."""
    model_seconds: float
    """Longest that a region was in the model's hands."""


@dataclass(frozen=True, kw_only=True)
class PassShown:
    """The picture after a pass over one of its regions."""

    number: int
    region: int
    regions: int
    hole_ratio: float
    """Share of the region that is still taken for missing."""
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A decoded submission."""

    upload: Upload
    task: InpaintingTask
    options: InpaintOptions

    def requests(self) -> list[RegionRequest]:
        """What the network is asked."""
        return [
            RegionRequest(
                colours=region.colours,
                hole=region.hole,
                passes=self.options.passes,
                threshold=self.options.threshold,
            )
            for region in self.task.regions
        ]


class InpaintingService:
    """Answers submissions with a model that may be anywhere."""

    def __init__(self, settings: EndpointSettings, solver: Solver) -> None:
        """Take the limits from `settings`; `solver` fills the regions."""
        self._settings = settings
        self.solver = solver
        self._budget = PixelBudget(_PICTURES_AT_ONCE * settings.max_pixels)
        self._threads = ThreadPoolExecutor(_PICTURES_AT_ONCE, "pictures")

    def limits(self) -> dict[str, float]:
        """Settings that requests are measured against, by name."""
        names = ("max_bytes", "max_pixels", "max_region_pixels", "max_seconds", "max_requests")
        return {name: getattr(self._settings, name) for name in names}

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Give a request the time that it may take, its upload included.

        Raises:
            ApiError: the time is over.

        """
        seconds = self._settings.max_seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise ApiError(
                503,
                "timeout",
                f"not done within {seconds:g} seconds; send a smaller picture, another strategy "
                "or fewer passes, or try again when the endpoint is less busy",
                limit=("max_seconds", seconds),
                retry_after=5,
            ) from error

    async def inpaint(self, submission: Submission) -> Answer:
        """Fill a picture.

        Raises:
            ApiError: what is wrong with the submission.

        """
        async with self._decoded(submission) as work:
            fills = await self._solve(work.requests())
            return await self._answer(work, fills)

    async def passes(self, submission: Submission) -> AsyncGenerator[PassShown | Answer]:
        """Fill a picture; yield it after each pass, and the answer at the end."""
        async with self._decoded(submission) as work:
            fills: dict[int, RegionFill] = {}
            waited: dict[int, float] = {}
            started = time.perf_counter()
            streams = [self.solver.passes(request) for request in work.requests()]
            async with aclosing(merged(streams, at_once=_REGIONS_AT_ONCE)) as passes:
                shown = 0
                async for index, made in passes:
                    fill = self._filled(made)
                    waited.setdefault(index, time.perf_counter() - started - fill.model_seconds)
                    fills[index] = replace(fill, queue_seconds=waited[index])
                    if shown < _LARGE_PREVIEWS or fill.finished:
                        side = PREVIEW_SIDE if shown < _LARGE_PREVIEWS else _SMALL_SIDE
                        shown += 1
                        yield await self._in_thread(_show, work, index, fill, side)
            yield await self._answer(work, [fills[index] for index in range(len(streams))])

    async def _answer(self, work: _Work, fills: Sequence[RegionFill]) -> Answer:
        versions = {fill.model_version for fill in fills}
        if not versions:  # nothing was missing
            versions.add((await self.solver.describe())["version"])
        encoded = await self._in_thread(_finish, work, fills)
        return Answer(
            encoded=encoded,
            hole_ratio=work.task.hole_ratio,
            passes=max((fill.passes for fill in fills), default=0),
            # Regions of one picture may see a change of model: the answer then names both.
            model_version=", ".join(sorted(versions)),
            queue_seconds=max((fill.queue_seconds for fill in fills), default=0.0),
            model_seconds=max((fill.model_seconds for fill in fills), default=0.0),
        )

    async def _solve(self, requests: Sequence[RegionRequest]) -> list[RegionFill]:
        places = asyncio.Semaphore(_REGIONS_AT_ONCE)

        async def solve(request: RegionRequest) -> RegionFill:
            started = time.perf_counter()
            async with places:
                fill = self._filled(await self.solver.solve(request))
            # Waiting for a place, here or before a replica, is waiting, too.
            waited = time.perf_counter() - started - fill.model_seconds
            return replace(fill, queue_seconds=waited)

        return await gathered([solve(request) for request in requests])

    def _filled(self, made: RegionFill | InputError) -> RegionFill:
        """Return a fill; raise `ApiError` for a refusal."""
        if isinstance(made, InputError):
            raise from_input_error(made, self.limits())
        return made

    @asynccontextmanager
    async def _decoded(self, submission: Submission) -> AsyncIterator[_Work]:
        """Decode within the memory and the limits that are allowed."""
        pixels = await self._in_thread(_count_pixels, submission, self._settings)
        async with self._budget.hold(pixels):
            work = await self._in_thread(_decode, submission, self._settings)
            yield work

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        """Run what takes long in a thread: a few at once, so that memory stays bounded."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        except InputError as error:
            raise from_input_error(error, self.limits()) from error


def _count_pixels(submission: Submission, settings: EndpointSettings) -> int:
    return count_pixels(submission.image, max_pixels=settings.max_pixels)


def _decode(submission: Submission, settings: EndpointSettings) -> _Work:
    options = submission.options
    upload = read_upload(submission.image, max_pixels=settings.max_pixels)
    mask = read_mask(submission.mask, max_pixels=settings.max_pixels)
    task = open_task(
        upload.picture,
        mask,
        polarity=options.mask_polarity,
        strategy=options.strategy,
        scale=settings.scale,
    )
    return _Work(upload=upload, task=task, options=options)


def _show(work: _Work, index: int, fill: RegionFill, side: int) -> PassShown:
    work.task.put(work.task.regions[index], fill.fill)
    return PassShown(
        number=fill.passes,
        region=index,
        regions=len(work.task.regions),
        hole_ratio=fill.hole_ratio,
        jpeg=preview(work.task.picture, side=side),
    )


def _finish(work: _Work, fills: Sequence[RegionFill]) -> Encoded:
    for region, fill in zip(work.task.regions, fills, strict=True):
        work.task.put(region, fill.fill)
    options = work.options
    return encode(work.upload, work.task.picture, format=options.format, quality=options.quality)
