"""What the endpoint counts and measures: declared once, recorded inside its replicas.

Beside their own tags all carry the replica's labels: `application`, `deployment`, `replica`.
"""

from __future__ import annotations

from ray.serve import metrics

from pipelines.metrics import SECONDS, UP_TO_16, Counted, Distribution, Level, Metric

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
        self.in_flight = IN_FLIGHT.make(metrics)
        self._requests = REQUESTS.make(metrics)
        self._seconds = REQUEST_SECONDS.make(metrics)
        self._rejected = REJECTED.make(metrics)
        self._retries = RETRIES.make(metrics)
        self.in_flight.set(0)

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
        self.waiting = WAITING.make(metrics)
        self._queue_seconds = QUEUE_SECONDS.make(metrics)
        self._model_seconds = MODEL_SECONDS.make(metrics)
        self._batch_size = BATCH_SIZE.make(metrics)
        self._passes = PASSES.make(metrics)
        self.waiting.set(0)

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
