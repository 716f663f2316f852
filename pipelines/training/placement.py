"""Where a run computes: what `auto` stands for on this cluster, and whether it can hold the run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import ray
import torch

from isnet.arithmetic import has_bf16
from isnet.config import InputError
from pipelines.logs import warn
from pipelines.nodes import alive_nodes, ask_nodes
from pipelines.shards import MANIFEST
from pipelines.shared_storage import require_shared
from pipelines.storage import join
from pipelines.tracking.server import sqlite_path
from pipelines.training.config import AUTO, Precision, TrainConfig

_log = logging.getLogger(__name__)


def place(config: TrainConfig) -> TrainConfig:
    """Put the cluster's answer in place of every `auto`; Ray is connected.

    Raises:
        InputError: the cluster cannot hold the workers, or its nodes do not see the same files.

    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    device = config.device
    if device == AUTO:
        device = "gpu" if gpus else "cpu"
    precision = _precision(config.precision, device)
    workers = config.num_workers
    if workers == AUTO:
        workers = _share_of(gpus, config) if device == "gpu" else 1
    placed = replace(config, device=device, precision=precision, num_workers=workers)
    if not config.wait:
        _require_room(placed, gpus)
    _require_shared_storage(placed)
    return placed


def _precision(precision: Precision, device: str) -> Precision:
    """Decide what `auto` stands for; warn where bf16 is asked for that CPUs have to imitate."""
    if precision == "fp32":
        return "fp32"
    if device == "gpu" or _cpus_have_bf16():
        return "bf16"
    if precision == "bf16":
        warn(
            _log,
            "not every node's CPU computes in bf16, and imitating it makes a step many times as "
            "long; start another run with --precision fp32",
        )
        return "bf16"
    return "fp32"


def _cpus_have_bf16() -> bool:
    """Ask every node whether its CPU computes in bfloat16, instead of imitating it slowly."""
    nodes = alive_nodes()
    cpu = torch.device("cpu")
    return has_bf16(cpu) if len(nodes) < 2 else all(ask_nodes(nodes, has_bf16, cpu))


def _share_of(gpus: int, config: TrainConfig) -> int:
    """Find the most workers, one a GPU, that can share the batch evenly."""
    images = config.batch_size // config.accumulate
    return max(n for n in range(1, max(gpus, 1) + 1) if images % n == 0)


def _require_room(config: TrainConfig, gpus: int) -> None:
    """Refuse what the cluster could not start even if nothing else ran on it."""
    fewest, _ = config.worker_range()
    if config.device == "gpu" and gpus * workers_of_a_gpu(config) < fewest:
        raise InputError(
            f"the cluster has {gpus} GPU(s) for --num-workers {config.num_workers}; lower "
            "--num-workers, give --wait to wait for more, or --device cpu"
        )
    cpus = ray.cluster_resources().get("CPU", 0)
    places = [_places(node["Resources"], config) for node in alive_nodes()]
    if sum(places) < fewest:
        raise InputError(
            f"the cluster's {len(places)} node(s) have room for {sum(places)} worker(s) of "
            f"{config.cpus_per_worker:g} CPUs{_gpu_words(config)}, "
            f"--num-workers is {config.num_workers}; lower --num-workers or --cpus-per-worker, or "
            "give --wait to wait for more"
        )
    reserved = fewest * config.cpus_per_worker
    if cpus - reserved < 1:
        raise InputError(
            f"{fewest} worker(s) reserve {reserved:g} of the cluster's {cpus:g} CPUs, which leaves "
            "none to read data; lower --num-workers or --cpus-per-worker, or give --wait to wait "
            "for more"
        )


def workers_of_a_gpu(config: TrainConfig) -> int:
    """Count the workers that share one GPU; none is put together from parts of several."""
    return int(1 / config.gpus_per_worker + 1e-9)


def _gpu_words(config: TrainConfig) -> str:
    return f" and {config.gpus_per_worker:g} GPU" if config.device == "gpu" else ""


def _places(resources: Mapping[str, float], config: TrainConfig) -> int:
    """Count the workers that a node could hold."""
    places = int(resources.get("CPU", 0) / config.cpus_per_worker)
    if config.device != "gpu":
        return places
    return min(places, int(resources.get("GPU", 0)) * workers_of_a_gpu(config))


def _require_shared_storage(config: TrainConfig) -> None:
    """Refuse, on a cluster of several nodes, files that only some of them see."""
    nodes = len(alive_nodes())
    if nodes < 2:
        return
    if sqlite_path(config.tracking.uri) is not None:
        raise InputError(
            f"--tracking.uri is an SQLite file, which {nodes} nodes cannot share; "
            "give an MLflow server (http://host:5000)"
        )
    require_shared(config.output, [("--data", config.data, join(config.data, MANIFEST))])
