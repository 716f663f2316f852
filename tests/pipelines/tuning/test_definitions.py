"""The paper's campaigns, and campaign files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isnet.config import LOSS_PRESETS, InputError
from pipelines import tune
from pipelines.reporting.published import PUBLISHED
from pipelines.training.config import smoke
from pipelines.tuning.campaign_file import read_campaign_file
from pipelines.tuning.definitions import PRESETS, Definition, definition, table1
from pipelines.tuning.opening import opened, with_trials
from pipelines.tuning.trials import with_overrides

FILE = """
base: smoke
options: {samples_per_trial: 64, optimizer.ema_decay: 0.5}
trials:
  slow: {optimizer.generator_lr: 1.0e-4}
  fast: {optimizer.generator_lr: 1.0e-3, generator.design: base}
"""


@pytest.mark.parametrize(
    ("kind", "trials", "steps", "images"),
    [
        ("table1", 50, 32_000, 3_000),
        ("table1-rows", 10, 32_000, 3_000),
        ("table2", 7, 255_000, 5_000),
        ("table7", 4, 255_000, 5_000),
        ("table8", 4, 255_000, 5_000),
    ],
)
def test_the_papers_campaigns_have_its_trials_and_budgets(kind, trials, steps, images):
    found = definition(kind)
    config = found.defaults
    assert len(with_trials(config, found).trials) == trials
    assert config.samples_per_trial // config.batch_size == steps
    assert config.evaluation_images == images
    assert config.precision == "fp32"
    assert config.optimizer.ema_decay == 0


@pytest.mark.parametrize("kind", ["table1-rows", "table2"])
def test_rows_train_with_the_weights_that_were_published(kind):
    for trial in definition(kind).trials:
        trained = with_overrides(definition(kind).defaults, trial.overrides)
        assert trained.loss.weights() == LOSS_PRESETS[trial.published]


def test_every_published_row_has_its_figures_and_every_figure_its_row():
    rows = {trial.published for kind in PRESETS for trial in definition(kind).trials}
    assert rows == set(PUBLISHED)


def test_designs_and_blocks_are_trained_with_eq_5():
    designs = [trial.overrides for trial in definition("table7").trials]
    assert [one["generator.design"] for one in designs] == ["base", "base_ff", "isnet", "unet_like"]
    blocks = [trial.overrides["generator.blocks"] for trial in definition("table8").trials]
    assert blocks == [1, 2, 3, 4]
    for kind in ("table7", "table8"):
        assert definition(kind).defaults.loss.weights() == LOSS_PRESETS["eq5"]


def test_a_campaign_file_names_its_trials_and_what_they_share(tmp_path):
    found = read_campaign_file(_write(tmp_path, FILE))
    assert found.kind == "file"
    assert [trial.name for trial in found.trials] == ["slow", "fast"]
    assert found.trials[1].overrides["generator.design"] == "base"
    assert found.defaults.samples_per_trial == 64
    assert found.defaults.optimizer.ema_decay == 0.5
    assert found.defaults.generator == smoke().generator


def test_a_campaign_file_can_search(tmp_path):
    text = "base: smoke\nsearch: {loss.l1: {log_uniform: [1, 10]}}\noptions: {trials: 3}\n"
    found = read_campaign_file(_write(tmp_path, text))
    trials = with_trials(found.defaults, found).trials
    assert len(trials) == 3
    assert all(1 <= trial.overrides["loss.l1"] <= 10 for trial in trials)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "is no campaign file"),
        ("trials: {a: {", "cannot be read"),
        ("base: smoke", "give either trials or search"),
        ("trials: {a: {}}\nsearch: {loss.l1: {choice: [1]}}", "give either trials or search"),
        ("runs: {a: {}}", "unknown section 'runs'; choose of base, options, trials, search"),
        ("base: eq5\ntrials: {a: {}}", "unknown base 'eq5'; choose one of smoke"),
        ("trials: {a: 3}", "trial a is 3; give options"),
        ("trials: {a/b: {}}", "trial 'a/b' names a folder"),
        ("trials: [a]", r"trials is \['a'\]; give a mapping"),
        ("search: {loss.l1: 3}", "loss.l1 is drawn from 3"),
        ("trials: {a: {}}\noptions: {loss.l9: 3}", "unknown option --loss.l9"),
    ],
)
def test_mistakes_in_a_campaign_file_are_named_with_the_file(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_campaign_file(_write(tmp_path, text))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table9"], "unknown preset 'table9'; choose one of table1, table1-rows"),
        (["table1", "--steps", "100"], "give a trial's budget as --samples-per-trial 800"),
        (["table1", "--trials", "0"], "trials is 0; it must be at least 1"),
        (["table1", "--samples-per-trial", "3"], "samples_per_trial is 3; it must be at least 8"),
        (["none.yaml"], "campaign file none.yaml cannot be read"),
        (["report", "/none"], "/none is no campaign"),
        (["report"], "name the folder of a campaign"),
    ],
)
def test_mistakes_on_the_command_line_are_named(words, message):
    with pytest.raises(InputError, match=message):
        tune.main(words)


@pytest.mark.parametrize(
    ("options", "space", "message"),
    [
        ({"search": "optuna"}, {"choice": [1, 2]}, "would propose the same trial twice"),
        ({"asha": True}, {"choice": [4, 8]}, "--asha compares trials at the same step"),
    ],
)
def test_searches_that_could_not_work_are_refused(options, space, message):
    config = replace(table1(), **options)
    searched = Definition(kind="file", defaults=config, space={"batch_size": space})
    with pytest.raises(InputError, match=message):
        opened(config, searched)


def test_a_dry_run_prints_trials_resources_and_what_they_cost(capsys):
    words = ["table8", "--data", "/none", "--samples-per-trial", "800", "--dry-run"]
    assert tune.main(words) == 0
    printed = capsys.readouterr().out
    assert "pictures are taken to be 256x256" in printed
    assert "Each trial: 1 worker(s) of 0.5 CPUs" in printed
    assert "In all: 4 trials, 3,200 samples" in printed
    assert "GPU hours at 30 TFLOP/s" in printed


def _write(folder, text):
    (folder / "campaign.yaml").write_text(text)
    return str(folder / "campaign.yaml")
