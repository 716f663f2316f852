"""How metrics are declared, and what the plumbing that records them adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from pipelines import metrics
from pipelines.metrics import Counted, Distribution, LastingGauge, Level, Spent
from pipelines.training.metrics import WorkerMetrics
from tests.pipelines.metrics import METRICS

TAKEN = {"job", "instance", "le", "quantile", "Component", "NodeAddress", "SessionName", "WorkerId"}
"""Labels that Prometheus or Ray give a meaning of their own."""


class Noted:
    """Stands for a metric of Ray's, and keeps what it is told."""

    def __init__(self) -> None:
        self.values: list[tuple[float, dict[str, str]]] = []

    def record(self, value: float, tags: dict[str, str]) -> None:
        self.values.append((value, tags))

    set = inc = record


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_names_follow_prometheus() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("isnet_") for name in names)
    assert {type(one) for one in METRICS if one.name.endswith("_total")} == {Counted}
    assert not [
        one.name for one in METRICS if isinstance(one, Counted) and "_total" not in one.name
    ]
    assert all(metric.description.endswith(".") for metric in METRICS)


def test_no_label_has_another_meaning() -> None:
    assert {tag for metric in METRICS for tag in metric.tags} & TAKEN == set()


def test_boundaries_grow() -> None:
    for metric in METRICS:
        if isinstance(metric, Distribution):
            assert list(metric.boundaries) == sorted(set(metric.boundaries))


def test_gauges_repeat_what_they_said_last_until_they_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0.001)
    said = Noted()
    with closing(LastingGauge(said)) as gauge:
        gauge.set(1, term="l1")
        gauge.set(3, term="l1")
        gauge.set(2, term="style")
        wait_until(lambda: said.values.count((3, {"term": "l1"})) >= 3)
        wait_until(lambda: said.values.count((2, {"term": "style"})) >= 3)
    assert said.values.count((1, {"term": "l1"})) == 1
    time.sleep(0.05)  # a refresh may be under way
    count = len(said.values)
    time.sleep(0.05)
    assert len(said.values) == count


def test_time_is_counted_by_part_however_the_block_ends() -> None:
    noted = Noted()
    spent = Spent(noted)
    with pytest.raises(ZeroDivisionError), spent.on("step"):
        time.sleep(0.02) or 1 / 0
    ((seconds, tags),) = noted.values
    assert tags == {"part": "step"}
    assert 0.02 <= seconds < 1


def test_the_wait_for_a_batch_is_counted_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> Iterator[dict]:
        for number in range(2):
            time.sleep(0.05)
            yield {"number": number}

    recorded, noted = WorkerMetrics("run", 0), Noted()
    monkeypatch.setattr(recorded, "_spent", Spent(noted))
    for _ in recorded.awaited(slow()):
        time.sleep(0.2)  # the step
    recorded.close()
    waits = [seconds for seconds, tags in noted.values if tags == {"part": "data"}]
    assert len(noted.values) == len(waits) == 3  # the third found the end
    assert all(0.05 <= seconds < 0.15 for seconds in waits[:2])


def test_recording_takes_less_than_a_millisecond() -> None:
    recorded = WorkerMetrics("run", 0)
    best = min(_seconds_of_a_hundred(recorded) for _ in range(5)) / 100
    recorded.close()
    assert best < 1e-3  # of a step that takes a hundred times as long, or more


def _seconds_of_a_hundred(recorded: WorkerMetrics) -> float:
    started = time.perf_counter()
    for _ in range(100):
        with recorded.spending("step"):
            pass
        recorded.stepped(8, undecodable=1, seconds=0.1)
    return time.perf_counter() - started


def test_a_level_is_declared_with_its_tags() -> None:
    level = Level(name="isnet_test", description="One.", tags=("run", "term"))
    with closing(level.make(run="a")) as gauge:
        gauge.set(1, term="b")
        with pytest.raises(ValueError, match="Missing value for tag key"):
            gauge.set(1)
