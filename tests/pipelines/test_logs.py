"""Lines for people, and the same as JSON that says whose they are."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from pipelines import logs
from pipelines.logs import say, set_up, warn

LOG = logging.getLogger("pipelines.test")


@pytest.fixture
def json_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """JSON is asked for; afterwards loggers are as they were."""
    monkeypatch.setenv(logs.FORMAT_VARIABLE, "json")
    monkeypatch.setattr(logs, "_subject", {})
    loggers = [logging.getLogger(name) for name in ("", "ray", "ray.data", "pipelines")]
    before = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    said = capsys.readouterr()
    assert said.err == ""
    return [json.loads(line, parse_constant=pytest.fail) for line in said.out.splitlines()]


def test_people_read_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(logs.FORMAT_VARIABLE, raising=False)
    before = list(logging.getLogger().handlers)
    set_up(run="first")
    say(LOG, "step 4/10", step=4)
    assert capsys.readouterr().out == "step 4/10\n"
    assert logging.getLogger().handlers == before


def test_a_line_of_json_says_whose_it_is_and_its_numbers(
    json_lines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(run="first", rank=1)
    set_up(world_size=2)
    say(LOG, "step 4/10", step=4, psnr_db=float("inf"))
    (line,) = lines(capsys)
    assert line["ts"].endswith("Z")
    expected = {
        "level": "INFO",
        "logger": "pipelines.test",
        "message": "step 4/10",
        "run": "first",
        "rank": 1,
        "world_size": 2,
        "step": 4,
        "psnr_db": None,
    }
    assert {name: line[name] for name in expected} == expected


def test_records_of_others_are_json_too_and_stand_once(
    json_lines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = logging.StreamHandler(sys.stdout)
    for name in ("", "ray"):
        logging.getLogger(name).addHandler(plain)
    set_up(run="first")
    logging.getLogger("ray.data").warning("slow")
    logging.getLogger("somebody").error("lost")
    try:
        {}["absent"]
    except KeyError:
        LOG.exception("failed")
    found = lines(capsys)
    assert [line["message"] for line in found] == ["slow", "lost", "failed"]
    assert {line["run"] for line in found} == {"first"}
    assert found[2]["exception"].endswith("KeyError: 'absent'")


def test_people_see_that_it_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(logs.FORMAT_VARIABLE, raising=False)
    warn(LOG, "no room")
    assert capsys.readouterr() == ("", "warning: no room\n")


def test_a_warning_has_its_level_in_json(
    json_lines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up()
    warn(LOG, "no room")
    (line,) = lines(capsys)
    assert (line["level"], line["message"]) == ("WARNING", "no room")


@pytest.mark.ray
def test_ray_adds_the_job_and_the_node(
    ray_session: None, json_lines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up()
    say(LOG, "here")
    (line,) = lines(capsys)
    assert line["job_id"] == "01000000"
    assert line["node"] == "127.0.0.1"
    assert len(line["worker_id"]) == 56
    assert "submission_id" not in line
