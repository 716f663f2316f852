"""Doing a little of the next work while the current one goes on, in its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetched(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    """Yield what a function makes of items, in their order, computed up to `ahead` of the taker.

    Unlike `Executor.map`, which begins with all of them at once: results would fill the memory.
    """
    remaining = iter(items)
    waiting: deque[Future[Result]] = deque(
        executor.submit(function, item) for item in islice(remaining, ahead)
    )
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()
