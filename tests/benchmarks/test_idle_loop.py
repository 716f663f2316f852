"""What Ray Data's loop takes: measured on the loop itself."""

from __future__ import annotations

from benchmarks.idle_loop import ALONE, HELD, IdleLoopConfig, Load, report


def test_the_table_has_the_medians_of_both_sides():
    found = {
        ALONE: [Load(cores=0.5, rounds=1000), Load(cores=0.7, rounds=3000)],
        HELD: [Load(cores=0.02, rounds=40)],
    }
    result = report(IdleLoopConfig(), found)
    assert [list(row) for row in result.rows] == [
        [ALONE, "0.60", "2,000"],
        [HELD, "0.02", "40"],
    ]
