"""Pictures a second and waiting times at several numbers of clients, against a plain loop.

    python -m benchmarks.serving_load --checkpoint runs/smoke/model

Three sides: the endpoint with batches, the endpoint with batches of one, and a plain FastAPI
process with the same network (`benchmarks/plain_endpoint.py`). Each round starts each side anew,
one after the other; every client sends its next picture when the last one is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from benchmarks.endpoints import Sample, endpoint, make_samples, plain_endpoint
from benchmarks.measuring import (
    Report,
    check_output,
    in_turn,
    machine,
    median,
    p95,
    paired_ratio,
)
from pipelines.cli import parse, run_main
from pipelines.machine import cores

_SIDES = {
    "batched": "endpoint, batches of 8",
    "single": "endpoint, batches of 1",
    "plain": "plain FastAPI loop",
}
_SAMPLES = 32


@dataclass(frozen=True, kw_only=True)
class LoadConfig:
    """What is measured."""

    checkpoint: str
    """Checkpoint to serve."""
    photos: str = "samples"
    """Folder of photographs to send."""
    size: int = 256
    """Side of the pictures in pixels."""
    clients: tuple[int, ...] = (1, 8, 32)
    """Numbers of clients."""
    seconds: float = 20
    """Length of a measurement; a quarter of it comes before as a warm-up."""
    rounds: int = 3
    """How often each side is started."""
    threads: int = field(default_factory=cores)
    """PyTorch threads of each side."""
    output: str | None = None
    """Where to write the table: .md, or .json with every measurement."""


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    config = parse(LoadConfig, argv, description=__doc__)
    check_output(config.output)
    samples = make_samples(config.photos, size=config.size, count=_SAMPLES, ratio_range=(0.1, 0.5))
    found: dict[str, list[list[float]]] = {}
    for index, side in in_turn(list(_SIDES), config.rounds):
        with _start(side, config) as url:
            for clients in config.clients:
                times = asyncio.run(load(url, samples, clients=clients, seconds=config.seconds))
                found.setdefault(f"{clients} {side}", []).append(times)
                print(f"round {index + 1}, {side}, {clients} clients: {len(times)}", flush=True)
    report(config, found).publish(config.output)


def _start(side: str, config: LoadConfig) -> AbstractContextManager[str]:
    if side == "plain":
        return plain_endpoint(config.checkpoint, threads=config.threads)
    max_batch = 8 if side == "batched" else 1
    return endpoint(config.checkpoint, threads=config.threads, max_batch=max_batch)


async def load(url: str, samples: Sequence[Sample], *, clients: int, seconds: float) -> list[float]:
    """Let clients ask one request after the other; seconds that each answered one took."""
    began = time.perf_counter() + seconds / 4
    times: list[float] = []

    async def ask(number: int, client: httpx.AsyncClient) -> None:
        turn = number
        while (started := time.perf_counter()) < began + seconds:
            sample = samples[turn % len(samples)]
            turn += clients
            files = {"image": sample.image, "mask": sample.mask}
            (await client.post("/v1/inpaint", files=files)).raise_for_status()
            ended = time.perf_counter()
            if began <= ended <= began + seconds:
                times.append(ended - started)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await asyncio.gather(*(ask(number, client) for number in range(clients)))
    return times


def report(config: LoadConfig, found: Mapping[str, list[list[float]]]) -> Report:
    """Lay the measurements out."""
    rows = [
        _row(clients, side, config.seconds, found) for clients in config.clients for side in _SIDES
    ]
    settings: dict[str, Any] = asdict(config)
    settings.pop("output")
    settings["clients"] = " ".join(map(str, config.clients))
    return Report(
        title="Requests a second",
        machine=machine(),
        settings=settings,
        headers=["clients", "", "pictures/s", "x plain", "median, ms", "p95, ms"],
        rows=rows,
        figures=dict(found),
        notes=["Times plain is the median of the rounds' ratios."],
    )


def _row(
    clients: int, side: str, seconds: float, found: Mapping[str, list[list[float]]]
) -> list[str]:
    rounds = found[f"{clients} {side}"]
    rates = [len(times) / seconds for times in rounds]
    plain = [len(times) / seconds for times in found[f"{clients} plain"]]
    together = [value for times in rounds for value in times]
    return [
        str(clients),
        _SIDES[side],
        f"{median(rates):.2f}",
        f"{paired_ratio(rates, plain):.2f}",
        f"{median(together) * 1000:.0f}",
        f"{p95(together) * 1000:.0f}",
    ]


if __name__ == "__main__":
    run_main(main)
