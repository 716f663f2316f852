"""A campaign's folder: it goes on only as what it began as."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isnet.config import InputError
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.finding import open_campaign, read_campaign
from pipelines.tuning.folder import Outcome
from pipelines.tuning.trials import Trial

FACTS = {"data": "abc", "work": "def", "images": "4"}
TRIALS = (Trial(name="a", overrides={"loss.l1": 0.1}), Trial(name="b", overrides={"loss.l1": 2}))


@pytest.fixture
def config(tmp_path):
    return CampaignConfig(data="/data", output=str(tmp_path), name="first", num_workers=1)


@pytest.fixture
def definition(config):
    return Definition(kind="file", defaults=config, trials=TRIALS)


@pytest.fixture
def campaign(config, definition):
    return open_campaign(config, definition, FACTS).save(run_id="7", placed={"device": "cpu"})


def test_a_campaign_is_read_back_as_it_was(campaign):
    found = read_campaign(campaign.location)
    assert found.definition.trials == TRIALS
    assert found.config == campaign.config
    assert (found.run_id, found.finished, found.placed) == ("7", False, {"device": "cpu"})


def test_the_same_campaign_goes_on_under_its_run_and_where_it_computed(
    campaign, config, definition
):
    again = open_campaign(config, definition, FACTS)
    assert (again.run_id, again.placed) == ("7", {"device": "cpu"})


def test_more_trials_may_come_and_options_of_the_running_may_change(campaign, config, definition):
    grown = replace(definition, trials=(*TRIALS, Trial(name="c")))
    open_campaign(replace(config, max_concurrent=3, trials=3), grown, FACTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples_per_trial": 80}, "samples_per_trial was 256000, now 80"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"size": 64}, "size was 0, now 64"),
    ],
)
def test_what_would_change_the_trials_is_refused(campaign, config, definition, change, message):
    with pytest.raises(InputError, match=message):
        open_campaign(replace(config, **change), definition, FACTS)


def test_other_data_and_other_trials_are_refused(campaign, config, definition):
    with pytest.raises(InputError, match=r"facts.data was abc, now xyz"):
        open_campaign(config, definition, {**FACTS, "data": "xyz"})
    other = replace(definition, trials=(Trial(name="a", overrides={"loss.l1": 5}),))
    with pytest.raises(InputError, match=r"trial a was \{'loss.l1': 0.1\}, now \{'loss.l1': 5\}"):
        open_campaign(config, other, FACTS)


def test_an_outcome_is_kept_and_can_be_taken_back(campaign):
    outcome = Outcome(state="finished", steps=4, progressive={"psnr": 20.5}, curve=((2, 18.0),))
    campaign.conclude("a", outcome, b"png")
    assert campaign.outcome("a") == outcome
    assert campaign.samples("a") == b"png"
    campaign.forget("a")
    assert campaign.outcome("a") is None


def test_trials_are_listed_in_the_order_they_began(campaign):
    for trial in reversed(TRIALS):
        campaign.begin(trial)
    campaign.begin(TRIALS[1])  # goes on, and keeps its place
    assert [trial.name for trial in campaign.begun()] == ["b", "a"]


def test_passwords_of_a_trials_paths_are_not_written(config, tmp_path):
    trial = Trial(name="a", overrides={"init_from": "s3://key:secret@bucket/model"})
    definition = Definition(kind="file", defaults=config, trials=(trial,))
    campaign = open_campaign(config, definition, FACTS).save()
    campaign.begin(trial)
    written = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "s3://***@bucket/model" in written
    assert "secret" not in written
    open_campaign(config, definition, FACTS)  # and it is still the same campaign


def test_a_damaged_file_is_named(campaign, tmp_path):
    (tmp_path / "first" / "campaign.json").write_text("{")
    with pytest.raises(InputError, match=r"campaign.json is damaged"):
        read_campaign(campaign.location)
