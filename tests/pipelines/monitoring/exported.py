"""What nodes export, made up: a cluster that is well, and ways to trouble it."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.monitoring.describing import state_of
from pipelines.monitoring.samples import Reading, Sample, Window, parse
from pipelines.monitoring.state import State

SECONDS = 20.0
AT = 1_800_000_000.0
GIB = 2**30

RUN = 'run="first"'
JOB = 'bulk_job="s3://bucket/filled"'
APP = 'application="isnet"'
HEAD = 'ip="10.0.0.1",IsHeadNode="true"'
WORKER = 'ip="10.0.0.2",IsHeadNode="false"'
ON_HEAD, ON_WORKER = 'NodeAddress="10.0.0.1"', 'NodeAddress="10.0.0.2"'
LAST_STEPS = [
    f'ray_isnet_train_last_step_timestamp_seconds{{{RUN},rank="{rank}",{ON_WORKER}}}'
    for rank in (0, 1)
]

LEVELS: dict[str, float] = {
    f"ray_node_mem_total{{{HEAD}}}": 16 * GIB,
    f"ray_node_mem_used{{{HEAD}}}": 4 * GIB,
    f"ray_node_cpu_utilization{{{HEAD}}}": 12.5,
    f"ray_node_mem_total{{{WORKER}}}": 64 * GIB,
    f"ray_node_mem_used{{{WORKER}}}": 32 * GIB,
    f"ray_node_cpu_utilization{{{WORKER}}}": 80,
    'ray_node_gpus_utilization{ip="10.0.0.2",GpuIndex="0"}': 95,
    'ray_node_gram_used{ip="10.0.0.2",GpuIndex="0"}': 20 * 1024,
    'ray_node_gram_available{ip="10.0.0.2",GpuIndex="0"}': 60 * 1024,
    f"ray_object_store_used_memory{{{ON_HEAD}}}": 0,
    f"ray_object_store_available_memory{{{ON_HEAD}}}": 4 * GIB,
    f"ray_object_store_used_memory{{{ON_WORKER}}}": 8 * GIB,
    f"ray_object_store_available_memory{{{ON_WORKER}}}": 12 * GIB,
    f'ray_object_store_memory{{{ON_WORKER},Location="SPILLED"}}': 0,
    f'ray_object_store_memory{{{ON_WORKER},Location="MMAP_SHM"}}': 5 * GIB,
    f'ray_scheduler_unscheduleable_tasks{{{ON_HEAD},Reason="Infeasible"}}': 0,
    'ray_gcs_placement_group_count{State="Pending"}': 0,
    f"ray_isnet_train_active{{{RUN}}}": 1,
    f"ray_isnet_train_step{{{RUN}}}": 1200,
    f"ray_isnet_train_steps_planned{{{RUN}}}": 5000,
    f'ray_isnet_train_held_out_psnr_db{{{RUN},method="progressive"}}': 21.5,
    f'ray_isnet_train_held_out_psnr_db{{{RUN},method="mean_fill"}}': 19.0,
    LAST_STEPS[0]: AT - 1,
    LAST_STEPS[1]: AT - 2,
    'ray_isnet_tune_trials{campaign="search",state="waiting"}': 3,
    'ray_isnet_tune_trials{campaign="search",state="running"}': 2,
    'ray_isnet_tune_trials{campaign="search",state="finished"}': 5,
    'ray_isnet_tune_trials{campaign="search",state="failed"}': 1,
    'ray_isnet_tune_trials{campaign="search",state="stopped"}': 0,
    'ray_isnet_tune_best_psnr_db{campaign="search"}': 22.25,
    f"ray_isnet_bulk_pictures_left{{{JOB}}}": 700,
    f"ray_isnet_in_flight{{{APP}}}": 3,
    f"ray_isnet_waiting{{{APP}}}": 1,
    f'ray_serve_deployment_replica_healthy{{{APP},deployment="Model",replica="a"}}': 1,
    f'ray_serve_deployment_replica_healthy{{{APP},deployment="Model",replica="b"}}': 1,
}
COUNTERS: dict[str, tuple[float, float]] = {
    f'ray_isnet_train_samples_total{{{RUN},rank="0"}}': (1000, 1060),
    f'ray_isnet_train_samples_total{{{RUN},rank="1"}}': (1000, 1040),
    f'ray_isnet_train_seconds_total{{{RUN},rank="0",part="data"}}': (10, 11),
    f'ray_isnet_train_seconds_total{{{RUN},rank="0",part="step"}}': (100, 114),
    f'ray_isnet_train_seconds_total{{{RUN},rank="1",part="data"}}': (10, 13),
    f'ray_isnet_train_seconds_total{{{RUN},rank="1",part="step"}}': (100, 107),
    f'ray_isnet_bulk_pictures_total{{{JOB},outcome="filled"}}': (200, 290),
    f'ray_isnet_bulk_pictures_total{{{JOB},outcome="no_mask"}}': (0, 10),
    f"ray_isnet_bulk_measured_total{{{JOB}}}": (1000, 1000),
    f'ray_isnet_bulk_seconds_total{{{JOB},part="read"}}': (5, 6),
    f'ray_isnet_bulk_seconds_total{{{JOB},part="model"}}': (20, 38),
    f'ray_isnet_bulk_seconds_total{{{JOB},part="write"}}': (1, 2),
    f'ray_isnet_requests_total{{{APP},code="200",route="/v1/inpaint"}}': (50, 88),
    f'ray_isnet_requests_total{{{APP},code="503",route="/v1/inpaint"}}': (0, 2),
    f'ray_isnet_request_seconds_bucket{{{APP},route="/v1/inpaint",le="1.0"}}': (50, 70),
    f'ray_isnet_request_seconds_bucket{{{APP},route="/v1/inpaint",le="2.0"}}': (50, 90),
    f'ray_isnet_request_seconds_bucket{{{APP},route="/v1/inpaint",le="+Inf"}}': (50, 90),
}
"""Before, and after."""

Changes = Mapping[str, float | tuple[float, float] | None]
"""By series; None takes it away."""


def state(changes: Changes | None = None, nodes: Mapping[str, bool] | None = None) -> State:
    """Read the cluster with some of its series changed."""
    return state_of(window(changes, nodes), "a test")


def window(changes: Changes | None = None, nodes: Mapping[str, bool] | None = None) -> Window:
    series = {**LEVELS, **COUNTERS, **(changes or {})}
    pairs = {
        name: value if isinstance(value, tuple) else (value, value)
        for name, value in series.items()
        if value is not None
    }
    readings = [
        Reading(
            at=AT + (moment - 1) * SECONDS,
            samples=_samples({name: pair[moment] for name, pair in pairs.items()}),
            nodes=nodes or {"10.0.0.1": True, "10.0.0.2": True},
        )
        for moment in (0, 1)
    ]
    return Window(*readings)


def _samples(values: Mapping[str, float]) -> list[Sample]:
    return list(parse("".join(f"{series} {value}\n" for series, value in values.items())))
