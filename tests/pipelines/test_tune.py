"""A campaign end to end: every trial a training run, scored on the same work, and reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from isnet.checkpoint import load_generator
from isnet.config import DiscriminatorConfig, GeneratorConfig, InputError, LossConfig
from pipelines import train, tune
from pipelines.tracking.runs import TrackingConfig
from pipelines.training.checkpoints import find
from pipelines.tuning.campaign import run_campaign
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.finding import open_campaign, read_campaign
from pipelines.tuning.gathering import gather
from pipelines.tuning.trials import Trial
from tests.pipelines.campaign_process import children, states
from tests.pipelines.exporting import exported, wait_for

pytestmark = pytest.mark.ray

BLOCKS = tuple(
    Trial(name=f"blocks-{n}", overrides={"generator.blocks": n}, published=f"table8-{n}")
    for n in (1, 2)
)


@pytest.fixture
def config(prepared, tracking_uri, tmp_path):
    """Four steps a trial, with the random extractor."""
    return CampaignConfig(
        data=prepared,
        output=str(tmp_path / "campaigns"),
        name="first",
        samples_per_trial=16,
        batch_size=4,
        num_workers=1,
        threads_per_worker=1,
        device="cpu",
        generator=GeneratorConfig(blocks=1, channels=2),
        discriminator=DiscriminatorConfig(channels=2),
        loss=LossConfig(preset="eq5", extractor="random"),
        validation_images=4,
        evaluation_images=8,
        tracking=TrackingConfig(uri=tracking_uri),
    )


def _definition(config, trials):
    return Definition(kind="table8", defaults=config, trials=trials)


def _read(config):
    return read_campaign(f"{config.output}/{config.name}")


@pytest.mark.slow
def test_two_trials_are_trained_scored_tracked_and_reported(config, capsys):
    assert run_campaign(config, _definition(config, BLOCKS))
    _assert_told()
    campaign = _read(config)
    assert states(campaign) == {"blocks-1": "finished", "blocks-2": "finished"}
    _assert_trials_are_runs(campaign)
    _assert_tracked(campaign)
    _assert_reported(campaign)
    capsys.readouterr()
    (Path(campaign.report) / "report.md").unlink()
    assert tune.main(["report", campaign.location]) == 0
    assert f"{campaign.report}/report.md" in capsys.readouterr().out.split()
    _assert_reported(campaign)
    assert run_campaign(config, _definition(config, BLOCKS))
    assert "campaign first has finished" in capsys.readouterr().out
    assert len(children(campaign)) == 2


def _assert_told():
    """Prometheus sees how the trials ended, and each as a run."""

    def trials():
        found = exported("ray_isnet_tune_trials", campaign="first")
        return {sample.labels["state"]: sample.value for sample in found}

    ended = {"waiting": 0, "running": 0, "finished": 2, "failed": 0, "stopped": 0}
    wait_for(lambda: trials() == ended, seconds=20)
    (best,) = exported("ray_isnet_tune_best_psnr_db", campaign="first")
    assert 0 < best.value < 50
    for trial in BLOCKS:
        samples = exported("ray_isnet_train_samples_total", run=f"first {trial.name}", rank="0")
        assert sum(sample.value for sample in samples) >= 16


def _assert_trials_are_runs(campaign):
    """Each has a run folder and a seed of its own; of its checkpoints, the generator is kept."""
    seeds = set()
    for trial in campaign.listed():
        folder = Path(campaign.trials) / trial.name
        assert not load_generator(folder / "model").training
        assert find(str(folder)) == ([], [])
        outcome = campaign.outcome(trial.name)
        assert outcome.steps == 4
        assert [step for step, _ in outcome.curve] == [1, 2, 3, 4]
        assert {"psnr", "ssim", "mae", "relative_mae", "lpips"} <= set(outcome.progressive)
        seeds.add(children(campaign)[trial.name].data.params["seed"])
    assert len(seeds) == 2
    # Nobody has chosen yet which of a campaign's models is to be one for all.
    assert not MlflowClient(campaign.config.tracking.uri).search_model_versions("name = 'isnet'")


def _assert_tracked(campaign):
    """One run for the campaign, one under it for each trial, with curves, scores and pictures."""
    client = MlflowClient(campaign.config.tracking.uri)
    assert client.get_run(campaign.run_id).info.status == "FINISHED"
    for name, run in children(campaign).items():
        assert run.info.status == "FINISHED"
        outcome = campaign.outcome(name)
        assert run.data.metrics["final/progressive/psnr"] == outcome.progressive["psnr"]
        steps = client.get_metric_history(run.info.run_id, "validation/progressive/psnr")
        assert [metric.step for metric in steps] == [1, 2, 3, 4]
        artifacts = {item.path for item in client.list_artifacts(run.info.run_id, "model")}
        assert artifacts == {"model/config.json", "model/generator.safetensors"}
        assert client.list_artifacts(run.info.run_id, "final")[0].path == "final/samples.png"
    reports = {item.path for item in client.list_artifacts(campaign.run_id, "report")}
    assert {"report/report.md", "report/report.html", "report/trials.csv"} <= reports


def _assert_reported(campaign):
    text = (Path(campaign.report) / "report.md").read_text()
    outcome = gather(campaign)
    best = max(outcome.trials, key=lambda trial: trial.progressive["psnr"])
    assert f"{best.progressive['psnr']:.2f}" in text
    assert "28.02" in text  # the paper's figure of one block
    assert outcome.ground_truth.shape == outcome.trials[0].composites.shape == (4, 32, 32, 3)


@pytest.mark.extended
def test_a_trial_that_diverges_is_marked_and_the_others_go_on(config):
    broken = {"loss.l1": 1e38, "loss.adversarial": 1e38, "optimizer.generator_lr": 1e30}
    alone = (Trial(name="broken", overrides=broken),)
    once = replace(config, max_rollbacks=0)
    assert not run_campaign(once, _definition(config, alone))
    assert _status(config) == "FAILED"
    ended = children(_read(config))["broken"].info.end_time

    assert run_campaign(once, _definition(config, (*alone, BLOCKS[0])))
    campaign = _read(config)
    assert states(campaign) == {"broken": "failed", "blocks-1": "finished"}
    runs = children(campaign)
    assert {name: run.info.status for name, run in runs.items()} == {
        "broken": "FAILED",
        "blocks-1": "FINISHED",
    }
    assert runs["broken"].info.end_time == ended  # it has failed; it is not tried again ...
    assert (
        campaign.outcome("broken").reason[:40] in (Path(campaign.report) / "report.md").read_text()
    )
    assert _status(config) == "FINISHED"

    run_campaign(replace(once, retry_failed=True), _definition(config, (*alone, BLOCKS[0])))
    assert children(_read(config))["broken"].info.end_time > ended  # ... unless that is asked for
    assert states(_read(config))["broken"] == "failed"


def _status(config):
    """MLflow's status of the campaign."""
    return MlflowClient(config.tracking.uri).get_run(_read(config).run_id).info.status


@pytest.mark.extended
def test_optuna_proposes_and_asha_ends_what_falls_behind(config):
    space = {"optimizer.generator_lr": {"log_uniform": [1e-5, 1e-2]}}
    definition = Definition(kind="file", defaults=config, space=space)
    options = {"search": "optuna", "asha": True, "trials": 3, "samples_per_trial": 80}
    searching = replace(config, **options)
    run_campaign(searching, definition)
    _assert_each_ended_once(_read(config), 3)
    before = {name: _read(config).outcome(name) for name in states(_read(config))}

    run_campaign(replace(searching, trials=4), definition)
    campaign = _read(config)
    _assert_each_ended_once(campaign, 4)
    # What had ended only told it again.
    assert {name: campaign.outcome(name) for name in before} == before


def _assert_each_ended_once(campaign, count):
    found = states(campaign)
    assert len(found) == len(children(campaign)) == count
    assert set(found.values()) <= {"finished", "stopped"}
    for name, state in found.items():
        assert children(campaign)[name].info.status == {"finished": "FINISHED"}.get(state, "KILLED")
        assert not load_generator(Path(campaign.trials) / name / "model").training
        assert find(f"{campaign.trials}/{name}") == ([], [])


@pytest.mark.slow
def test_the_winner_is_trained_in_full_with_one_command(config, capsys, tmp_path):
    campaign = open_campaign(config, _definition(config, BLOCKS), {})
    campaign.begin(BLOCKS[1])
    trial = f"{campaign.trials}/blocks-2"
    words = ["smoke", "--from-trial", trial, "--name", "final", "--data", config.data]
    small = ["--steps", "2", "--generator.channels", "2", "--discriminator.channels", "2"]
    places = ["--output", str(tmp_path / "runs"), "--tracking.uri", config.tracking.uri]
    assert train.main([*words, *small, *places, "--loss.extractor", "random"]) == 0
    assert load_generator(tmp_path / "runs" / "final" / "model") is not None
    assert '"blocks": 2' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data": "/other"}, "trial one sets data, which all trials share"),
        ({"num_workers": 2}, "trial one sets num_workers, which all trials share"),
        ({"loss.l9": 1}, "unknown option --loss.l9"),
    ],
)
def test_what_a_trial_may_not_set_is_found_before_anything_starts(config, overrides, message):
    with pytest.raises(InputError, match=message):
        run_campaign(config, _definition(config, (Trial(name="one", overrides=overrides),)))
    assert not Path(config.output).exists()
