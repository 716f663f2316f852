"""The endpoint as a Serve application: how many replicas of what, and with which resources."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.serve import Application, Deployment
from ray.serve.config import AutoscalingConfig, BackpressureConfig

from isnet.config import InputError
from pipelines.serving.config import ServeConfig
from pipelines.serving.ingress import Ingress
from pipelines.serving.jobs.deployment import JobsDeployment
from pipelines.serving.model import ModelDeployment
from pipelines.storage import is_relative

_WAITING_FACTOR = 4
"""Regions that one model replica may hold for each place in a batch: those behind wait there,
where the next pass can take them, and not in the ingress."""

_ROOM_TO_REFUSE = 16
"""Requests in an ingress replica for each that it answers: it turns the others away and says which
limit they are beyond. What Serve itself turns away, beyond these, is told less."""

_WAITING_JOB_CALLS = 256
"""Calls of ingress replicas that the keeper of the jobs has at once; each takes milliseconds."""


def build_application(
    config: ServeConfig, *, environment: Mapping[str, str] = MappingProxyType({})
) -> Application:
    """Bind the deployments together.

    The checkpoint is the `user_config` of the deployment `Model`: Serve hands a change of it to the
    replicas that there are. For a change of `config` it replaces them, one after the other.

    Args:
        config: the endpoint.
        environment: variables of the ingress replicas, where they do not inherit them.

    """
    model = ModelDeployment.options(
        user_config={"checkpoint": config.checkpoint, "revision": config.revision},
        ray_actor_options={"num_cpus": config.model_cpus, "num_gpus": config.model_gpus},
        max_ongoing_requests=_WAITING_FACTOR * config.max_batch,
        **_replicas(config.model_replicas, config.max_model_replicas, config.max_batch),
        **_life(config),
    )
    ingress = Ingress.options(  # type: ignore[attr-defined]
        ray_actor_options={"num_cpus": 1, **_runtime(environment)},
        max_ongoing_requests=_ROOM_TO_REFUSE * config.max_requests,
        max_queued_requests=_ROOM_TO_REFUSE * config.max_requests,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=1),
        **_replicas(config.ingress_replicas, config.max_ingress_replicas, config.max_requests // 2),
        **_life(config),
    )
    others = [model.bind(config.settings())]
    if config.jobs_folder is not None:
        others.append(_jobs(config).bind(config.settings()))
    application: Application = ingress.bind(config.settings(), *others)
    return application


def _jobs(config: ServeConfig) -> Deployment:
    """Ask for the one replica that keeps the jobs, where the dashboard is: it takes them."""
    for name, location in [("jobs_folder", config.jobs_folder), *_roots(config)]:
        if is_relative(str(location)):
            raise InputError(f"{name} {location} is relative; give an absolute path or a URI")
    return JobsDeployment.options(
        num_replicas=1,
        ray_actor_options={"num_cpus": 0, "resources": {HEAD_NODE_RESOURCE_NAME: 0.001}},
        max_ongoing_requests=_WAITING_JOB_CALLS,
        **_life(config),
    )


def _roots(config: ServeConfig) -> list[tuple[str, str]]:
    return [("job_roots", root) for root in config.job_roots]


def _runtime(environment: Mapping[str, str]) -> dict[str, Any]:
    return {"runtime_env": {"env_vars": dict(environment)}} if environment else {}


def _replicas(least: int, most: int | None, busy: int) -> dict[str, Any]:
    """Ask for so many replicas, or for as many as keep each at `busy` requests."""
    if most is None:
        return {"num_replicas": least}
    scaling = AutoscalingConfig(
        min_replicas=least, max_replicas=most, target_ongoing_requests=max(1, busy)
    )
    return {"num_replicas": None, "autoscaling_config": scaling}


def _life(config: ServeConfig) -> dict[str, Any]:
    """Say when a replica is taken for dead, and how long one that is replaced may go on."""
    return {
        # One that died is noticed within a second or two. One that computes answers late.
        "health_check_period_s": 1.0,
        "health_check_timeout_s": 10.0,
        # No request takes longer, so that each is answered by the replica that it came to.
        "graceful_shutdown_timeout_s": config.max_seconds,
    }
