"""All metrics that are declared anywhere, for what holds of each."""

from __future__ import annotations

from pipelines.bulk import metrics as bulk
from pipelines.metrics import Metric
from pipelines.serving import metrics as serving
from pipelines.training import metrics as training
from pipelines.tuning import metrics as tuning

METRICS: tuple[Metric, ...] = (
    *training.METRICS,
    *tuning.METRICS,
    *bulk.METRICS,
    *serving.METRICS,
)
