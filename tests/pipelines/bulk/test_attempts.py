"""Attempts at a unit: what earlier ones leave, and pictures that kill the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs, parquet

from isnet.config import InputError
from pipelines.bulk.attempts import Attempt
from tests.pipelines.bulk import crashing

ROOT = Path(__file__).parents[3]


def attempt_at(folder: Path, *, start: str = "now") -> Attempt:
    return Attempt(fs.LocalFileSystem(), str(folder), 7, start=start)


def test_the_third_attempt_takes_care(tmp_path):
    assert [attempt_at(tmp_path).careful for _ in range(4)] == [False, False, True, True]


def test_a_finished_unit_leaves_no_note(tmp_path):
    attempt_at(tmp_path)
    attempt_at(tmp_path).end()
    assert not attempt_at(tmp_path).careful
    assert [path.name for path in tmp_path.rglob("*.*")] == [".inpaint", "0000007.json"]


def test_a_picture_is_left_out_once_two_careful_attempts_have_died_over_it(tmp_path):
    attempts, held = [], []
    for index in (2, 2, 2, 3, 4, 2):
        attempts.append(attempt_at(tmp_path))
        held.append(attempts[-1].holding(index))
        held[-1].__enter__()  # and the process dies
    assert [each.left_out for each in attempts] == [()] * 6
    assert attempt_at(tmp_path).left_out == (2,)


def test_a_unit_over_which_process_after_process_dies_ends_the_job(tmp_path):
    for _ in range(10):
        attempt_at(tmp_path)
    with pytest.raises(InputError, match="10 processes have died over unit 7"):
        attempt_at(tmp_path)
    attempt_at(tmp_path, start="another")


def test_attempts_of_an_earlier_start_count_for_nothing(tmp_path):
    for _ in range(4):
        held = attempt_at(tmp_path, start="killed").holding(5)
        held.__enter__()
        later = attempt_at(tmp_path)
        assert (later.careful, later.left_out) == (False, ())


def test_a_picture_that_fails_in_hand_is_put_down(tmp_path):
    for _ in range(3):
        attempt = attempt_at(tmp_path)
    with pytest.raises(ValueError, match="damaged"), attempt.holding(5):
        raise ValueError("damaged")
    assert attempt_at(tmp_path).left_out == ()


def test_notes_that_cannot_be_written_are_no_fault_of_the_picture(tmp_path):
    for _ in range(3):
        attempt = attempt_at(tmp_path)
    shutil.rmtree(tmp_path / ".inpaint")
    (tmp_path / ".inpaint").touch()
    with pytest.raises(InputError, match=f"cannot write to {tmp_path}"), attempt.holding(5):
        pass


@pytest.fixture
def crash(photos, model, tmp_path, tracking_uri) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Fill twelve pictures with processes that die."""
    given = {"checkpoint": model, "input": photos, "masks": tmp_path / "masks"}
    given |= {"output": tmp_path / "out", "tracking.uri": tracking_uri, "actors": 2}
    words = [f"--{name}={value}" for name, value in given.items()]
    script = [sys.executable, "-m", "tests.pipelines.bulk.crashing"]

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(
            [*script, *words],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.extended
@pytest.mark.ray
def test_a_job_whose_every_process_dies_ends_and_says_so(crash):
    ended = crash(**{crashing.EVERY_PICTURE: "1"})
    assert ended.returncode == 2, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "error: 10 processes have died over unit" in ended.stderr


@pytest.mark.slow
@pytest.mark.ray
def test_pictures_that_kill_the_process_stop_no_other(crash, tmp_path):
    ended = crash()
    assert ended.returncode == 1, ended.stdout[-3000:] + ended.stderr[-3000:]
    rows = parquet.read_table(tmp_path / "out/results.parquet").to_pylist()
    assert {row["input"] for row in rows if row["status"] == "failed"} == set(crashing.NAMES)
    assert {row["reason"] for row in rows} == {None, "crashed"}
    assert len(rows) == 12
    assert not list((tmp_path / "out/.inpaint/attempts").iterdir())
