"""How many trials a cluster can train at once, so that none of them waits for another for ever."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import floor

import ray

from isnet.config import InputError
from pipelines.training.config import TrainConfig
from pipelines.training.placement import workers_of_a_gpu

TRIAL_CPUS = 0.1
"""Logical CPUs of the process that looks after a trial, beside those of its workers."""

Resources = Mapping[str, float]
"""Of one node, as Ray names them."""


def cpus_of_trial(config: TrainConfig) -> float:
    """Logical CPUs that a trial reserves while it trains; `config` is placed."""
    return TRIAL_CPUS + config.worker_range()[1] * config.cpus_per_worker


def room(nodes: Sequence[Resources], config: TrainConfig) -> int:
    """Count the trials that can train at once, wherever Ray puts their workers.

    Reading data takes tasks of one CPU. As long as the trials reserve no more than all nodes have
    beyond one CPU each, some node keeps one free for them; with more, all might be taken by
    workers that wait for data.
    """
    spare = sum(max(0, floor(node.get("CPU", 0)) - 1) for node in nodes)
    trials = floor(spare / cpus_of_trial(config) + 1e-9)
    if config.device == "gpu":
        whole = sum(int(node.get("GPU", 0)) for node in nodes)
        workers = whole * workers_of_a_gpu(config)
        trials = min(trials, workers // config.worker_range()[1])
    return trials


def concurrency(config: TrainConfig, *, asked: int, trials: int) -> int:
    """Decide how many trials train at once on the cluster that Ray is connected to.

    Args:
        config: of a trial, placed.
        asked: what the user wants at most, 0 for as many as fit.
        trials: of the campaign.

    Raises:
        InputError: there is not even room for one.

    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = room(nodes, config)
    if fits < 1 and not config.wait:
        cpus = sum(node.get("CPU", 0) for node in nodes)
        raise InputError(
            f"a trial reserves {cpus_of_trial(config):g} CPUs beside one that reads data, and the "
            f"cluster's {len(nodes)} node(s) have {cpus:g} in all; lower --num-workers or "
            "--cpus-per-worker, add a node, or give --wait to wait for one"
        )
    fits = max(1, fits)
    if asked > fits:
        print(
            f"--max-concurrent is {asked}, and the cluster has room for {fits} at once: "
            f"{fits} it is",
            flush=True,
        )
    return min(fits, asked or fits, trials)


def with_threads(config: TrainConfig, at_once: int) -> TrainConfig:
    """Share the cores of a machine among the trials that train on it at once."""
    if config.threads_per_worker or config.device == "gpu":
        return config
    nodes = sum(1 for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1)
    workers = -(-at_once * config.worker_range()[1] // max(nodes, 1))
    return replace(config, threads_per_worker=max(1, (os.cpu_count() or 1) // workers))
