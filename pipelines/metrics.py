"""Metrics that Ray exports on every node for Prometheus: how they are declared, and recorded.

Ray exports a metric as `ray_<name>` with the labels of its tags. Three of its habits shape this
file and those that declare metrics with it:

- a counter that is not called `..._total` is exported so, and one that is, is left alone; it does
  not exist before it first counts;
- a gauge that was not set for two reporting intervals (20 s) is no longer exported;
- a histogram's sum is made up from the middles of its buckets. Boundaries at halves put whole
  numbers in the middle, so their means are exact; means of seconds are not, their quantiles are
  as good as the buckets. Where a mean or a share matters, seconds are counted.

Where Ray does not run, or nobody collects, recording does nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ray.util import metrics

REFRESH_SECONDS = 5.0
"""How often gauges say again what they said last."""

SECONDS = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0),
)
UP_TO_16 = tuple(count + 0.5 for count in range(17))

Tags = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Name and meaning of one metric."""

    name: str
    """As it is declared to Ray."""
    description: str
    """One sentence, which Prometheus shows."""
    tags: tuple[str, ...] = ()
    """Labels that each record carries."""

    @property
    def exported(self) -> tuple[str, ...]:
        """Names of the series that Prometheus sees."""
        return (f"ray_{self.name}",)


# Each `make` declares the metric to Ray, in the process that records it. `api` is Ray's module that
# does it, `ray.serve.metrics` inside a replica, which adds the replica's labels; `tags` go with
# every record. Ray annotates `tag_keys` as a tuple of one, and takes any.


@dataclass(frozen=True, kw_only=True)
class Counted(Metric):
    """Something that only grows; its name ends in `_total`."""

    def make(self, api: ModuleType = metrics, /, **tags: str) -> metrics.Counter:
        """Declare it to Ray."""
        made: metrics.Counter = api.Counter(self.name, self.description, self.tags)
        made.set_default_tags(tags)
        return made


@dataclass(frozen=True, kw_only=True)
class Level(Metric):
    """Something that rises and falls."""

    def make(self, api: ModuleType = metrics, /, **tags: str) -> LastingGauge:
        """Declare it to Ray."""
        made = api.Gauge(self.name, self.description, self.tags)
        made.set_default_tags(tags)
        return LastingGauge(made)


@dataclass(frozen=True, kw_only=True)
class Distribution(Metric):
    """Something whose values are counted in buckets."""

    boundaries: tuple[float, ...]
    """Upper ends of the buckets, growing; one more bucket holds what is above them."""

    @property
    def exported(self) -> tuple[str, ...]:
        """Names of the series that Prometheus sees."""
        return tuple(f"ray_{self.name}_{part}" for part in ("bucket", "count", "sum"))

    def make(self, api: ModuleType = metrics, /, **tags: str) -> metrics.Histogram:
        """Declare it to Ray."""
        made: metrics.Histogram = api.Histogram(
            self.name, self.description, list(self.boundaries), self.tags
        )
        made.set_default_tags(tags)
        return made


class LastingGauge:
    """A gauge that is exported until it is closed or its process ends, however rarely it is set."""

    def __init__(self, gauge: metrics.Gauge) -> None:
        self._gauge = gauge
        self._values: dict[tuple[tuple[str, str], ...], float] = {}
        self._lock = threading.Lock()  # or a refresh could overwrite what was just set
        self._closed = threading.Event()
        # A thread, for whoever sets it may be busy for minutes.
        threading.Thread(target=self._refresh, name="gauge", daemon=True).start()

    def set(self, value: float, **tags: str) -> None:
        """Replace the value of these tags."""
        with self._lock:
            self._values[tuple(tags.items())] = value
            self._gauge.set(value, tags)

    def close(self) -> None:
        """Say it no more."""
        self._closed.set()

    def _refresh(self) -> None:
        while not self._closed.wait(REFRESH_SECONDS):
            with self._lock:
                for tags, value in self._values.items():
                    self._gauge.set(value, dict(tags))


class Spent:
    """Where a loop's time goes: seconds counted by part, e.g. `data` and `step`."""

    def __init__(self, counter: metrics.Counter) -> None:
        """Count with a counter whose one open tag is `part`."""
        self._counter: Any = counter

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Count the time in this block, however it ends, as spent on a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            # Ray takes no zero, which a coarse clock can measure.
            self._counter.inc(max(time.perf_counter() - started, 1e-9), {"part": part})
