"""Progress: what the file and the lines say, and that neither stops a job."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipelines.bulk.progress import (
    LISTED_FAILURES,
    JobProgress,
    read_progress,
    write_progress,
)
from pipelines.bulk.reporting import Reporter


def failures(count: int) -> list[dict[str, str]]:
    return [{"input": str(n), "reason": "no_mask", "error": "none"} for n in range(count)]


def progress_of(folder: Path) -> JobProgress:
    progress = read_progress(str(folder))
    assert progress is not None
    return progress


def test_a_job_that_has_not_begun_has_no_progress(tmp_path):
    assert read_progress(str(tmp_path / "new")) is None


def test_the_file_says_what_was_counted(tmp_path):
    with Reporter(str(tmp_path), total=10) as reporter:
        assert (progress_of(tmp_path).state, progress_of(tmp_path).total) == ("measuring", 10)
        reporter.begin(done=4, run_id="abc")
        reporter.advance(2, {"no_mask": 1}, failures(1))
        reporter.end("interrupted")
    progress = progress_of(tmp_path)
    assert (progress.state, progress.run_id) == ("interrupted", "abc")
    assert (progress.done, progress.failed, progress.total) == (6, 1, 10)
    assert progress.failures == tuple(failures(1))


def test_the_file_is_written_while_the_job_goes_on(tmp_path):
    with Reporter(str(tmp_path), total=10) as reporter:
        reporter.begin(done=0, run_id=None)
        reporter.advance(3, {}, [])
        until = time.monotonic() + 20
        while progress_of(tmp_path).done != 3:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_the_file_is_whole_whenever_it_is_read(tmp_path):
    """Files of two lengths, one after the other, as fast as can be."""
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            listed = tuple(failures(100 * (number % 2)))
            progress = JobProgress(state="filling", updated=0, total=number, failures=listed)
            write_progress(str(tmp_path), progress)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while read_progress(str(tmp_path)) is None:
            time.sleep(0.01)
        seen = [progress_of(tmp_path)]
        while len(seen) < 300 or seen[-1].total < seen[0].total + 50:
            seen.append(progress_of(tmp_path))
    finally:
        ended.set()
        writer.join()
    assert {len(progress.failures) for progress in seen} == {0, 100}


def test_rates_are_of_this_start_alone(tmp_path):
    reporter = Reporter(str(tmp_path), total=1000)
    reporter.begin(done=900, run_id=None)
    assert reporter.progress.images_per_second is None
    time.sleep(0.2)
    reporter.advance(18, {"no_mask": 2}, failures(2))
    progress = reporter.progress
    assert progress.images_per_second is not None
    assert 0 < progress.images_per_second <= 20 / 0.2
    assert progress.seconds_left == pytest.approx(80 / progress.images_per_second)


def test_no_time_is_left_once_all_were_tried(tmp_path):
    reporter = Reporter(str(tmp_path), total=3)
    reporter.begin(done=1, run_id=None)
    reporter.advance(1, {"no_mask": 1}, failures(1))
    assert reporter.progress.seconds_left == 0


def test_the_first_failures_are_named(tmp_path):
    reporter = Reporter(str(tmp_path), total=1000)
    reporter.begin(done=0, run_id=None)
    for _ in range(3):
        reporter.advance(0, {"no_mask": 60}, failures(60))
    assert reporter.progress.failed == 180
    assert len(reporter.progress.failures) == LISTED_FAILURES


def test_a_line_says_how_far_the_job_is(tmp_path):
    reporter = Reporter(str(tmp_path), total=1200)
    reporter.measured(512)
    assert reporter.line() == "inpaint: 512 of 1,200 pictures measured"
    reporter.begin(done=600, run_id=None)
    assert reporter.line() == "inpaint: 50% of 1,200"
    reporter.advance(297, {"no_mask": 3}, failures(3))
    assert reporter.line().startswith("inpaint: 75% of 1,200, 3 failed, ")
    assert reporter.line().endswith(" left")


def test_a_file_that_cannot_be_written_brings_one_warning_and_no_error(tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    with Reporter(str(tmp_path / "file" / "out"), total=1) as reporter:
        reporter.begin(done=0, run_id=None)
        reporter.advance(1, {}, [])
        reporter.end("finished")
    assert capsys.readouterr().err.count(f"warning: cannot write to {tmp_path}/file/out") == 1


def test_what_stopped_a_job_is_told(tmp_path):
    with Reporter(str(tmp_path), total=1) as reporter:
        reporter.end("failed", "no room")
    assert (progress_of(tmp_path).state, progress_of(tmp_path).error) == ("failed", "no room")
