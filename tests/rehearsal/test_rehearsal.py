"""Each scene on a cluster of separate hosts: work goes on when one of them is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal import report
from rehearsal.machine import ROOT, missing
from rehearsal.outcome import Outcome
from rehearsal.scenes import SCENES

pytestmark = [
    pytest.mark.extended,
    pytest.mark.timeout(2400),  # the first test plays every scene
    pytest.mark.skipif(bool(missing()), reason=f"a rehearsal needs {'; '.join(missing())}"),
]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All scenes on one cluster, by the command that users have, and what came of them."""
    folder = Path("/tmp") / f"isnet-rehearsal-{os.getpid()}"  # the database's user must get in
    folder.mkdir()
    command = [sys.executable, "-m", "rehearsal", "--folder", str(folder)]
    dies_with_us = ["setpriv", "--pdeathsig", "KILL", "--"]
    done = subprocess.run(
        dies_with_us + command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2300
    )
    assert (folder / report.OUTCOMES).exists(), done.stdout[-2000:] + done.stderr[-2000:]
    outcomes = {outcome.scene: outcome for outcome in report.read(folder)}
    assert (done.returncode == 0) == all(not outcome.error for outcome in outcomes.values())
    assert report.summary(list(outcomes.values())) in done.stdout
    if not done.returncode:
        shutil.rmtree(folder)
    return outcomes


def facts(played: dict[str, Outcome], scene: str) -> dict:
    outcome = played[scene]
    assert outcome.error is None, outcome.error
    return outcome.facts


def test_every_scene_is_played(played):
    assert list(played) == list(SCENES)


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_goes_well(played, scene: str):
    assert played[scene].error is None


def test_nobody_gets_in_without_the_token(played):
    told = facts(played, "refusals")
    assert len(told["answers"]) == 8
    assert set(told["answers"].values()) <= {401, 403}


def test_training_goes_on_from_the_last_checkpoint_when_a_host_is_cut_off(played):
    told = facts(played, "train")
    assert told["hosts"] == ["worker-1", "worker-2"]
    assert 0 < told["resumed"] <= told["reached"]
    assert [state for state, _ in told["runs"]] == ["FINISHED"]


def test_the_same_command_goes_on_when_the_head_loses_power(played):
    told = facts(played, "head")
    assert 0 < told["resumed"] < told["last"]


def test_what_was_tracked_comes_back_from_a_backup(played):
    assert facts(played, "restore")["series"] > 20


def test_every_trial_is_trained_once_when_a_host_loses_power(played):
    told = facts(played, "tune")
    assert told["finished_before"] < len(told["states"]) - 1
    assert set(told["states"]) == {"FINISHED"}


def test_every_image_is_scored_once_when_a_host_loses_power(played):
    told = facts(played, "evaluate")
    assert told["twice"] == 0
    assert told["written"] < told["parts"]


def test_the_endpoint_answers_every_request_when_a_host_loses_power(played):
    told = facts(played, "serve")
    assert told["answered"] > told["before"] > 0
    assert told["refused"] == [401, 401]


def test_every_picture_is_filled_once_when_a_host_loses_power(played):
    told = facts(played, "bulk")
    assert told["rows"] == told["pictures"] == 640
