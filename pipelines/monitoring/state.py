"""How a cluster and what runs on it are, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Shares = Mapping[str, float]
"""Of time, by what it was spent on; they add up to 1, or there are none yet."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU of a node."""

    index: str
    utilisation: float | None
    """From 0 to 1."""
    memory_used: float | None
    memory_total: float | None
    """In bytes."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that answers."""

    address: str
    is_head: bool
    cpu: float | None
    """Share of its cores that compute, from 0 to 1."""
    memory_used: float | None
    memory_total: float | None
    """In bytes, as are those below."""
    store_used: float | None
    store_total: float | None
    """Ray's object store."""
    spilled: float
    """Objects that had no room in it and lie on the disk."""
    gpus: tuple[Gpu, ...]
    trains: bool
    """Whether a worker of a run is there."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits for room."""

    tasks: int
    """Tasks and actors that no node of the cluster could ever hold."""
    placement_groups: int
    """Groups of places, such as all workers of a run, that there is no room for now."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run."""

    name: str
    ranks: int
    """Workers that train."""
    step: int | None
    steps_planned: int | None
    samples_per_second: float
    """Of all ranks."""
    time: Shares
    """data (waiting for it), step, validation, checkpoint."""
    last_step_age: float | None
    """Seconds since the slowest rank's last step."""
    held_out_psnr_db: float | None
    rollbacks: int
    undecodable_rows: int
    samples: int
    """Since its workers were started, as the two before."""

    @property
    def stall(self) -> float | None:
        """Share of the time that it waits for data."""
        return self.time.get("data", 0.0) if self.time else None


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A search or comparison."""

    name: str
    trials: Mapping[str, int]
    """By state."""
    best_psnr_db: float | None


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """A collection that is being filled."""

    name: str
    left: int
    tried: Mapping[str, int]
    """Pictures by outcome, by this start of the job."""
    pictures_per_second: float
    measured_per_second: float
    time: Shares
    """read (waiting for pictures), model, write."""

    @property
    def failed(self) -> float | None:
        """Share of the pictures that could not be filled."""
        total = sum(self.tried.values())
        return 1 - self.tried.get("filled", 0) / total if total else None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An application of Ray Serve."""

    name: str
    healthy_replicas: Mapping[str, int]
    """By deployment."""
    requests_per_second: float
    errors: float | None
    """Share of answers that are 5xx."""
    seconds_95: float | None
    """Nineteen of twenty requests took no longer."""
    in_flight: int
    waiting_regions: int


@dataclass(frozen=True, kw_only=True)
class State:
    """All of it."""

    source: str
    at: float
    seconds: float
    """That rates are of."""
    nodes: tuple[Node, ...]
    lost: tuple[str, ...]
    """Hosts of nodes that do not answer."""
    waiting: Waiting
    runs: tuple[Run, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    bulk_jobs: tuple[BulkJob, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def number(value: float | None) -> float | None:
    """Leave out what is no number, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None
