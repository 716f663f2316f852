"""The endpoint as a Serve application: how many replicas of what, and with which resources."""

from __future__ import annotations

from typing import Any

from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig

from pipelines.serving.config import ServeConfig
from pipelines.serving.ingress import Ingress
from pipelines.serving.model import ModelDeployment

_WAITING_FACTOR = 4
"""Regions that one model replica may hold for each place in a batch: those behind wait there,
where the next pass can take them, and not in the ingress."""

_HEALTH: dict[str, Any] = {"health_check_period_s": 1.0, "health_check_timeout_s": 10.0}
"""A replica that died is noticed within a second or two. One that computes answers late."""


def build_application(config: ServeConfig) -> Application:
    """Bind the deployments together.

    The checkpoint is the model's `user_config`, so that deploying the same application with
    another one loads it in place, without new replicas.
    """
    model = ModelDeployment.options(
        user_config={"checkpoint": config.checkpoint, "revision": config.revision},
        ray_actor_options={"num_cpus": config.model_cpus, "num_gpus": config.model_gpus},
        max_ongoing_requests=_WAITING_FACTOR * config.max_batch,
        **_replicas(config.model_replicas, config.max_model_replicas, config.max_batch),
        **_HEALTH,
    )
    ingress = Ingress.options(  # type: ignore[attr-defined]
        ray_actor_options={"num_cpus": 1},
        # The replica itself turns away what is too much, and says which limit that is.
        max_ongoing_requests=2 * config.max_requests,
        max_queued_requests=2 * config.max_requests,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=1),
        **_replicas(config.ingress_replicas, config.max_ingress_replicas, config.max_requests // 2),
        **_HEALTH,
    )
    application: Application = ingress.bind(config.settings(), model.bind(config.settings()))
    return application


def _replicas(least: int, most: int | None, busy: int) -> dict[str, Any]:
    """Ask for so many replicas, or for as many as keep each at `busy` requests."""
    if most is None:
        return {"num_replicas": least}
    scaling = AutoscalingConfig(
        min_replicas=least, max_replicas=most, target_ongoing_requests=max(1, busy)
    )
    return {"num_replicas": None, "autoscaling_config": scaling}
