"""What the endpoint counts and measures: declared once, recorded inside its replicas.

Ray exports a metric as `ray_<name>` with the labels of its tags and, inside a replica,
`application`, `deployment` and `replica`. Three of its habits shape this file:

- a counter that is not called `..._total` is exported so, and one that is, is left alone; it does
  not exist before it first counts;
- a gauge that was not set for two reporting intervals (20 s) is no longer exported;
- a histogram's sum is made up from the middles of its buckets. Boundaries at halves put whole
  numbers in the middle, so their means are exact; means of seconds are not, their quantiles are
  as good as the buckets.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ray.serve import metrics

REFRESH_SECONDS = 5.0
"""How often gauges say again what they said last."""

SECONDS = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0),
)
UP_TO_16 = tuple(count + 0.5 for count in range(17))


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


# Ray annotates `tag_keys` as a tuple of one, and takes any.


@dataclass(frozen=True, kw_only=True)
class Counted(Metric):
    """Something that only grows; its name ends in `_total`."""

    def make(self) -> metrics.Counter:
        """Declare it to Ray; inside a replica, so that it carries the replica's labels."""
        return metrics.Counter(self.name, self.description, self.tags)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Level(Metric):
    """Something that rises and falls."""

    def make(self) -> LastingGauge:
        """Declare it to Ray; inside a replica, so that it carries the replica's labels."""
        gauge = metrics.Gauge(self.name, self.description, self.tags)  # type: ignore[arg-type]
        return LastingGauge(gauge)


@dataclass(frozen=True, kw_only=True)
class Distribution(Metric):
    """Something whose values are counted in buckets."""

    boundaries: tuple[float, ...]
    """Upper ends of the buckets, growing; one more bucket holds what is above them."""

    @property
    def exported(self) -> tuple[str, ...]:
        """Names of the series that Prometheus sees."""
        return tuple(f"ray_{self.name}_{part}" for part in ("bucket", "count", "sum"))

    def make(self) -> metrics.Histogram:
        """Declare it to Ray; inside a replica, so that it carries the replica's labels."""
        bounds = list(self.boundaries)
        return metrics.Histogram(self.name, self.description, bounds, self.tags)  # type: ignore[arg-type]


REQUESTS = Counted(
    name="isnet_requests_total",
    description="Requests answered, by route and HTTP status.",
    tags=("route", "code"),
)
REQUEST_SECONDS = Distribution(
    name="isnet_request_seconds",
    description="Seconds from a request's arrival at the ingress to the end of its answer.",
    tags=("route",),
    boundaries=SECONDS,
)
REJECTED = Counted(
    name="isnet_rejected_total",
    description="Requests refused, by the error code of the answer.",
    tags=("reason",),
)
IN_FLIGHT = Level(
    name="isnet_in_flight", description="Requests that an ingress replica is working on."
)
RETRIES = Counted(
    name="isnet_retries_total",
    description="Calls of a model replica that failed and were tried again.",
)
QUEUE_SECONDS = Distribution(
    name="isnet_queue_seconds",
    description="Seconds that a region waits in a model replica for its first pass.",
    boundaries=SECONDS,
)
MODEL_SECONDS = Distribution(
    name="isnet_model_seconds",
    description="Seconds from a region's first pass to the end of its last.",
    boundaries=SECONDS,
)
BATCH_SIZE = Distribution(
    name="isnet_batch_size", description="Images in one pass.", boundaries=UP_TO_16
)
PASSES = Distribution(
    name="isnet_passes", description="Passes that a region took.", boundaries=UP_TO_16
)
WAITING = Level(
    name="isnet_waiting", description="Regions that wait in a model replica for their first pass."
)

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    REJECTED,
    IN_FLIGHT,
    RETRIES,
    QUEUE_SECONDS,
    MODEL_SECONDS,
    BATCH_SIZE,
    PASSES,
    WAITING,
)


class IngressMetrics:
    """What an ingress replica records; made inside it."""

    def __init__(self) -> None:
        self.in_flight = IN_FLIGHT.make()
        self._requests = REQUESTS.make()
        self._seconds = REQUEST_SECONDS.make()
        self._rejected = REJECTED.make()
        self._retries = RETRIES.make()

    def answered(self, route: str, *, code: int, seconds: float) -> None:
        """Count a request whose answer has ended.

        Args:
            route: the route's template, e.g. `/v1/inpaint`; never a path that a client made up,
                for each value is a series of its own.
            code: HTTP status.
            seconds: since the request arrived.

        """
        self._requests.inc(tags={"route": route, "code": str(code)})
        self._seconds.observe(seconds, tags={"route": route})

    def rejected(self, reason: str) -> None:
        """Count a refused request by the error code of its answer, e.g. `overloaded`."""
        self._rejected.inc(tags={"reason": reason})

    def retried(self) -> None:
        """Count a call of a model replica that failed and is tried again."""
        self._retries.inc()


class ModelMetrics:
    """What a model replica records; made inside it."""

    def __init__(self) -> None:
        self.waiting = WAITING.make()
        self._queue_seconds = QUEUE_SECONDS.make()
        self._model_seconds = MODEL_SECONDS.make()
        self._batch_size = BATCH_SIZE.make()
        self._passes = PASSES.make()

    def waited(self, seconds: float) -> None:
        """Record how long a region waited for its first pass."""
        self._queue_seconds.observe(seconds)

    def passed(self, images: int) -> None:
        """Record one pass over so many images."""
        self._batch_size.observe(images)

    def filled(self, *, passes: int, seconds: float) -> None:
        """Record a region that is done: its passes, and the time since the first began."""
        self._passes.observe(passes)
        self._model_seconds.observe(seconds)


class LastingGauge:
    """A gauge that is exported for as long as its process lives, however rarely it is set."""

    def __init__(self, gauge: metrics.Gauge) -> None:
        self._gauge = gauge
        self._value = 0.0
        self._lock = threading.Lock()  # or a refresh could overwrite what was just set
        # A thread, for the event loop of a replica may be busy for the length of a pass.
        threading.Thread(target=self._refresh, name="gauge", daemon=True).start()

    def set(self, value: float) -> None:
        """Replace the value; 0 before the first time."""
        with self._lock:
            self._value = value
            self._gauge.set(value)

    def _refresh(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                self._gauge.set(self._value)
            pause.wait(REFRESH_SECONDS)
