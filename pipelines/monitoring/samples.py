"""Values that Prometheus would see, at two moments, and what can be told from them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from isnet.config import InputError

Key = tuple[str, ...]
"""Values of the labels that something is grouped by."""


@dataclass(frozen=True)
class Sample:
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float

    @property
    def series(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """What tells it from others."""
        return self.name, frozenset(self.labels.items())


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was exported at a moment."""

    at: float
    """Seconds since 1970."""
    samples: Sequence[Sample]
    nodes: Mapping[str, bool] = field(default_factory=dict)
    """Hosts of the nodes that are known, and whether each answers."""


def parse(text: str) -> Iterator[Sample]:
    """Read Prometheus's text format.

    Raises:
        InputError: it is something else.

    """
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield Sample(sample.name, sample.labels, sample.value)
    except ValueError as error:
        raise InputError(f"this is no Prometheus text format: {error}") from error


class Window:
    """What two readings say of the time between them."""

    def __init__(self, before: Reading, after: Reading) -> None:
        self.seconds = after.at - before.at
        self.at = after.at
        self.nodes = after.nodes
        self._before = {sample.series: sample.value for sample in before.samples}
        self._after = _by_name(after.samples)

    def values(self, name: str, *by: str, **labels: str) -> dict[Key, list[float]]:
        """Collect the last values of a metric, of series with these labels, by labels."""
        found = defaultdict(list)
        for sample in self._select(name, labels):
            found[_key(sample, by)].append(sample.value)
        return dict(found)

    def total(self, name: str, *by: str, **labels: str) -> dict[Key, float]:
        """Add up the last values of a metric, by labels."""
        return {key: sum(values) for key, values in self.values(name, *by, **labels).items()}

    def highest(self, name: str, *by: str, **labels: str) -> dict[Key, float]:
        """Find the highest of the last values of a metric, by labels."""
        return {key: max(values) for key, values in self.values(name, *by, **labels).items()}

    def growth(self, name: str, *by: str, **labels: str) -> dict[Key, float]:
        """Add up by how much counters grew, by labels.

        One that was not there before has grown by nothing, one that began anew by what it has.
        """
        found: dict[Key, float] = defaultdict(float)
        for sample in self._select(name, labels):
            before = self._before.get(sample.series, sample.value)
            grown = sample.value - before if sample.value >= before else sample.value
            found[_key(sample, by)] += grown
        return dict(found)

    def quantile(self, share: float, histogram: str, **labels: str) -> float | None:
        """Estimate a quantile of what a histogram counted in between, as Prometheus does."""
        growth = self.growth(f"{histogram}_bucket", "le", **labels)
        buckets = sorted((float(bound), count) for (bound,), count in growth.items())
        if not buckets or not buckets[-1][1]:
            return None
        wanted, low, below = share * buckets[-1][1], 0.0, 0.0
        for bound, count in buckets:
            if count >= wanted:
                if math.isinf(bound):
                    return low
                return low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return low

    def _select(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        for sample in self._after.get(name, ()):
            if all(sample.labels.get(label) == value for label, value in labels.items()):
                yield sample


def _by_name(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    found = defaultdict(list)
    for sample in samples:
        found[sample.name].append(sample)
    return dict(found)


def _key(sample: Sample, by: Sequence[str]) -> Key:
    return tuple(sample.labels.get(label, "") for label in by)
