"""The folder of a run: names, resuming, changed configurations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isnet.config import InputError
from pipelines.tracking.runs import TrackingConfig
from pipelines.training.config import PRESETS, smoke
from pipelines.training.runs import open_run_folder

FACTS = {"data_hash": "0123", "extractor": "vgg16 random substitute"}


@pytest.fixture
def config(tmp_path):
    return replace(smoke(), output=str(tmp_path), name="first", steps=10)


def test_without_a_name_a_new_run_is_planned(config):
    run = open_run_folder(replace(config, name=None), FACTS)
    assert run.config.name.startswith("isnet-")
    assert run.location.endswith(run.config.name)
    assert not run.finished


def test_an_unfinished_run_is_found_again(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    again = open_run_folder(config, FACTS)
    assert again.run_id == "abc"
    assert not again.finished


def test_a_finished_run_says_so_unless_more_steps_are_asked_for(config):
    open_run_folder(config, FACTS).save(state="finished", run_id="abc", facts=FACTS)
    assert open_run_folder(config, FACTS).finished
    assert not open_run_folder(replace(config, steps=20), FACTS).finished


def test_another_configuration_is_refused_by_field(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    changed = replace(config, batch_size=16, optimizer=replace(config.optimizer, generator_lr=0.5))
    with pytest.raises(InputError, match=r"batch_size was 8, now 16; optimizer.generator_lr was"):
        open_run_folder(changed, FACTS)


def test_what_does_not_change_the_outcome_may_change(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    open_run_folder(replace(config, log_every=1, keep_checkpoints=9, data="/moved"), FACTS)


def test_other_data_at_the_same_place_are_refused(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    with pytest.raises(InputError, match="data_hash was 0123, now 4567"):
        open_run_folder(config, {**FACTS, "data_hash": "4567"})


def test_what_a_run_began_from_stays_whatever_lies_there_by_now(config):
    began = {"started_from": "0123", "licence": "research only"}
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts={**FACTS, **began})
    assert open_run_folder(config, {**FACTS, "started_from": "4567"}).start == began


def test_another_tracking_server_gets_a_run_of_its_own(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    moved = replace(config, tracking=TrackingConfig(uri="http://other:5000"))
    assert open_run_folder(moved, FACTS).run_id is None


def test_secrets_are_not_written(config, tmp_path):
    secret = replace(config, tracking=TrackingConfig(uri="mysql://user:hunter2@db/mlflow"))
    run = open_run_folder(secret, FACTS).save(state="running", run_id="abc", facts=FACTS)
    assert "hunter2" not in (tmp_path / "first" / "run.json").read_text()
    assert "hunter2" not in str(run.about(FACTS))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"state": "running", "run_id": "a", "config": {"steps": 1, "tracking": 0}, "facts": {}}',
    ],
)
def test_a_damaged_run_file_is_a_clear_error(config, tmp_path, content):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run.json is damaged; choose another --name"):
        open_run_folder(config, FACTS)


def test_auto_stands_for_what_it_was_when_the_run_began(config):
    began = replace(config, device="cpu", precision="fp32", num_workers=2)
    open_run_folder(began, FACTS).save(state="running", run_id="abc", facts=FACTS)
    again = replace(config, device="auto", precision="auto", num_workers="auto")
    assert open_run_folder(again, FACTS).config == began


def test_changes_that_may_be_are_named(config, capsys):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    open_run_folder(replace(config, steps=20), FACTS)
    assert "run first goes on with steps was 10, now 20" in capsys.readouterr().out


def test_another_number_of_threads_is_refused_since_it_may_round_otherwise(config):
    open_run_folder(config, FACTS).save(state="running", run_id="abc", facts=FACTS)
    with pytest.raises(InputError, match="threads_per_worker was 0, now 1"):
        open_run_folder(replace(config, threads_per_worker=1), FACTS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_configuration(name):
    assert PRESETS[name]().steps > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 9}, "batch_size is 9, which 2 workers cannot share evenly"),
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"cpus_per_worker": 0}, "cpus_per_worker is 0"),
        ({"crop_size": 20}, "crop_size is 20; give a multiple of 16"),
        ({"num_workers": "4,2"}, "num_workers is '4,2'; give a number, MIN,MAX"),
        ({"num_workers": "many"}, "num_workers is 'many'"),
        ({"num_workers": "2,3"}, "3 workers cannot share evenly; choose a multiple of 6"),
        ({"accumulate": 3}, "in 3 parts each; choose a multiple of 6"),
        ({"early_stop": -1}, "early_stop is -1; it must be at least 0"),
    ],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(smoke(), **change)
