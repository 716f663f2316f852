"""Passes over the regions of many pictures at once, as full as one size allows.

Which regions share a pass follows from the pictures and their order alone: another shape of a batch
may round differently, and the same work done again must give the same bytes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from isnet.config import ReconstructionConfig
from isnet.inference import InferenceGenerator
from isnet.progress import Progress, advance
from isnet.strategies import Region
from isnet.tiles import MAX_PIXELS, first_pass
from pipelines.bulk.metrics import FillerMetrics

_AHEAD = 2
"""Regions that are at hand, in batches: enough to fill a pass with one size where two are mixed."""


class Fillable(Protocol):
    """A picture whose regions are to be filled."""

    @property
    def regions(self) -> Sequence[Region]:
        """What the network has to fill; nothing where nothing is missing."""

    def put(self, region: Region, fill: np.ndarray, passes: int) -> None:
        """Take a region's fill, and how many passes it took."""

    def spend(self, seconds: float) -> None:
        """Count the picture's share of a pass."""


Filled = TypeVar("Filled", bound=Fillable)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """How passes are made."""

    generator: InferenceGenerator
    reconstruction: ReconstructionConfig
    max_batch: int
    """Most regions in a pass."""
    max_pixels: int
    """Most pixels that the network sees at a time, of several regions, up to `MAX_PIXELS`; one tile
    always fits."""
    metrics: FillerMetrics


@dataclass(eq=False)
class _Entry:
    """A region on its way."""

    picture: Fillable
    region: Region
    size: tuple[int, int]
    """Height and width that the network sees of it next."""
    progress: Progress | None = None
    """From its first pass on: it takes room where the passes are made."""


def fill_all(pictures: Iterable[Filled], passes: Passes) -> Iterator[Filled]:
    """Fill pictures; yield each as soon as its last region is filled.

    Args:
        pictures: taken one by one as there is room for their regions.
        passes: how.

    """
    remaining = iter(pictures)
    entries: list[_Entry] = []
    open_regions: Counter[int] = Counter()
    exhausted = False
    while True:
        while not exhausted and len(entries) < _AHEAD * passes.max_batch:
            with passes.metrics.spending("read"):
                picture = next(remaining, None)
            if picture is None:
                exhausted = True
            elif not picture.regions:
                with passes.metrics.spending("write"):
                    yield picture
            else:
                open_regions[id(picture)] = len(picture.regions)
                entries += [_enter(picture, region, passes) for region in picture.regions]
        if not entries:
            return
        for entry in _advance(_choose(entries, passes), passes):
            entries.remove(entry)
            open_regions[id(entry.picture)] -= 1
            if not open_regions[id(entry.picture)]:
                del open_regions[id(entry.picture)]
                with passes.metrics.spending("write"):
                    yield entry.picture  # type: ignore[misc]


def _choose(entries: Sequence[_Entry], passes: Passes) -> list[_Entry]:
    """Take the oldest regions of the size that there are most of."""
    counts = Counter(entry.size for entry in entries)
    (height, width), _ = counts.most_common(1)[0]  # of equals the one that came first
    room = max(1, min(passes.max_pixels, MAX_PIXELS) // (height * width))
    fitting = [entry for entry in entries if entry.size == (height, width)]
    return fitting[: min(room, passes.max_batch)]


def _advance(batch: Sequence[_Entry], passes: Passes) -> list[_Entry]:
    """Make a pass; hand out the fills of the regions that are finished, and return those."""
    started = time.perf_counter()
    finished = []
    with passes.metrics.spending("model"):
        under_way = [entry.progress or _begin(entry.region, passes) for entry in batch]
        advance(passes.generator, under_way)
        for entry, progress in zip(batch, under_way, strict=True):
            entry.progress, entry.size = progress, progress.padded_size
            if progress.finished:
                entry.picture.put(entry.region, progress.fill(), progress.passes)
                finished.append(entry)
    passes.metrics.passed(len(batch))
    share = (time.perf_counter() - started) / len(batch)
    for entry in batch:
        entry.picture.spend(share)
    return finished


def _enter(picture: Fillable, region: Region, passes: Passes) -> _Entry:
    size, _ = first_pass(region.hole, context=passes.generator.context)
    return _Entry(picture, region, size)


def _begin(region: Region, passes: Passes) -> Progress:
    return Progress(
        region.colours,
        region.hole,
        passes.reconstruction,
        device=passes.generator.device,
        context=passes.generator.context,
    )
