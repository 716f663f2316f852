"""What a rehearsal takes from the project, and what it says where it cannot be held."""

from __future__ import annotations

import os

import pytest

from isnet.config import InputError
from rehearsal import __main__ as command
from rehearsal import machine, report
from rehearsal.outcome import Outcome


def test_hosts_have_the_environment_of_the_image():
    environment = machine.image_environment()
    assert environment["RAY_AUTH_MODE"] == "token"
    assert all("\\" not in value and value for value in environment.values())


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InputError, match="root, who alone can make hosts"):
        command.main([])


def test_without_a_program_it_names_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None if name == "ip" else name)
    assert "ip (Debian: apt install iproute2)" in machine.missing()


def test_unknown_scenes_are_refused():
    with pytest.raises(InputError, match="no scene dance; there are refusals, train"):
        command.main(["dance"])


def test_a_folder_that_holds_a_rehearsal_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "missing", list)
    (tmp_path / "cluster").mkdir()
    with pytest.raises(InputError, match="holds an earlier rehearsal"):
        command.main(["--folder", str(tmp_path)])


def test_outcomes_are_kept_and_told(tmp_path):
    good = Outcome(scene="bulk", seconds=3.2, lost="a host", survived="all", facts={"rows": 3})
    bad = Outcome(scene="train", seconds=1, error="TimeoutError: no step")
    report.write([good, bad], tmp_path)
    assert report.read(tmp_path) == [good, bad]
    said = report.summary([good, bad])
    assert "bulk (3 s)\n  lost:     a host\n  survived: all" in said
    assert "FAILED:   TimeoutError: no step" in said
    assert said.endswith("1 of 2 scenes went well")
