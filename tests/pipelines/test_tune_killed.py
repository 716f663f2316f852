"""Campaigns that are killed, stopped, or short of CPUs: nothing is lost, nothing runs twice."""

from __future__ import annotations

import signal
import time

import pytest
from mlflow.tracking import MlflowClient

from tests.pipelines.campaign_process import CampaignProcess, children, run_id, states
from tests.pipelines.cluster_process import ClusterProcess

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ALL = {"finished"}


def test_a_killed_campaign_goes_on_from_every_trials_last_checkpoint(prepared, tmp_path):
    process = CampaignProcess(prepared, tmp_path / "killed")
    process.start()
    process.wait_for_output("step 8  PSNR")
    process.kill()
    before = {trial.name: run_id(process.campaign(), trial.name) for trial in _begun(process)}
    assert before
    process.start()
    process.wait_for_output("step 16  PSNR")
    process.workers()[-1].kill()  # replaced inside its trial
    assert process.finish() == 0, process.output[-4000:]

    campaign = process.campaign()
    assert set(states(campaign)) == {"one", "two"}
    assert set(states(campaign).values()) == ALL
    runs = children(campaign)  # one for each trial
    assert {name: runs[name].info.run_id for name in before} == before
    client = MlflowClient(process.tracking_uri)
    assert client.get_run(campaign.run_id).info.status == "FINISHED"
    for run in runs.values():
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "train/l1")
        assert sorted(metric.step for metric in history) == list(range(1, 21))


def test_sigterm_ends_every_trial_with_a_checkpoint_to_go_on_from(prepared, tmp_path):
    process = CampaignProcess(prepared, tmp_path / "stopped")
    process.start()
    process.wait_for_output("step 4  PSNR")
    process.process.send_signal(signal.SIGTERM)
    assert process.finish() == 130, process.output[-4000:]
    assert "the same command with --name first goes on" in process.output
    campaign = process.campaign()
    client = MlflowClient(process.tracking_uri)
    assert client.get_run(campaign.run_id).info.status == "KILLED"
    assert {run.info.status for run in children(campaign).values()} <= {"KILLED", "FINISHED"}
    assert "failed" not in states(campaign).values()


@pytest.mark.cluster
def test_more_trials_at_once_than_two_cpus_hold_do_not_starve_each_other(prepared, tmp_path):
    flags = ["--max-concurrent", "4", "--samples-per-trial", "24"]
    process = CampaignProcess(prepared, tmp_path / "narrow", flags=flags)
    with ClusterProcess(nodes=0, head_cpus=2) as cluster:
        began = time.monotonic()
        process.start(RAY_ADDRESS=cluster.address, **cluster.environment)
        assert process.finish() == 0, process.output[-4000:]
        assert time.monotonic() - began < 500
    assert "the cluster has room for 1 at once" in process.output
    assert set(states(process.campaign()).values()) == ALL


def _begun(process):
    return process.campaign().begun()
