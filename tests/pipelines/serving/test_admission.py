"""Places for requests and room for pixels: bounded, and given back whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from pipelines.serving.admission import Admission, PixelBudget
from pipelines.serving.errors import ApiError
from pipelines.serving.metrics import IngressMetrics

pytestmark = pytest.mark.anyio


@pytest.fixture
def admission(ingress_metrics: IngressMetrics) -> Admission:
    return Admission(most=3, most_per_client=2, metrics=ingress_metrics)


def test_a_client_has_its_share(admission: Admission) -> None:
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(admission.enter("a"))
        with pytest.raises(ApiError) as caught, admission.enter("a"):
            pass
        assert (caught.value.status, caught.value.retry_after) == (429, 1)
        with admission.enter("b"), pytest.raises(ApiError) as caught, admission.enter("c"):
            pass
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
    with admission.enter("a"), admission.enter("a"):
        pass


def test_a_place_is_given_back_by_a_request_that_fails(admission: Admission) -> None:
    for _ in range(9):
        with pytest.raises(KeyError), admission.enter("a"):
            raise KeyError


class Pictures:
    """Pictures that wait for room, and then keep it."""

    def __init__(self, pixels: int) -> None:
        self._budget = PixelBudget(pixels)
        self.inside: list[str] = []

    def bring(self, name: str, pixels: int) -> asyncio.Task[None]:
        return asyncio.create_task(self._hold(name, pixels))

    async def _hold(self, name: str, pixels: int) -> None:
        async with self._budget.hold(pixels):
            self.inside.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.inside.remove(name)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await settle()


async def test_pictures_wait_for_room() -> None:
    pictures = Pictures(10)
    first, second = pictures.bring("first", 6), pictures.bring("second", 5)
    await settle()
    assert pictures.inside == ["first"]
    await end(first)
    assert pictures.inside == ["second"]
    await end(second)


async def test_what_is_larger_than_all_room_waits_for_all_of_it() -> None:
    pictures = Pictures(10)
    first, huge, last = (
        pictures.bring(name, size) for name, size in (("a", 1), ("b", 99), ("c", 1))
    )
    await settle()
    assert pictures.inside == ["a"]
    await end(first)
    assert pictures.inside == ["b"]
    await end(huge)
    assert pictures.inside == ["c"]
    await end(last)


async def test_small_ones_do_not_overtake_a_large_one() -> None:
    pictures = Pictures(10)
    first, large, small = (
        pictures.bring(name, size) for name, size in (("a", 4), ("b", 8), ("c", 1))
    )
    await settle()
    assert pictures.inside == ["a"]
    await end(large)  # it gave up waiting
    assert pictures.inside == ["a", "c"]
    await end(first, small)


async def test_room_is_given_back_however_often_one_is_cancelled() -> None:
    pictures = Pictures(10)
    for _ in range(5):
        holders = [pictures.bring(str(number), 5) for number in range(4)]
        await settle()
        for task in holders:
            task.cancel()
        await asyncio.sleep(0)
        for task in holders:
            task.cancel()
        await asyncio.wait(holders)
    again = pictures.bring("again", 10)
    await settle()
    assert pictures.inside == ["again"]
    await end(again)
