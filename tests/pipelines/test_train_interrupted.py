"""Training that is asked to end, whose checkpoint is damaged, whose disk is full."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.pipelines.command_process import ROOT
from tests.pipelines.mounts import can_mount, in_own_mounts
from tests.pipelines.training_process import Training, assert_same_outcome

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_sigterm_leaves_one_last_checkpoint_to_go_on_from(undisturbed, prepared, tmp_path):
    for attempt in range(5):
        training = Training(prepared, tmp_path / f"stopped-{attempt}", checkpoint_every=1000)
        training.start().wait_for_step(10)  # of the validation; the next would come at 20
        training.process.send_signal(signal.SIGTERM)
        assert training.finish() == 128 + signal.SIGTERM
        stopped_at = training.saved_step()
        assert f"stopped at step {stopped_at} with a checkpoint" in training.output
        if stopped_at % 10:
            break  # else a validation's checkpoint, by chance, which shows nothing
    else:
        pytest.fail("stopped five times exactly at a validation")
    assert training.status() == "KILLED"
    assert [step for step, _ in training.curve()] == list(range(1, stopped_at + 1))

    assert training.start().finish() == 0
    assert f"on from the checkpoint of step {stopped_at}" in training.output
    assert_same_outcome(training, undisturbed(2))


@pytest.mark.extended
def test_a_checkpoint_cut_short_is_passed_over_and_said(undisturbed, prepared, tmp_path):
    training = Training(prepared, tmp_path / "damaged").start()
    training.wait_for_step(16)
    training.kill()
    newest = training.saved_step()
    damaged = training.runs / "run" / f"checkpoint_{newest:09d}"
    os.truncate(damaged / "training.pt", 1000)
    assert training.saved_step() < newest

    assert training.start().finish() == 0
    assert f"{damaged.name} is passed over: its training.pt has 1,000 of" in training.output
    assert_same_outcome(training, undisturbed(2))


@pytest.mark.skipif(not can_mount(), reason="only root mounts a small disk")
@pytest.mark.extended
def test_a_full_disk_is_named_and_nothing_is_lost(undisturbed, prepared, tmp_path):
    """The runs lie on a disk that holds a checkpoint or two, until it is made larger."""
    training = Training(prepared, tmp_path / "full", keep_checkpoints=20)
    training.runs.mkdir()
    kept = training.folder / "kept"
    script = f"""
        cd {training.folder}
        mount -t tmpfs -o size=5000k tmpfs {training.runs}
        "$@"; echo "exit code $?"
        ls {training.runs}/run
        mount -o remount,size=1g {training.runs}
        "$@"; echo "exit code $?"
        cp -r {training.runs} {kept}
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    with (training.folder / "output.log").open("w") as log:
        shell = in_own_mounts("bash", "-c", script, "bash", *training.command())
        subprocess.run(shell, cwd=ROOT, env=clean, stdout=log, stderr=log, check=True, timeout=600)
    output = training.output
    assert re.findall(r"exit code (\d+)", output) == ["2", "0"]
    assert "No space left on device; make room" in _line(output, "error: the checkpoint of step")
    assert int(_match(r"on from the checkpoint of step (\d+)", output)) > 0
    training.runs = kept
    assert_same_outcome(training, undisturbed(2))


def _line(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(start))


def _match(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    assert found is not None, output[-4000:]
    return found[1]


def test_storage_that_takes_nothing_is_found_before_the_first_step(prepared, tmp_path):
    training = Training(prepared, tmp_path / "unwritable", num_workers=1)
    training.runs.write_text("a file, where runs should go")
    assert training.start().finish() == 2
    error = _line(training.output, "error: ")
    assert str(training.runs) in error
    assert not re.search(r"^.*step 1/", training.output, re.MULTILINE)
    assert Path(training.runs).read_text() == "a file, where runs should go"
