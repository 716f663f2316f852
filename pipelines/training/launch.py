"""Starting Ray Train for a run: what each worker gets, where it computes, where it saves."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.train import (
    Checkpoint,
    CheckpointConfig,
    FailureConfig,
    LoggingConfig,
    RunConfig,
    ScalingConfig,
)
from ray.train.torch import TorchConfig, TorchTrainer

from isnet.config import InputError
from pipelines.cluster import connect
from pipelines.shards import Manifest
from pipelines.storage import open_filesystem
from pipelines.tracking.server import sqlite_path
from pipelines.training.checks import Inspection
from pipelines.training.config import TrainConfig
from pipelines.training.loop import Job, train_worker
from pipelines.training.runs import Run
from pipelines.training.streams import read_mask_bank


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How training ended."""

    checkpoint: Checkpoint | None
    """The newest one."""
    failure: str | None
    """Why training stopped before its last step."""


def launch(run: Run, manifest: Manifest, inspection: Inspection) -> Outcome:
    """Train to the last step, from the newest checkpoint where there is one.

    Raises:
        InputError: the cluster cannot hold the workers.

    """
    config = run.config
    # Replaced workers are noticed, and checkpoints registered, at this interval.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    # Ray Train's own handling of print() shows every progress line twice.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")
    cores = os.cpu_count() or 1
    connect(num_cpus=cores + config.workers)
    use_gpu = _use_gpu(config)
    _check_cluster(config)
    print(f"training {config.name} on {config.workers} {'GPU' if use_gpu else 'CPU'} worker(s)")
    result: Any = _trainer(config, _job(run, manifest, inspection, use_gpu)).fit()
    return Outcome(checkpoint=result.checkpoint, failure=result.return_value)


def _use_gpu(config: TrainConfig) -> bool:
    """Decide where workers compute: on a GPU each, where the cluster has any."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if config.device == "cpu" or (config.device == "auto" and gpus == 0):
        return False
    if config.device == "auto" and gpus < config.workers:
        raise InputError(
            f"the cluster has {gpus} GPU(s) for --workers {config.workers}; lower --workers, give "
            "--device gpu to wait for more, or --device cpu"
        )
    return True


def _check_cluster(config: TrainConfig) -> None:
    cpus = ray.cluster_resources().get("CPU", 0)
    reserved = config.workers * config.cpus_per_worker
    if cpus - reserved < 1:
        raise InputError(
            f"the workers reserve {reserved:g} of the cluster's {cpus:g} CPUs, which leaves none "
            "to read data; lower --workers or --cpus-per-worker"
        )
    nodes = sum(node["Alive"] for node in ray.nodes())
    if nodes > 1 and sqlite_path(config.tracking.uri) is not None:
        raise InputError(
            f"--tracking.uri is an SQLite file, which {nodes} nodes cannot share; "
            "give an MLflow server (http://host:5000)"
        )


def _job(run: Run, manifest: Manifest, inspection: Inspection, use_gpu: bool) -> Job:
    config = run.config
    state = inspection.init_state
    return Job(
        config=config,
        row_groups=inspection.row_groups,
        masks=ray.put(read_mask_bank(config.data, manifest, "train")),
        init_state=None if state is None else ray.put(state),
        use_gpu=use_gpu,
        tracking_uri=config.tracking.uri,
        run_id=str(run.run_id),
        folder=str(run.local_folder or Path(tempfile.gettempdir())),
        about=run.about(inspection.facts),
    )


def _trainer(config: TrainConfig, job: Job) -> TorchTrainer:
    filesystem, storage_path = open_filesystem(config.output)
    resources = {"CPU": config.cpus_per_worker} | ({"GPU": 1.0} if job.use_gpu else {})
    return TorchTrainer(
        train_worker,  # type: ignore[arg-type]  # annotated without the value that Result returns
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if job.use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=config.workers, use_gpu=job.use_gpu, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=config.name,
            storage_path=storage_path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=config.keep_checkpoints),
            # The terminal is for our own progress lines.
            logging_config=LoggingConfig(log_level="WARNING"),  # type: ignore[call-arg]
        ),
    )
