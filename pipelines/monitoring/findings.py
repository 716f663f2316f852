"""What is wrong, and what to do about it: the alerts' rules, applied to one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pipelines.monitoring.state import BulkJob, Campaign, Endpoint, Node, Run, State, Waiting

# As in cluster/prometheus/*-alerts.yaml, whose alerts wait longer before they say so.
STALL = 0.3
SILENT_S = 600.0
UNDECODABLE = 0.01
FAILED_TRIALS = 0.3
FAILED_PICTURES = 0.1
FULL_STORE = 0.9
FULL_MEMORY = 0.9
IDLE_GPU = 0.1
ERRORS = 0.05
SLOW_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a person should know."""

    severity: Literal["critical", "warning"]
    subject: str
    message: str
    """What it is, and what helps."""
    alert: str
    """Of the same meaning, whose section in docs/operations.md says more."""

    @property
    def runbook(self) -> str:
        """Where more about it is."""
        return f"docs/operations.md#{self.alert.lower()}"


_critical = partial(Finding, severity="critical")
_warning = partial(Finding, severity="warning")


def findings(state: State) -> list[Finding]:
    """Name all that stands out, what is worst first."""
    found = [_lost(address) for address in state.lost]
    for node in state.nodes:
        found += _of_node(node)
    found += _of_waiting(state.waiting)
    for run in state.runs:
        found += _of_run(run)
    for campaign in state.campaigns:
        found += _of_campaign(campaign)
    for job in state.bulk_jobs:
        found += _of_job(job)
    for endpoint in state.endpoints:
        found += _of_endpoint(endpoint)
    return sorted(found, key=lambda finding: finding.severity != "critical")


def _lost(address: str) -> Finding:
    return _warning(
        subject=f"node {address}",
        message="is lost, or does not answer: runs go on elsewhere, or wait for another",
        alert="IsnetNodeLost",
    )


def _of_node(node: Node) -> Iterator[Finding]:
    subject = f"node {node.address}"
    share = _share(node.memory_used, node.memory_total)
    if share > FULL_MEMORY:
        yield Finding(
            severity="critical" if node.is_head else "warning",
            subject=subject,
            message=(
                f"has {share:.0%} of its memory in use, and Ray ends tasks at 95 %: "
                "keep work off the head"
                if node.is_head
                else f"has {share:.0%} of its memory in use, and Ray ends tasks at 95 %: lower "
                "--num-workers or actors on it, or take a larger one"
            ),
            alert="IsnetHeadMemory" if node.is_head else "IsnetNodeMemory",
        )
    share = _share(node.store_used, node.store_total)
    if share > FULL_STORE or node.spilled:
        yield _warning(
            subject=subject,
            message=(
                f"has its object store {share:.0%} full and {node.spilled / 2**30:.1f} GiB of it "
                "on the disk: fewer decoding tasks at once, smaller batches, or a larger "
                "--object-store-memory"
            ),
            alert="IsnetObjectStoreFull" if share > FULL_STORE else "IsnetSpilling",
        )
    busy = [gpu.utilisation for gpu in node.gpus if gpu.utilisation is not None]
    if node.trains and busy and max(busy) < IDLE_GPU:
        yield _warning(
            subject=subject,
            message=f"has GPUs that idle ({max(busy):.0%}) while a run trains there: does it wait?",
            alert="IsnetGpuIdle",
        )


def _of_waiting(waiting: Waiting) -> Iterator[Finding]:
    if waiting.tasks or waiting.placement_groups:
        yield _warning(
            subject="cluster",
            message=(
                f"{waiting.placement_groups} group(s) of workers wait for room, and "
                f"{waiting.tasks} task(s) or actor(s) fit no node there is: add nodes, or ask for "
                "less (--num-workers, --cpus-per-worker, --actors)"
            ),
            alert="IsnetWaitingForRoom",
        )


def _of_run(run: Run) -> Iterator[Finding]:
    subject = f"run {run.name}"
    if not run.ranks:
        yield _warning(
            subject=subject,
            message="has no worker that trains: it starts, or waits for nodes",
            alert="IsnetTrainingStuck",
        )
    elif run.last_step_age is not None and run.last_step_age > SILENT_S:
        yield _critical(
            subject=subject,
            message=f"has made no step for {run.last_step_age / 60:.0f} minutes: see its logs",
            alert="IsnetTrainingStuck",
        )
    if run.stall is not None and run.stall > STALL:
        yield _warning(
            subject=subject,
            message=(
                f"waits for data {run.stall:.0%} of its time: give Ray Data more CPUs (nodes "
                "without GPUs will do, or a smaller --cpus-per-worker), or prepare smaller pictures"
            ),
            alert="IsnetTrainingStarved",
        )
    if run.rollbacks:
        yield _warning(
            subject=subject,
            message=(
                f"went back to a checkpoint {run.rollbacks} time(s), for a loss that was not "
                "finite: lower the learning rate, or --precision fp32"
            ),
            alert="IsnetTrainingRollbacks",
        )
    if run.undecodable_rows > UNDECODABLE * run.samples:
        yield _warning(
            subject=subject,
            message=(
                f"met {run.undecodable_rows} rows that cannot be decoded among {run.samples}: "
                "prepare its data anew"
            ),
            alert="IsnetTrainingUndecodable",
        )


def _of_campaign(campaign: Campaign) -> Iterator[Finding]:
    subject = f"campaign {campaign.name}"
    trials = campaign.trials
    ended = sum(trials.get(state, 0) for state in ("finished", "failed", "stopped"))
    if trials.get("failed", 0) > FAILED_TRIALS * ended:
        yield _warning(
            subject=subject,
            message=f"{trials['failed']} of {ended} trials that have ended failed: see its report",
            alert="IsnetTrialsFailing",
        )
    if trials.get("waiting") and not trials.get("running"):
        yield _warning(
            subject=subject,
            message=f"{trials['waiting']} trials wait and none runs: the cluster has no room",
            alert="IsnetCampaignStuck",
        )


def _of_job(job: BulkJob) -> Iterator[Finding]:
    subject = f"bulk job {job.name}"
    if job.failed is not None and job.failed > FAILED_PICTURES:
        reasons = {name: count for name, count in job.tried.items() if name != "filled"}
        worst = max(reasons, key=reasons.__getitem__)
        yield _warning(
            subject=subject,
            message=f"{job.failed:.0%} of its pictures cannot be filled, most of them: {worst}",
            alert="IsnetBulkFailing",
        )
    if job.time.get("read", 0.0) > STALL:
        yield _warning(
            subject=subject,
            message=(
                f"waits for pictures {job.time['read']:.0%} of its time: raise --cpus-per-actor, "
                "or look at the storage"
            ),
            alert="IsnetBulkStarved",
        )


def _of_endpoint(endpoint: Endpoint) -> Iterator[Finding]:
    subject = f"endpoint {endpoint.name}"
    for deployment, healthy in endpoint.healthy_replicas.items():
        if not healthy:
            yield _critical(
                subject=subject,
                message=f"has no healthy replica of {deployment}: see `serve status`",
                alert="IsnetNoReplica",
            )
    if endpoint.errors is not None and endpoint.errors > ERRORS:
        yield _critical(
            subject=subject,
            message=f"{endpoint.errors:.0%} of its answers are errors: read its replicas' logs",
            alert="IsnetErrors",
        )
    if endpoint.seconds_95 is not None and endpoint.seconds_95 > SLOW_S:
        yield _warning(
            subject=subject,
            message=f"one request in twenty takes longer than {endpoint.seconds_95:.0f} s",
            alert="IsnetSlow",
        )


def _share(used: float | None, total: float | None) -> float:
    return used / total if used is not None and total else 0.0
