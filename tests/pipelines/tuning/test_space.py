"""What a search draws its trials from."""

from __future__ import annotations

import pytest

from isnet.config import InputError
from pipelines.tuning.space import domains, drawn

WEIGHTS = {f"loss.{name}": {"log_uniform": [0.1, 300]} for name in ("l1", "style")}


def test_weights_are_spread_evenly_over_the_decades_of_their_range():
    values = [value for trial in drawn(WEIGHTS, trials=400, seed=0) for value in _values(trial)]
    assert all(0.1 <= value <= 300 for value in values)
    below_one = sum(value < 1 for value in values) / len(values)
    assert below_one == pytest.approx(0.288, abs=0.05)  # log(1 / 0.1) / log(300 / 0.1)


def test_the_same_seed_draws_the_same_trials_and_more_begin_with_them():
    few = drawn(WEIGHTS, trials=3, seed=5)
    assert drawn(WEIGHTS, trials=7, seed=5)[:3] == few
    assert drawn(WEIGHTS, trials=3, seed=6) != few
    assert [trial.name for trial in few] == ["trial-01", "trial-02", "trial-03"]


def test_integers_and_choices_are_drawn_from_all_of_their_values():
    space = {"generator.blocks": {"integer": [1, 4]}, "loss.preset": {"choice": ["eq4", "eq5"]}}
    trials = drawn(space, trials=60, seed=0)
    assert {trial.overrides["generator.blocks"] for trial in trials} == {1, 2, 3, 4}
    assert {trial.overrides["loss.preset"] for trial in trials} == {"eq4", "eq5"}


@pytest.mark.parametrize(
    "given",
    [3, {"log_uniform": [1]}, {"log_uniform": [3, 1]}, {"normal": [0, 1]}, {"choice": []}],
)
def test_other_forms_are_refused_by_name(given):
    with pytest.raises(InputError, match=r"search: loss.l1 is drawn from .*give \{uniform"):
        domains({"loss.l1": given})


def test_a_logarithm_needs_a_range_above_zero():
    with pytest.raises(InputError, match=r"loss.l1 is log_uniform from 0; give a LOW above 0"):
        domains({"loss.l1": {"log_uniform": [0, 1]}})


def _values(trial):
    return trial.overrides.values()
