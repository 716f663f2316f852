"""Letting the cluster fill all units; only counts come back."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import ray
from ray.data import ActorPoolStrategy

from isnet.config import InputError
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.worker import Filler, Job
from pipelines.machine import cores

_MOST_BLOCKS = 20_000
"""Blocks that Ray Data is given; beyond these, several units travel as one."""


class Report(TypedDict):
    """What came of a unit."""

    unit: int
    """Its number."""
    done: int
    """Pictures that are filled, by an earlier start too."""
    failed: int
    reasons: dict[str, int]
    """Failures by reason."""
    failures: list[dict[str, str]]
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that fill."""

    fewest: int
    most: int
    cpus: int
    """CPUs of each."""
    gpus: float
    """GPUs of each."""

    def __str__(self) -> str:
        """Say how many of what."""
        many = str(self.most) if self.fewest == self.most else f"{self.fewest} to {self.most}"
        what = f"{self.gpus:g} GPU" if self.gpus else f"{self.cpus} CPU"
        return f"{many} process(es) of {what}"


def choose_device(config: InpaintConfig) -> str:
    """Find where the network runs: `cpu` or `cuda`.

    Raises:
        InputError: a GPU was asked for, and there is none.

    """
    gpus = ray.cluster_resources().get("GPU", 0)
    if config.device == "gpu" and not gpus:
        raise InputError("--device gpu, but the cluster has no GPU; leave --device out")
    suits = config.device != "cpu" and config.backend != "openvino"
    return "cuda" if gpus and suits else "cpu"


def local_cpus(config: InpaintConfig) -> int:
    """Logical CPUs of a Ray of this machine: its cores, or more where more processes are wanted."""
    wanted = parse_actors(config.actors) or (1, 1)
    return max(cores(), wanted[1] * config.cpus_per_actor)


def choose_pool(config: InpaintConfig, device: str, units: int) -> Pool:
    """Choose how many processes share so many units.

    Raises:
        InputError: `actors` is not understood, or the cluster has no room for the fewest.

    """
    gpus = config.gpus_per_actor if device == "cuda" else 0.0
    has = ray.cluster_resources()
    room = int(has.get("CPU", 0) // config.cpus_per_actor)
    if gpus:
        room = min(room, int(has.get("GPU", 0) / gpus + 1e-9))
    fewest, most = parse_actors(config.actors) or (max(room, 1), max(room, 1))
    if fewest > room:
        kind = f"{gpus:g} GPU and " if gpus else ""
        raise InputError(
            f"--actors {config.actors}: the cluster has room for {room} process(es) of {kind}"
            f"{config.cpus_per_actor} CPU; lower --actors, or --cpus-per-actor"
        )
    enough = max(1, units)
    return Pool(
        fewest=min(fewest, enough),
        most=min(most, enough),
        cpus=config.cpus_per_actor,
        gpus=gpus,
    )


def parse_actors(text: str) -> tuple[int, int] | None:
    """Read `N` or `MIN,MAX`; None for `auto`.

    Raises:
        InputError: something else.

    """
    if text == "auto":
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:,([1-9]\d*))?", text)
    if match is None or int(match[1]) > int(match[2] or match[1]):
        raise InputError(f"actors is {text!r}; give a number, MIN,MAX such as 2,8, or auto")
    return int(match[1]), int(match[2] or match[1])


def fill_units(job: Job, units: Mapping[int, np.ndarray], pool: Pool) -> Iterator[Report]:
    """Fill units, by number; yield what came of each as it is done."""
    rows = [{"unit": number, "items": items} for number, items in units.items()]
    waiting = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS))
    with warnings.catch_warnings():
        # There is no other way yet to say how often a task may be tried again.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        results = waiting.map_batches(
            Filler,
            batch_size=1,
            compute=_strategy(pool),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            max_task_retries=-1,  # counts tries to reach a dead process, too: Attempt counts deaths
            fn_constructor_kwargs={"job": job},
        )
    for row in results.iter_rows():
        yield json.loads(row["report"])


def _strategy(pool: Pool) -> ActorPoolStrategy:
    if pool.fewest == pool.most:
        return ActorPoolStrategy(size=pool.most)
    return ActorPoolStrategy(min_size=pool.fewest, max_size=pool.most)
