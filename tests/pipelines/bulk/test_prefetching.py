"""Prefetching: in order, no further ahead than said, errors where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.bulk.prefetching import prefetched


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_results_come_in_order(threads):
    assert list(prefetched(threads, str, range(50), ahead=7)) == [str(n) for n in range(50)]


def test_items_are_taken_no_further_than_ahead(threads):
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = prefetched(threads, str, items(), ahead=3)
    assert not taken
    for count in range(1, 20):
        next(results)
        assert len(taken) <= count + 3


def test_an_error_comes_in_the_place_of_its_result(threads):
    def odd(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = prefetched(threads, odd, range(5), ahead=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
