"""The state of a cluster as tables on a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pipelines.monitoring.findings import Finding
from pipelines.monitoring.state import BulkJob, Campaign, Endpoint, Node, Run, Shares, State
from pipelines.progress import clock

_NODES = ("node", "CPU", "memory", "object store", "spilled", "GPU", "GPU memory")
_RUNS = ("run", "ranks", "step", "samples/s", "data wait", "last step", "held-out PSNR")
_CAMPAIGNS = ("campaign", "waiting", "running", "finished", "failed", "stopped", "best PSNR")
_JOBS = ("bulk job", "filled", "failed", "left", "pictures/s", "data wait", "model")
_ENDPOINTS = ("endpoint", "replicas", "requests/s", "errors", "95 %", "in flight", "waiting")

_UNKNOWN = "-"


def as_text(state: State, found: Sequence[Finding]) -> str:
    """Write tables of what there is, and below them what stands out."""
    parts = [_heading(state)]
    parts += _table(_NODES, [_node(node) for node in state.nodes])
    parts += _table(_RUNS, [_run(run) for run in state.runs])
    parts += _table(_CAMPAIGNS, [_campaign(campaign) for campaign in state.campaigns])
    parts += _table(_JOBS, [_job(job) for job in state.bulk_jobs])
    parts += _table(_ENDPOINTS, [_endpoint(endpoint) for endpoint in state.endpoints])
    if not (state.runs or state.campaigns or state.bulk_jobs or state.endpoints):
        parts.append("\nnothing of ISNet runs here, or it has not reported yet (ten seconds)")
    return "\n".join([*parts, "", *_verdict(found)])


def as_json(state: State, found: Sequence[Finding]) -> str:
    """Write the same as one line of JSON."""
    content: dict[str, Any] = asdict(state)
    for run, described in zip(state.runs, content["runs"], strict=True):
        described["stall"] = run.stall
    content["findings"] = [{**asdict(one), "runbook": one.runbook} for one in found]
    return json.dumps(content)


def _heading(state: State) -> str:
    when = datetime.fromtimestamp(state.at, UTC).isoformat(timespec="seconds")
    lost = f", {len(state.lost)} lost: {', '.join(state.lost)}" if state.lost else ""
    return (
        f"{when}  {state.source}, rates over {state.seconds:.0f} s\n"
        f"{len(state.nodes)} node(s){lost}; waiting for room: {state.waiting.placement_groups} "
        f"group(s) of workers, {state.waiting.tasks} task(s) that fit no node"
    )


def _verdict(found: Sequence[Finding]) -> list[str]:
    if not found:
        return ["well: nothing stands out"]
    return [f"{one.severity}: {one.subject} {one.message} ({one.runbook})" for one in found]


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns; nothing where there are no rows."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heading, *rows)
    ]
    return ["", *lines]


def _node(node: Node) -> list[str]:
    return [
        f"{node.address} (head)" if node.is_head else node.address,
        _percent(node.cpu),
        _of(node.memory_used, node.memory_total),
        _of(node.store_used, node.store_total),
        f"{node.spilled / 2**30:.1f} GiB" if node.spilled else "0",
        " ".join(_percent(gpu.utilisation) for gpu in node.gpus) or "no GPU",
        " ".join(_of(gpu.memory_used, gpu.memory_total) for gpu in node.gpus),
    ]


def _run(run: Run) -> list[str]:
    return [
        run.name,
        str(run.ranks),
        f"{_text(run.step)} of {_text(run.steps_planned)}",
        f"{run.samples_per_second:.1f}",
        _share(run.time, "data"),
        _UNKNOWN if run.last_step_age is None else f"{clock(run.last_step_age)} ago",
        _decibels(run.held_out_psnr_db),
    ]


def _campaign(campaign: Campaign) -> list[str]:
    states = ("waiting", "running", "finished", "failed", "stopped")
    counts = [str(campaign.trials.get(state, 0)) for state in states]
    return [campaign.name, *counts, _decibels(campaign.best_psnr_db)]


def _job(job: BulkJob) -> list[str]:
    filled = job.tried.get("filled", 0)
    return [
        job.name,
        f"{filled:,}",
        f"{sum(job.tried.values()) - filled:,}",
        f"{job.left:,}",
        _speed(job),
        _share(job.time, "read"),
        _share(job.time, "model"),
    ]


def _speed(job: BulkJob) -> str:
    """Write how fast pictures are filled; measured, while none has been tried."""
    if any(job.tried.values()):
        return f"{job.pictures_per_second:.3g}"
    return f"{job.measured_per_second:.3g} measured"


def _endpoint(endpoint: Endpoint) -> list[str]:
    replicas = endpoint.healthy_replicas.items()
    return [
        endpoint.name,
        ", ".join(f"{name} {count}" for name, count in sorted(replicas)) or _UNKNOWN,
        f"{endpoint.requests_per_second:.2f}",
        _percent(endpoint.errors),
        _UNKNOWN if endpoint.seconds_95 is None else f"{endpoint.seconds_95:.1f} s",
        str(endpoint.in_flight),
        str(endpoint.waiting_regions),
    ]


def _text(count: int | None) -> str:
    return _UNKNOWN if count is None else str(count)


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.0%}"


def _share(time: Shares, part: str) -> str:
    return _percent(time.get(part, 0.0) if time else None)


def _decibels(psnr: float | None) -> str:
    return _UNKNOWN if psnr is None else f"{psnr:.2f} dB"


def _of(used: float | None, total: float | None) -> str:
    """Write bytes in use, of how many, in GiB."""
    if used is None or total is None:
        return _UNKNOWN
    return f"{used / 2**30:.1f} of {total / 2**30:.1f} GiB"
