"""Batches: every picture filled once, as alone, in passes as full as its size allows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from isnet.config import ReconstructionConfig
from isnet.inference import InferenceGenerator
from isnet.progress import Progress, advance
from isnet.strategies import Region
from pipelines.bulk import batching
from pipelines.bulk.batching import Passes, fill_all
from pipelines.bulk.metrics import FillerMetrics
from tests.pipelines.evaluation.checkpoints import small_generator


class Watched(InferenceGenerator):
    """A generator that notes the shapes that it sees."""

    def __init__(self, generator: InferenceGenerator) -> None:
        super().__init__(generator.network, precision="fp32")
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, corrupted: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(corrupted.shape))
        return super().forward(corrupted)


class Picture:
    """Regions, and what becomes of them."""

    def __init__(self, *regions: Region) -> None:
        self.regions = regions
        self.fills: dict[int, np.ndarray] = {}
        self.passes = self.seconds = 0.0

    def put(self, region: Region, fill: np.ndarray, passes: int) -> None:
        place = [each is region for each in self.regions].index(True)
        assert place not in self.fills
        self.fills[place] = fill
        self.passes = max(self.passes, passes)

    def spend(self, seconds: float) -> None:
        self.seconds += seconds


def region(rng: np.random.Generator, height: int, width: int, side: int) -> Region:
    colours = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = np.zeros((height, width), bool)
    hole[2 : 2 + side, 3 : 3 + side] = True
    return Region(box=(0, 0, width, height), colours=colours, hole=hole)


@pytest.fixture(scope="module")
def generator() -> InferenceGenerator:
    return InferenceGenerator(small_generator(0), precision="fp32")


def passes_of(generator: InferenceGenerator, **changes: int) -> Passes:
    given = {"max_batch": 4, "max_pixels": 2**20} | changes
    return Passes(
        generator=generator,
        reconstruction=ReconstructionConfig(kernel_size=5, threshold=0.01),
        metrics=FillerMetrics("out"),
        **given,
    )


def pictures(count: int) -> list[Picture]:
    rng = np.random.default_rng(0)
    return [
        Picture(*(region(rng, 32, 32 + 16 * (index % 2), 4 + index % 12) for _ in range(index % 3)))
        for index in range(count)
    ]


def test_every_region_is_filled_as_it_would_be_alone(generator):
    made = pictures(20)
    passes = passes_of(generator)
    assert {id(picture) for picture in fill_all(made, passes)} == {id(each) for each in made}
    for picture in made:
        for place, each in enumerate(picture.regions):
            alone = Progress(each.colours, each.hole, passes.reconstruction)
            while not alone.finished:
                advance(generator, [alone])
            np.testing.assert_allclose(picture.fills[place], alone.fill(), atol=1e-5)
        assert bool(picture.seconds) == bool(picture.regions)


def test_passes_are_full_while_there_is_enough_of_one_size(generator):
    watched = Watched(generator)
    made = [Picture(region(np.random.default_rng(n), 32, 32, 6)) for n in range(16)]
    assert len(list(fill_all(made, passes_of(watched)))) == 16
    assert {shape[0] for shape in watched.shapes} == {4}


def test_a_pass_holds_no_more_pixels_than_it_may(generator):
    watched = Watched(generator)
    made = [Picture(region(np.random.default_rng(n), 32, 32, 6)) for n in range(6)]
    list(fill_all(made, passes_of(watched, max_pixels=2 * 32 * 32)))
    assert {shape[0] for shape in watched.shapes} == {2}


def test_nor_more_than_a_tile_may_have_whatever_is_allowed(generator, monkeypatch):
    monkeypatch.setattr(batching, "MAX_PIXELS", 2 * 32 * 32)
    watched = Watched(generator)
    made = [Picture(region(np.random.default_rng(n), 32, 32, 6)) for n in range(6)]
    list(fill_all(made, passes_of(watched, max_pixels=2**40)))
    assert {shape[0] for shape in watched.shapes} == {2}


def test_regions_take_room_from_their_first_pass_on(generator, monkeypatch):
    begun: list[Progress] = []

    class Noted(Progress):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            begun.append(self)

    class Noting(Watched):
        def forward(self, corrupted: torch.Tensor) -> torch.Tensor:
            most.append(sum(not progress.finished for progress in begun))
            return super().forward(corrupted)

    most: list[int] = []
    monkeypatch.setattr(batching, "Progress", Noted)
    rng = np.random.default_rng(0)
    picture = Picture(*(region(rng, 32, 32, 6) for _ in range(20)))
    list(fill_all([picture], passes_of(Noting(generator))))
    assert len(picture.fills) == len(begun) == 20
    assert max(most) == 4


def test_the_same_pictures_share_the_same_passes_each_time(generator):
    seen = []
    for _ in range(2):
        watched = Watched(generator)
        list(fill_all(pictures(20), passes_of(watched)))
        seen.append(watched.shapes)
    assert seen[0] == seen[1]


def test_pictures_are_taken_only_as_there_is_room(generator):
    taken = 0

    def coming() -> Iterator[Picture]:
        nonlocal taken
        for picture in [Picture(region(np.random.default_rng(0), 32, 32, 6)) for _ in range(40)]:
            taken += 1
            yield picture

    filled = fill_all(coming(), passes_of(generator))
    next(filled)
    assert taken <= 8
