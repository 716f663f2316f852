"""Passes over regions of many requests: who shares one, who joins, who leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import numpy as np
import pytest
from torch import Tensor

from isnet.config import ReconstructionConfig
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from isnet.progress import Progress
from isnet.strategies import Region
from pipelines.serving.batching import PassBatcher, PassMade
from pipelines.serving.metrics import ModelMetrics
from tests.pipelines.serving.in_process import until

pytestmark = pytest.mark.anyio


class Gate:
    """The real network, whose passes wait to be let through, one by one."""

    def __init__(self, generator: InferenceGenerator) -> None:
        self.passes: list[list[int]] = []
        """Of each pass that began, the marks of its regions."""
        self.broken = False
        self._generator = generator
        self._open = threading.Semaphore(0)

    def __call__(self, corrupted: Tensor) -> Tensor:
        self.passes.append([round(255 * float(image[0, 0, 0])) for image in corrupted])
        assert self._open.acquire(timeout=30)
        if self.broken:
            raise ValueError("broken network")
        return self._generator(corrupted)

    async def let(self, *batch: int) -> None:
        """Wait for a pass over exactly these regions to begin, and let it through."""
        await until(lambda: self.passes and self.passes[-1] == list(batch))
        before = len(self.passes)
        self._open.release()
        self.passes[before - 1] = []  # so that the next pass is not taken for this one

    def let_all(self) -> None:
        self._open.release(1000)


class Runs:
    """Regions on their way through a batcher, each known by a mark."""

    def __init__(self, gate: Gate, batcher: PassBatcher) -> None:
        self._gate, self._batcher = gate, batcher
        self.made: dict[int, list[PassMade]] = {}

    async def start(
        self,
        mark: int,
        *,
        passes: int = 1,
        size: tuple[int, int] = (32, 32),
        every_pass: bool = True,
        gate: Gate | None = None,
    ) -> asyncio.Task[list[PassMade]]:
        task = asyncio.create_task(self._run(mark, passes, size, every_pass, gate or self._gate))
        await asyncio.sleep(0)
        return task

    async def _run(
        self, mark: int, passes: int, size: tuple[int, int], every_pass: bool, gate: Gate
    ) -> list[PassMade]:
        region = marked(mark, size)
        config = ReconstructionConfig(max_passes=passes, threshold=0, kernel_size=3)
        progress = Progress(region.colours, region.hole, config)
        async with aclosing(self._batcher.run(gate, progress, every_pass=every_pass)) as running:
            self.made[mark] = [one async for one in running]
        return self.made[mark]


def marked(mark: int, size: tuple[int, int] = (32, 32)) -> Region:
    """Make a region of noise that carries a mark in its first pixel."""
    height, width = size
    colours = np.random.default_rng(mark).integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = np.zeros(size, dtype=bool)
    hole[5 : height - 3, 4 : width - 6] = True
    colours[hole] = 0
    colours[0, 0] = mark
    return Region(box=(0, 0, width, height), colours=colours, hole=hole)


@pytest.fixture(scope="module")
def model_metrics() -> ModelMetrics:
    return ModelMetrics()


@pytest.fixture
def gate(generator: InferenceGenerator) -> Gate:
    return Gate(generator)


@pytest.fixture
async def runs(gate: Gate, model_metrics: ModelMetrics) -> AsyncIterator[Runs]:
    yield Runs(gate, PassBatcher(max_batch=4, max_pixels=10_000, metrics=model_metrics))
    gate.let_all()


async def test_regions_of_one_size_share_passes_and_others_do_not(gate: Gate, runs: Runs) -> None:
    await runs.start(1)
    await until(lambda: gate.passes)
    sizes = {2: (32, 32), 3: (32, 48), 4: (32, 32), 5: (48, 32)}
    tasks = [await runs.start(mark, size=size) for mark, size in sizes.items()]
    await gate.let(1)
    await gate.let(2, 4)
    await gate.let(3)
    await gate.let(5)
    assert [len(made) for made in await asyncio.gather(*tasks)] == [1, 1, 1, 1]


async def test_between_passes_the_finished_leave_and_others_join(gate: Gate, runs: Runs) -> None:
    first = await runs.start(1, passes=3)
    await until(lambda: gate.passes)
    second = await runs.start(2, passes=1)
    await gate.let(1)
    await until(lambda: gate.passes[-1] == [1, 2])
    third = await runs.start(3, passes=2)
    await gate.let(1, 2)
    await second  # its answer does not wait for the others
    await gate.let(1, 3)
    await first
    await gate.let(3)
    await third
    assert [[one.passes for one in runs.made[mark]] for mark in (1, 2, 3)] == [
        [1, 2, 3],
        [1],
        [1, 2],
    ]
    assert [one.finished for one in runs.made[1]] == [False, False, True]


async def test_the_oldest_region_goes_first_whatever_its_size(gate: Gate, runs: Runs) -> None:
    sizes = {1: (32, 32), 2: (48, 48), 3: (32, 32), 4: (48, 48), 5: (32, 32)}
    await runs.start(1)
    await until(lambda: gate.passes)
    tasks = [await runs.start(mark, size=sizes[mark]) for mark in (2, 3, 4, 5)]
    await gate.let(1)
    await gate.let(2, 4)
    await gate.let(3, 5)
    await asyncio.gather(*tasks)


async def test_newcomers_do_not_go_before_a_size_whose_turn_it_is(gate: Gate, runs: Runs) -> None:
    large = await runs.start(1, passes=3, size=(48, 48))
    await until(lambda: gate.passes)
    tasks = [large, await runs.start(2)]
    await gate.let(1)
    await gate.let(1)
    await until(lambda: gate.passes[-1] == [2])
    tasks.append(await runs.start(3))
    await gate.let(2)
    await gate.let(1)
    await gate.let(3)
    await asyncio.gather(*tasks)


async def test_a_pass_has_so_many_regions_and_the_oldest_of_them(gate: Gate, runs: Runs) -> None:
    await runs.start(1)
    await until(lambda: gate.passes)
    tasks = [await runs.start(mark) for mark in range(2, 8)]
    await gate.let(1)
    await gate.let(2, 3, 4, 5)
    await gate.let(6, 7)
    await asyncio.gather(*tasks)


async def test_a_pass_has_so_many_pixels_but_one_region_always_fits(gate: Gate, runs: Runs) -> None:
    await runs.start(1, size=(112, 112))  # more than the limit of 10,000
    await until(lambda: gate.passes)
    tasks = [await runs.start(mark, size=(64, 64)) for mark in (2, 3, 4)]
    await gate.let(1)
    await gate.let(2, 3)
    await gate.let(4)
    await asyncio.gather(*tasks)


async def test_only_who_asks_for_it_sees_every_pass(gate: Gate, runs: Runs) -> None:
    gate.let_all()
    tasks = [await runs.start(1, passes=3), await runs.start(2, passes=3, every_pass=False)]
    every, last = await asyncio.gather(*tasks)
    assert [one.passes for one in every] == [1, 2, 3]
    assert [one.passes for one in last] == [3]


async def test_fills_are_those_of_regions_alone(
    gate: Gate, runs: Runs, inpainter_of: Callable[..., Inpainter]
) -> None:
    gate.let_all()
    tasks = [await runs.start(mark, passes=2 + mark % 3) for mark in range(8)]
    await asyncio.gather(*tasks)
    for mark in range(8):
        alone = inpainter_of(max_passes=2 + mark % 3, threshold=0, kernel_size=3)
        (expected,) = alone.fill([marked(mark)])
        assert np.abs(runs.made[mark][-1].fill - expected).max() <= 1e-5


async def test_times_are_told_apart(gate: Gate, runs: Runs) -> None:
    first = await runs.start(1)
    await until(lambda: gate.passes)
    second = await runs.start(2)
    await asyncio.sleep(0.1)
    await gate.let(1)
    await first
    await gate.let(2)
    await second
    assert runs.made[1][0].model_seconds >= 0.1
    assert runs.made[1][0].queue_seconds < 0.1 <= runs.made[2][0].queue_seconds


async def test_who_is_cancelled_while_waiting_never_starts(gate: Gate, runs: Runs) -> None:
    first = await runs.start(1)
    await until(lambda: gate.passes)
    waiting = [await runs.start(mark) for mark in (2, 3, 4)]
    waiting[1].cancel()
    await asyncio.sleep(0)
    await gate.let(1)
    await gate.let(2, 4)
    await asyncio.gather(first, waiting[0], waiting[2])


async def test_who_is_cancelled_in_a_pass_is_not_in_the_next(gate: Gate, runs: Runs) -> None:
    await runs.start(1)
    await until(lambda: gate.passes)
    leaving, staying = [await runs.start(mark, passes=3) for mark in (2, 3)]
    await gate.let(1)
    await until(lambda: gate.passes[-1] == [2, 3])
    leaving.cancel()
    await asyncio.sleep(0)
    await gate.let(2, 3)
    await gate.let(3)
    await gate.let(3)
    assert [one.passes for one in await staying] == [1, 2, 3]


async def test_a_pass_that_fails_fails_for_its_regions_alone(gate: Gate, runs: Runs) -> None:
    failing = [await runs.start(1)]
    await until(lambda: gate.passes)
    other = await runs.start(2, size=(48, 48))
    gate.broken = True
    await gate.let(1)
    with pytest.raises(ValueError, match="broken network"):
        await failing[0]
    await until(lambda: gate.passes[-1] == [2])
    gate.broken = False
    await gate.let(2)
    assert len(await other) == 1
    later = await runs.start(3)
    await gate.let(3)
    assert len(await later) == 1


async def test_every_region_of_a_failed_pass_is_told(gate: Gate, runs: Runs) -> None:
    gate.broken = True
    gate.let_all()
    tasks = [await runs.start(mark) for mark in (1, 2, 3)]
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in told] == ["broken network"] * 3


async def test_networks_do_not_share_passes(
    gate: Gate, runs: Runs, generator: InferenceGenerator
) -> None:
    new = Gate(generator)
    first = await runs.start(1)
    await until(lambda: gate.passes)
    tasks = [await runs.start(2), await runs.start(3, gate=new), await runs.start(4)]
    tasks.append(await runs.start(5, gate=new))
    await gate.let(1)
    await gate.let(2, 4)
    await new.let(3, 5)
    await asyncio.gather(first, *tasks)


async def test_an_idle_batcher_is_healthy_and_begins_again(
    gate: Gate, model_metrics: ModelMetrics
) -> None:
    batcher = PassBatcher(max_batch=1, max_pixels=1, metrics=model_metrics)
    runs = Runs(gate, batcher)
    gate.let_all()
    assert batcher.healthy
    for mark in (1, 2):
        await (await runs.start(mark))
        await asyncio.sleep(0.01)
        assert batcher.healthy
