"""Campaigns that are killed, stopped, or short of CPUs: nothing is lost, nothing runs twice."""

from __future__ import annotations

import signal

import pytest
from mlflow.tracking import MlflowClient

from pipelines.training.checkpoints import newest
from tests.pipelines.campaign_process import CampaignProcess, children, run_id, states
from tests.pipelines.cluster_process import ClusterProcess

pytestmark = [pytest.mark.ray, pytest.mark.extended]

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
    # 200 steps, validated and saved every 40: what is kept in between is kept for the signal.
    flags = ["--samples-per-trial", "1200"]
    process = CampaignProcess(prepared, tmp_path / "stopped", flags=flags)
    process.start()
    process.wait_for_output("step 40  PSNR")
    process.process.send_signal(signal.SIGTERM)
    assert process.finish() == 130, process.output[-4000:]
    assert "the same command with --name first goes on" in process.output
    campaign = process.campaign()
    client = MlflowClient(process.tracking_uri)
    assert client.get_run(campaign.run_id).info.status == "KILLED"
    assert {run.info.status for run in children(campaign).values()} == {"KILLED"}
    assert not states(campaign)
    steps = [newest(f"{campaign.trials}/{trial.name}").step for trial in campaign.begun()]
    assert any(step % 40 for step in steps)


def test_two_campaigns_at_once_do_not_mix(prepared, tmp_path):
    flags = ["--samples-per-trial", "24"]
    both = [
        CampaignProcess(prepared, tmp_path, name=name, trials=["one"], flags=flags)
        for name in ("first", "second")
    ]
    for process in both:
        process.start()
    assert [process.finish() for process in both] == [0, 0], both[0].output[-4000:]
    campaigns = [process.campaign() for process in both]
    runs = [{run.info.run_id for run in children(campaign).values()} for campaign in campaigns]
    assert not runs[0] & runs[1]
    for campaign in campaigns:
        assert states(campaign) == {"one": "finished"}
        (run,) = children(campaign).values()
        assert run.info.run_id == run_id(campaign, "one")
        assert run.data.tags["campaign"] == campaign.config.name


@pytest.mark.cluster
def test_more_trials_at_once_than_two_cpus_hold_do_not_starve_each_other(prepared, tmp_path):
    flags = ["--max-concurrent", "4", "--samples-per-trial", "24"]
    process = CampaignProcess(prepared, tmp_path / "narrow", flags=flags)
    with ClusterProcess(nodes=0, head_cpus=2) as cluster:
        process.start(RAY_ADDRESS=cluster.address, **cluster.environment)
        assert process.finish() == 0, process.output[-4000:]
    assert "the cluster has room for 1 at once" in process.output
    assert set(states(process.campaign()).values()) == ALL


def _begun(process):
    return process.campaign().begun()
