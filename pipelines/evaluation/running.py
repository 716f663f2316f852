"""Letting the cluster measure every candidate on every item; only counts come back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ray
from ray.data import ActorPoolStrategy

from isnet.config import InputError
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.job import Job
from pipelines.evaluation.outcome import Candidate
from pipelines.evaluation.parts import find_done
from pipelines.evaluation.units import Unit
from pipelines.evaluation.worker import Measurer
from pipelines.progress import Progress

_RETRIES = 9
"""Further tries at a unit over which processes die; left alone, Ray would go on without an end. A
lost host costs several: until the cluster knows, each try to reach a process on it counts."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that measure."""

    actors: int
    gpus: int
    """GPUs of each: 1 or 0."""


def choose_devices(config: EvaluateConfig, candidates: Sequence[Candidate]) -> dict[str, str]:
    """Find where networks and classical methods run: `cpu` or `cuda`, by group.

    Raises:
        InputError: a GPU was asked for, and there is none.

    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if config.device == "gpu" and not gpus:
        raise InputError("--device gpu, but the cluster has no GPU; leave --device out")
    networks = "cuda" if gpus and config.device != "cpu" else "cpu"
    groups = {candidate.group for candidate in candidates}
    # Classical methods have no use for a GPU.
    found = {"networks": networks, "classical": "cpu"}
    return {group: device for group, device in found.items() if group in groups}


def measure_all(config: EvaluateConfig, job: Job, units: Sequence[Unit]) -> None:
    """Measure all units that no earlier run has; each leaves its rows in its part."""
    done = find_done(job.output, units)
    progress = Progress("scores", total=sum(len(unit.items) for unit in units))
    kept = [unit for unit in units if unit.part in done]
    progress.advance(sum(len(unit.items) for unit in kept), rows=0, kept=True)
    failed = 0
    for group, device in job.devices.items():
        waiting = [
            unit
            for unit in units
            if unit.part not in done and job.candidates[unit.candidate].group == group
        ]
        if not waiting:
            continue
        for items, rows, lost in _stream(job, waiting, choose_pool(config, device, len(waiting))):
            failed += lost
            progress.advance(items, rows=rows, kept=False)
    progress.finish(f"{failed} of them without scores" if failed else "none failed")


def choose_pool(config: EvaluateConfig, device: str, units: int) -> Pool:
    """Choose how many processes share so many units.

    Raises:
        InputError: more were asked for than the cluster has CPUs or GPUs for.

    """
    gpus = 1 if device == "cuda" else 0
    most = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))
    if config.actors != "auto" and config.actors > most:
        kind = "GPU" if gpus else "CPU"
        raise InputError(
            f"--actors {config.actors}: the cluster has {most} {kind}(s), one for each; lower "
            "--actors, or leave it out"
        )
    wanted = most if config.actors == "auto" else config.actors
    return Pool(actors=max(1, min(wanted, units)), gpus=gpus)


def _stream(job: Job, units: Sequence[Unit], pool: Pool) -> Iterator[tuple[int, int, int]]:
    """Items, rows, and rows without scores, of each unit as it is done."""
    rows = [{"unit": unit.to_json()} for unit in units]
    waiting = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        # There is no other way yet to say how often a task may be tried again.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        results = waiting.map_batches(
            Measurer,
            batch_size=1,
            compute=ActorPoolStrategy(size=pool.actors),
            num_cpus=1,
            num_gpus=pool.gpus,
            max_task_retries=_RETRIES,
            fn_constructor_kwargs={"job": job},
        )
    for row in results.iter_rows():
        yield int(row["items"]), int(row["rows"]), int(row["failed"])
