"""Calls of model replicas, against a stand-in for Serve's handle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError

from pipelines.codec import CodecError
from pipelines.serving import replicas
from pipelines.serving.errors import ApiError
from pipelines.serving.regions import RegionFill, RegionRequest
from pipelines.serving.replicas import ReplicaSolver

UNAVAILABLE = DeploymentUnavailableError(DeploymentID(name="Model", app_name="isnet"))
LOST = (ActorDiedError(), ActorUnavailableError("gone", b"0" * 16))
REQUEST = RegionRequest(
    colours=np.zeros((4, 4, 3), np.uint8), hole=np.ones((4, 4), bool), passes=None, threshold=None
)


def _fill(passes: int) -> RegionFill:
    return RegionFill(
        fill=np.zeros((16, 3), np.float32),
        passes=passes,
        finished=passes == 3,
        hole_ratio=0.0,
        model_version="model",
        queue_seconds=0.0,
        model_seconds=0.0,
    )


class Response:
    """What Serve's handle returns, for a single value or a stream."""

    def __init__(self, answer: Awaitable[Any] | AsyncGenerator[Any]) -> None:
        self._answer: Any = answer
        self.cancelled = False

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer.__await__()

    def __aiter__(self) -> AsyncGenerator[Any]:
        return self._answer

    def cancel(self) -> None:
        self.cancelled = True


class Handle:
    """A handle whose calls are answered by functions, one after the other."""

    def __init__(self, *answers: Callable[[], Awaitable[Any] | AsyncGenerator[Any]]) -> None:
        self._answers = iter(answers)
        self.responses: list[Response] = []
        self.retries = 0
        method = SimpleNamespace(remote=self._remote)
        self.solve = self.passes = self.describe = method

    def options(self, *, stream: bool) -> Handle:
        assert stream
        return self

    def retried(self) -> None:
        self.retries += 1

    def _remote(self, *_: object) -> Response:
        self.responses.append(Response(next(self._answers)()))
        return self.responses[-1]

    def solver(self) -> ReplicaSolver:
        handle: Any = self
        return ReplicaSolver(handle, handle)


async def _raise(error: Exception) -> Any:
    raise error


async def _return(value: object) -> object:
    return value


async def _stream(*passes: int, error: Exception | None = None) -> AsyncGenerator[RegionFill]:
    for number in passes:
        yield _fill(number)
    if error is not None:
        raise error


def test_a_lost_call_is_made_again_and_counted():
    errors = [lambda error=error: _raise(error) for error in LOST]
    handle = Handle(*errors, lambda: _return(_fill(3)))
    assert asyncio.run(handle.solver().solve(REQUEST)).passes == 3
    assert handle.retries == len(LOST)


def test_a_mistake_is_not_made_again():
    handle = Handle(lambda: _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(handle.solver().solve(REQUEST))
    assert handle.retries == 0


def test_a_stream_that_was_lost_goes_on_with_the_next_pass():
    handle = Handle(
        lambda: _stream(1, 2, error=LOST[0]),
        lambda: _stream(1, error=LOST[1]),
        lambda: _stream(1, 2, 3),
    )

    async def run() -> list[int]:
        return [fill.passes async for fill in handle.solver().passes(REQUEST)]

    assert asyncio.run(run()) == [1, 2, 3]
    assert handle.retries == 2


def test_a_refusal_is_an_answer_and_not_asked_for_again():
    refusal = CodecError("region_too_large", "too large")

    async def refusing() -> AsyncGenerator[CodecError]:
        yield refusal

    handle = Handle(lambda: _return(refusal), refusing)

    async def run() -> list[object]:
        solver = handle.solver()
        return [await solver.solve(REQUEST), *[made async for made in solver.passes(REQUEST)]]

    assert asyncio.run(run()) == [refusal, refusal]
    assert handle.retries == 0


def test_a_region_that_kills_whoever_takes_it_is_given_up():
    handle = Handle(*[lambda: _raise(LOST[0])] * 8)
    with pytest.raises(ApiError, match="8 model replicas in a row died") as caught:
        asyncio.run(handle.solver().solve(REQUEST))
    assert (caught.value.status, handle.retries) == (503, 7)


def test_where_no_replica_can_start_nobody_waits():
    handle = Handle(lambda: _raise(UNAVAILABLE), lambda: _stream(error=UNAVAILABLE))
    solver = handle.solver()

    async def follow() -> None:
        async for _ in solver.passes(REQUEST):
            pass

    for refused in (solver.solve(REQUEST), follow()):
        with pytest.raises(ApiError) as caught:
            asyncio.run(refused)
        assert (caught.value.status, caught.value.code) == (503, "unavailable")


def test_a_replica_is_told_of_who_does_not_wait_any_more():
    handle = Handle(asyncio.Event().wait, lambda: _stream(1, 2, 3))

    async def run() -> None:
        solver = handle.solver()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await solver.solve(REQUEST)
        fills = solver.passes(REQUEST)
        await anext(fills)
        await fills.aclose()

    asyncio.run(run())
    assert [response.cancelled for response in handle.responses] == [True, True]


def test_a_busy_model_is_described_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replicas, "_BUSY_SECONDS", 0.01)
    never = asyncio.Event().wait
    handle = Handle(lambda: _return({"version": "model"}), never, never)

    async def run() -> None:
        solver = handle.solver()
        for _ in range(2):
            assert await solver.describe() == {"version": "model"}
        monkeypatch.setattr(replicas, "_ALIVE_SECONDS", 0)
        with pytest.raises(ApiError, match="no model replica answers"):
            await solver.describe()

    asyncio.run(run())


def test_a_model_that_never_answered_is_not_described(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replicas, "_BUSY_SECONDS", 0.01)
    with pytest.raises(ApiError, match="no model replica answers"):
        asyncio.run(Handle(asyncio.Event().wait).solver().describe())


def test_a_model_whose_replica_was_lost_is_not_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replicas, "_BUSY_SECONDS", 0.05)
    never = asyncio.Event().wait
    handle = Handle(lambda: _return({"version": "model"}), lambda: _raise(LOST[0]), never)

    async def run() -> None:
        solver = handle.solver()
        await solver.describe()
        with pytest.raises(ApiError, match="no model replica answers"):
            await solver.describe()

    asyncio.run(run())
