"""Finding in exported values what runs on a cluster, and how it is."""

from __future__ import annotations

from pipelines.monitoring.cluster import nodes_of, waiting_of
from pipelines.monitoring.samples import Window
from pipelines.monitoring.state import BulkJob, Campaign, Endpoint, Run, Shares, State, number


def state_of(window: Window, source: str) -> State:
    """Describe the cluster and all that runs on it."""
    return State(
        source=source,
        at=window.at,
        seconds=window.seconds,
        nodes=nodes_of(window),
        lost=tuple(sorted(node for node, answers in window.nodes.items() if not answers)),
        waiting=waiting_of(window),
        runs=tuple(_run(window, name) for name in _names(window, "ray_isnet_train_active", "run")),
        campaigns=tuple(
            _campaign(window, name) for name in _names(window, "ray_isnet_tune_trials", "campaign")
        ),
        bulk_jobs=tuple(
            _bulk_job(window, name)
            for name in _names(window, "ray_isnet_bulk_pictures_left", "bulk_job")
        ),
        endpoints=tuple(
            _endpoint(window, name) for name in _names(window, "ray_isnet_in_flight", "application")
        ),
    )


def _run(window: Window, name: str) -> Run:
    last = window.highest("ray_isnet_train_last_step_timestamp_seconds", "rank", run=name)
    samples = window.growth("ray_isnet_train_samples_total", "rank", run=name)
    # Its own time and not the window's: processes report every ten seconds, and not in step.
    spent = window.growth("ray_isnet_train_seconds_total", "rank", run=name)
    psnr = window.highest("ray_isnet_train_held_out_psnr_db", run=name, method="progressive")
    return Run(
        name=name,
        ranks=len(last),
        step=_level(window, "ray_isnet_train_step", run=name),
        steps_planned=_level(window, "ray_isnet_train_steps_planned", run=name),
        samples_per_second=sum(
            grown / spent[rank] for rank, grown in samples.items() if spent.get(rank)
        ),
        time=_shares(window, "ray_isnet_train_seconds_total", run=name),
        last_step_age=max(0.0, window.at - min(last.values())) if last else None,
        held_out_psnr_db=number(psnr.get(())),
        rollbacks=_count(window, "ray_isnet_train_rollbacks_total", run=name) or 0,
        undecodable_rows=_count(window, "ray_isnet_train_undecodable_rows_total", run=name) or 0,
        samples=_count(window, "ray_isnet_train_samples_total", run=name) or 0,
    )


def _campaign(window: Window, name: str) -> Campaign:
    trials = window.highest("ray_isnet_tune_trials", "state", campaign=name)
    best = window.highest("ray_isnet_tune_best_psnr_db", campaign=name)
    return Campaign(
        name=name,
        trials={state: round(count) for (state,), count in trials.items()},
        best_psnr_db=number(best.get(())),
    )


def _bulk_job(window: Window, name: str) -> BulkJob:
    tried = window.total("ray_isnet_bulk_pictures_total", "outcome", bulk_job=name)
    grown = window.growth("ray_isnet_bulk_pictures_total", bulk_job=name)
    measured = window.growth("ray_isnet_bulk_measured_total", bulk_job=name)
    return BulkJob(
        name=name,
        left=_level(window, "ray_isnet_bulk_pictures_left", bulk_job=name) or 0,
        tried={outcome: round(count) for (outcome,), count in tried.items()},
        pictures_per_second=grown.get((), 0.0) / window.seconds,
        measured_per_second=measured.get((), 0.0) / window.seconds,
        time=_shares(window, "ray_isnet_bulk_seconds_total", bulk_job=name),
    )


def _endpoint(window: Window, name: str) -> Endpoint:
    answered = window.growth("ray_isnet_requests_total", "code", application=name)
    total = sum(answered.values())
    errors = sum(count for (code,), count in answered.items() if code.startswith("5"))
    healthy = window.total("ray_serve_deployment_replica_healthy", "deployment", application=name)
    return Endpoint(
        name=name,
        healthy_replicas={deployment: round(count) for (deployment,), count in healthy.items()},
        requests_per_second=total / window.seconds,
        errors=errors / total if total else None,
        seconds_95=window.quantile(
            0.95, "ray_isnet_request_seconds", application=name, route="/v1/inpaint"
        ),
        in_flight=_count(window, "ray_isnet_in_flight", application=name) or 0,
        waiting_regions=_count(window, "ray_isnet_waiting", application=name) or 0,
    )


def _names(window: Window, name: str, label: str) -> list[str]:
    return sorted(key for (key,) in window.values(name, label))


def _count(window: Window, name: str, **labels: str) -> int | None:
    value = window.total(name, **labels).get(())
    return None if value is None else round(value)


def _level(window: Window, name: str, **labels: str) -> int | None:
    """Read a level that one process tells: one that has just died may have told it, too."""
    value = window.highest(name, **labels).get(())
    return None if value is None else round(value)


def _shares(window: Window, name: str, **labels: str) -> Shares:
    """Say what time was spent on; nothing where none was counted in the window."""
    spent = window.growth(name, "part", **labels)
    total = sum(spent.values())
    return {part: seconds / total for (part,), seconds in sorted(spent.items())} if total else {}
