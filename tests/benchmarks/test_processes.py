"""Measurements in processes of their own, and rounds that go on where one of them fails."""

from __future__ import annotations

import pytest

from benchmarks.inference import InferenceOptions
from benchmarks.processes import (
    MeasurementError,
    Rounds,
    _reason,
    failures,
    in_a_process,
    measured_rounds,
)
from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig
from isnet.network import generator_from_config

TINY = InferenceOptions(channels=2, blocks=1, size=32, images=1, warm_up=0, device="cpu")
COMPILER = """W1126 a warning
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    run()
torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found in g++

Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace
"""


def test_a_measurement_has_a_process_of_its_own_where_the_user_stands(tmp_path, monkeypatch):
    network = GeneratorConfig(blocks=1, channels=2)
    (tmp_path / "model").mkdir()
    save_generator(tmp_path / "model", generator_from_config(network), network)
    monkeypatch.chdir(tmp_path)
    config = InferenceOptions(size=32, images=1, warm_up=0, device="cpu", checkpoint="model")
    found = in_a_process(config, module="benchmarks.inference", one="plain", keep=".")
    assert len(found["seconds"]) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000000.npy", "model"]


def test_a_process_that_fails_is_shown_and_says_why(capfd):
    with pytest.raises(MeasurementError, match="KeyError: 'absent'"):
        in_a_process(TINY, module="benchmarks.inference", one="absent")
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (
            1,
            COMPILER,
            "torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found in g++",
        ),
        (2, "usage: a\na: error: no\n", "a: error: no"),
        (3, "", "the process ended with 3"),
        (-9, "", "the process was ended by SIGKILL"),
    ],
)
def test_the_reason_is_the_line_that_names_it(code, said, reason):
    assert _reason(code, said) == reason


def ways(failing: str, at: int):
    """Measure ways, of which one fails from a round on."""
    calls: list[str] = []

    def measure(name: str):
        calls.append(name)
        if name == failing and calls.count(name) > at:
            raise MeasurementError("no compiler")
        return {"seconds": len(calls)}

    return calls, measured_rounds(["plain", "a", "b"], 3, measure, rate=str)


def test_rounds_go_on_without_what_fails(capsys):
    calls, going = ways("a", at=1)
    first = next(going)
    assert {name: len(found) for name, found in first.found.items()} == {"plain": 1, "a": 1, "b": 1}
    *_, last = going
    assert list(last.found) == ["plain", "b"]
    assert all(len(found) == 3 for found in last.found.values())
    assert calls == ["plain", "a", "b", "b", "a", "plain", "plain", "b"]
    assert failures(last.failed) == ["a could not be measured: no compiler"]
    assert "round 2: a failed: no compiler" in capsys.readouterr().out


def test_what_others_are_held_against_has_to_be_there():
    _, going = ways("plain", at=0)
    with pytest.raises(MeasurementError, match="no compiler"):
        list(going)


def test_rounds_are_whole():
    _, going = ways("", at=0)
    found: list[Rounds] = []
    for rounds in going:
        found.append(rounds)
        assert {len(measured) for measured in rounds.found.values()} == {len(found)}
    assert len(found) == 3
