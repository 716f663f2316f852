"""Starting a job again: what counts as done, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyarrow import parquet

from pipelines.bulk.progress import JobProgress, read_progress
from pipelines.bulk.results import find_parts, part_path
from tests.pipelines.bulk.pictures import results_of

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def progress_of(output: Path) -> JobProgress:
    progress = read_progress(str(output))
    assert progress is not None
    return progress


def damage(picture: Path) -> bytes:
    """Spoil a file without a change of its size; return what it was."""
    whole = picture.read_bytes()
    picture.write_bytes(b"no picture".ljust(len(whole)))
    return whole


def test_one_failure_may_be_too_many_and_the_job_goes_on_without_that_limit(
    photos, start, tmp_path
):
    damage(photos / "a/002.png")
    outcome = start(max_failures=0)
    assert (outcome.stopped, outcome.failed, outcome.exit_code) == (True, 1, 1)
    assert progress_of(tmp_path / "out").state == "stopped"
    assert not (tmp_path / "out/results.parquet").exists()

    outcome = start()
    assert (outcome.stopped, outcome.done, outcome.failed) == (False, 11, 1)
    assert progress_of(tmp_path / "out").state == "finished"
    assert len(parquet.read_table(tmp_path / "out/results.parquet")) == 12


def test_what_was_done_is_counted_once_and_what_was_cut_short_is_done_again(
    photos, start, tmp_path
):
    output = tmp_path / "out"
    whole = damage(photos / "a/002.png")
    assert start().done == 11
    parts = find_parts(str(output))
    (failed,) = (unit for unit, counts in parts.items() if counts.failed)
    (cut,) = parts.keys() - {failed}
    before = results_of(output)

    (photos / "a/002.png").write_bytes(whole)
    path = output / part_path(cut)
    os.truncate(path, path.stat().st_size // 2)
    outcome = start()
    assert (outcome.done, outcome.failed) == (12, 0)
    assert outcome.kept == parts[failed].done
    tried = outcome.images_per_second * outcome.seconds
    assert tried == pytest.approx(1 + parts[cut].done)
    progress = progress_of(output)
    assert (progress.done, progress.failed, progress.total) == (12, 0, 12)
    assert find_parts(str(output))[cut] == parts[cut]
    after = results_of(output)
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
