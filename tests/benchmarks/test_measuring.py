"""The figures' arithmetic, and what is written."""

from __future__ import annotations

import json

import pytest

from benchmarks.measuring import Report, check_figure, check_output, in_turn, p95, paired_ratio
from isnet.config import InputError


def test_p95_is_a_value_that_was_measured():
    assert p95(range(1, 101)) == 95
    assert p95([3.0]) == 3.0
    assert p95([1.0, 5.0, 2.0]) == 5.0


def test_a_round_that_is_slow_for_both_sides_leaves_the_ratio():
    assert paired_ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0


def test_no_side_always_goes_first():
    assert in_turn(["a", "b"], 3) == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_a_report_is_printed_and_written(tmp_path, capsys, suffix):
    report = Report(
        title="Speed",
        machine="2 cores",
        settings={"batch": 8},
        headers=["", "ms"],
        rows=[["ours", "1.5"]],
        figures={"ours": [1.5]},
    )
    file = tmp_path / f"speed.{suffix}"
    report.publish(str(file))
    printed = capsys.readouterr().out
    assert "2 cores; batch 8." in printed
    assert "| ours | 1.5 |" in printed
    if suffix == "md":
        assert file.read_text() == report.markdown()
    else:
        assert json.loads(file.read_text())["figures"] == {"ours": [1.5]}
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_could_not_be_written_is_refused_before_measuring(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.md or \.json"):
        check_output("figures.txt")
    with pytest.raises(InputError, match="no such folder"):
        check_output(str(tmp_path / "absent" / "figures.md"))
    with pytest.raises(InputError, match=r"--figure a\.svg must end in \.png"):
        check_figure("a.svg")
