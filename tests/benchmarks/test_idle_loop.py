"""What Ray Data's loop takes: measured on the loop itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.idle_loop import ALONE, HELD, IdleLoopConfig, Load, report
from tests.conftest import ROOT


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


@pytest.mark.ray
@pytest.mark.extended
def test_the_command_measures_that_the_held_loop_takes_fewer_rounds(tmp_path):
    output = tmp_path / "found.json"
    command = [sys.executable, "-m", "benchmarks.idle_loop", "--repeats", "1"]
    subprocess.run([*command, "--output", str(output)], cwd=ROOT, check=True, timeout=240)
    (alone,), (held,) = (json.loads(output.read_text())["figures"][side] for side in (ALONE, HELD))
    assert 0 < held["rounds"] < alone["rounds"]
