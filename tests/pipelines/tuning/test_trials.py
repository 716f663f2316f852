"""Trials: their options in a training configuration, their names and seeds."""

from __future__ import annotations

import json

import pytest

from isnet.config import InputError
from pipelines import train
from pipelines.training.config import smoke
from pipelines.tuning.trials import (
    Trial,
    proposed,
    trial_seed,
    with_absolute_paths,
    with_overrides,
)


def test_overrides_reach_every_kind_of_option():
    config = with_overrides(
        smoke(),
        {
            "loss.l1": 48.081212,
            "generator.design": "base_ff",
            "channels_last": False,
            "optimizer.fused": False,
            "compile": True,
            "batch_size": 4,
        },
    )
    assert config.loss.weights().l1 == 48.081212
    assert config.generator.design == "base_ff"
    assert config.channels_last is config.optimizer.fused is False
    assert config.compile is True
    assert config.batch_size == 4
    assert config.loss.weights().style == smoke().loss.weights().style


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"loss.l2": 1}, "unknown option --loss.l2; did you mean --loss.l1"),
        ({"generator.blocks": 7}, "blocks is 7"),
        ({"loss.l1": "much"}, "--loss.l1"),
    ],
)
def test_what_no_option_takes_is_refused_by_name(overrides, message):
    with pytest.raises(InputError, match=message):
        with_overrides(smoke(), overrides)


def test_a_proposal_is_the_same_trial_whenever_it_is_made():
    first = proposed({"loss.l1": 1.5, "loss.style": 2.0})
    assert proposed({"loss.style": 2.0, "loss.l1": 1.5}).name == first.name
    assert proposed({"loss.l1": 1.5, "loss.style": 2.5}).name != first.name


def test_every_trial_has_a_seed_of_its_own_that_stays():
    seeds = [trial_seed(0, f"trial-{number:02d}") for number in range(50)]
    assert len(set(seeds)) == 50
    assert seeds == [trial_seed(0, f"trial-{number:02d}") for number in range(50)]
    assert trial_seed(1, "trial-00") != seeds[0]


def test_paths_of_a_trial_mean_the_same_wherever_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trial = Trial(name="one", overrides={"init_from": "model", "loss.l1": 2})
    assert with_absolute_paths(trial).overrides == {"init_from": f"{tmp_path}/model", "loss.l1": 2}
    named = Trial(name="two", overrides={"init_from": "isnet-small"})
    assert with_absolute_paths(named) == named


def test_a_run_takes_over_what_set_a_trial_apart(capsys, tmp_path):
    trial = {"name": "trial-01", "overrides": {"loss.l1": 7.25, "loss.style": 0.5}}
    (tmp_path / "trial.json").write_text(json.dumps(trial))
    words = ["smoke", "--from-trial", str(tmp_path), "--loss.style", "3", "--dry-run"]
    assert train.main(words) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    assert loss["l1"] == 7.25
    assert loss["style"] == 3  # the command line stands over the trial
    assert loss["preset"] == smoke().loss.preset


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from-trial", "/none"], "/none is no trial: it has no trial.json"),
        (["--from-trial", "--dry-run"], "--from-trial needs a value"),
        (["--from-trial="], "--from-trial needs a value"),
    ],
)
def test_a_trial_that_is_not_there_is_named(words, message):
    with pytest.raises(InputError, match=message):
        train.main(["smoke", *words])
