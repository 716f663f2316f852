"""What is told of a cluster from the values that its nodes export."""

from __future__ import annotations

import re

import pytest

from isnet.config import InputError
from pipelines.monitoring.samples import parse
from tests.conftest import ROOT
from tests.pipelines.metrics import METRICS
from tests.pipelines.monitoring.exported import GIB, RUN, state, window


def test_a_run_is_described() -> None:
    (run,) = state().runs
    assert (run.name, run.ranks, run.step, run.steps_planned) == ("first", 2, 1200, 5000)
    assert run.samples_per_second == pytest.approx(60 / 15 + 40 / 10)
    assert run.stall == pytest.approx(4 / 25)
    assert run.last_step_age == pytest.approx(2)
    assert run.held_out_psnr_db == 21.5


def test_a_run_without_workers_is_still_there() -> None:
    gone = {name: None for name in _series("train") if "active" not in name}
    (run,) = state(gone).runs
    assert (run.ranks, run.step, run.stall, run.last_step_age) == (0, None, None, None)
    assert run.samples_per_second == 0


def test_nodes_are_described_the_head_first() -> None:
    head, worker = state().nodes
    assert (head.address, head.is_head, head.cpu, head.gpus) == ("10.0.0.1", True, 0.125, ())
    assert (worker.is_head, worker.store_used, worker.store_total) == (False, 8 * GIB, 20 * GIB)
    (gpu,) = worker.gpus
    assert (gpu.utilisation, gpu.memory_used, gpu.memory_total) == (0.95, 20 * GIB, 80 * GIB)


def test_a_campaign_is_described() -> None:
    (campaign,) = state().campaigns
    assert campaign.trials == {"waiting": 3, "running": 2, "finished": 5, "failed": 1, "stopped": 0}
    assert campaign.best_psnr_db == 22.25


def test_a_bulk_job_is_described() -> None:
    (job,) = state().bulk_jobs
    assert job.tried == {"filled": 290, "no_mask": 10}
    assert job.pictures_per_second == 5
    assert job.time == {"model": 0.9, "read": 0.05, "write": 0.05}
    assert job.failed == pytest.approx(1 / 30)


def test_an_endpoint_is_described() -> None:
    (endpoint,) = state().endpoints
    assert endpoint.healthy_replicas == {"Model": 2}
    assert endpoint.requests_per_second == 2
    assert endpoint.errors == 0.05
    assert endpoint.seconds_95 == pytest.approx(1.9)  # 38 of 40, of which 20 are below 1 s
    assert (endpoint.in_flight, endpoint.waiting_regions) == (3, 1)


def test_a_counter_that_began_anew_has_grown_by_what_it_has() -> None:
    series = f'ray_isnet_train_samples_total{{{RUN},rank="0"}}'
    grown = window({series: (1000, 30)}).growth("ray_isnet_train_samples_total", "rank")
    assert grown == {("0",): 30, ("1",): 40}


def test_levels_of_a_worker_that_has_just_died_are_not_added() -> None:
    again = {f'ray_isnet_train_step{{{RUN},WorkerId="dead"}}': 1190.0}
    assert state(again).runs[0].step == 1200


def test_what_is_no_text_of_prometheus_is_an_error() -> None:
    with pytest.raises(InputError, match="no Prometheus text format"):
        list(parse("<html>\n"))


def test_only_declared_metrics_are_read() -> None:
    declared = {name for metric in METRICS for name in metric.exported}
    declared |= {name.removesuffix("_bucket") for name in declared}
    folder = ROOT / "pipelines" / "monitoring"
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    named = set(re.findall(r'"(ray_isnet_\w+)"', text))
    assert len(named) > 15
    assert named <= declared


def _series(part: str) -> list[str]:
    from tests.pipelines.monitoring.exported import COUNTERS, LEVELS

    return [name for name in (*LEVELS, *COUNTERS) if name.startswith(f"ray_isnet_{part}_")]
