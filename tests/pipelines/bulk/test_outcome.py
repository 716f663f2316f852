"""How a job ended: the exit code, and what is printed."""

from __future__ import annotations

import pytest

from pipelines.bulk.outcome import Outcome

FAILURES = tuple(
    {"input": f"{n}.png", "reason": "no_mask", "error": "no mask of its name"} for n in range(6)
)


def outcome(**changes: object) -> Outcome:
    given = {"total": 1200, "done": 1200, "kept": 0, "failed": 0, "reasons": {}, "failures": ()}
    given |= {"seconds": 60.0, "stopped": False}
    return Outcome(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("done", "failed", "code"), [(1200, 0, 0), (1199, 1, 1), (0, 1200, 1), (700, 0, 1)]
)
def test_the_exit_code_says_whether_all_are_filled(done, failed, code):
    assert outcome(done=done, failed=failed).exit_code == code


def test_a_rate_is_of_what_this_start_has_tried():
    assert outcome(done=1100, failed=40, kept=540).images_per_second == 10
    assert outcome(kept=1200, seconds=0.0).images_per_second == 0


def test_a_line_counts_what_was_filled_and_when():
    assert outcome().lines() == ["1,200 of 1,200 pictures filled; 0 failed; 1:00, 20 images/s"]
    (line,) = outcome(kept=1140).lines()
    assert "filled, 1,140 of them by an earlier start; 0 failed; 1:00, 1 images/s" in line


def test_failures_are_counted_by_reason_and_the_first_ones_named():
    lines = outcome(done=1194, failed=6, reasons={"no_mask": 6}, failures=FAILURES).lines()
    assert lines[1] == "failed: 6 no_mask"
    assert lines[2:7] == [f"  {n}.png: no mask of its name" for n in range(5)]
    assert lines[7:] == ["  ... the results table has all of them"]


def test_a_job_that_was_stopped_has_no_table_to_point_to():
    lines = outcome(done=0, failed=6, stopped=True, failures=FAILURES).lines()
    assert lines[-1].startswith("stopped: more failures than --max-failures")
    assert not any("table" in line for line in lines)
