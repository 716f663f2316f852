"""Commands, options and tests that docs/operations.md names are there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
import yaml
from ray.dashboard.modules.job.cli import submit
from ray.scripts.scripts import cli, start

from isnet.config import InputError
from pipelines.cli import take_flag
from rehearsal.scenes import SCENES
from tests.cluster.commands import PARSERS
from tests.cluster.kustomize import find, render
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text()
RUNBOOK = TEXT.partition("\n## Runbook\n")[2]

NEEDED = {
    "evaluate.py": "--models MODEL --data DATA --output OUTPUT",
    "health.py": "",
    "inpaint.py": "--checkpoint MODEL --input PICTURES --masks alpha --output OUTPUT",
    "prepare.py": "--photos PHOTOS --output OUTPUT",
    "train.py": "places2",
    "tune.py": "table1",
}
"""The least that each command is given; sections of the text name options alone."""

OF_SECTIONS = {
    "IsnetTraining": ["train.py"],
    "IsnetGpuIdle": ["train.py"],
    "IsnetTrials": ["tune.py"],
    "IsnetCampaign": ["tune.py"],
    "IsnetBulk": ["inpaint.py"],
}
"""Whose options the sections of the runbook speak of; those of nodes speak of anybody's."""

GRAFANA = 472
"""The user of its image."""

OF_OTHERS = {"Backup and restore"}
"""Sections whose options are those of PostgreSQL, Docker and kubectl."""

OF_RAY = {option for command in (start, submit) for one in command.params for option in one.opts}


def commands() -> list[str]:
    """Of our scripts, to their end: a backtick's, a comment's or a line's."""
    text = re.sub(r"\\\n\s*", "", TEXT)
    return [found.strip() for found in re.findall(r"python (pipelines/\w+\.py[^`#\n]*)", text)]


def options() -> Iterator[tuple[str, str]]:
    """Each heading, and the options in code below it, with a value where they have one."""
    sections = re.findall(r"^#+ (.+)\n((?:(?!#+ ).*\n)*)", TEXT, flags=re.MULTILINE)
    for heading, body in (one for one in sections if one[0] not in OF_OTHERS):
        prose = re.sub(r"^```.*?^```", "", body, flags=re.MULTILINE | re.DOTALL)
        yield from ((heading, option) for option in re.findall(r"`(--[^`]+)`", prose))


def is_taken(script: str, words: Sequence[str]) -> bool:
    """Whether a script takes an option; one that is named without its value needs that."""
    _, given = take_flag("--dry-run", [*shlex.split(NEEDED[script]), *words])
    try:
        PARSERS[script](given)
    except InputError as error:
        return len(words) == 1 and f"{words[0]} needs a value" in str(error)
    return True


def test_commands_and_options_are_found() -> None:
    assert {command.partition(" ")[0] for command in commands()} >= {"pipelines/health.py"}
    in_the_runbook = {option for heading, option in options() if f"### {heading}\n" in RUNBOOK}
    assert len(in_the_runbook) > 20


@pytest.mark.parametrize("command", commands())
def test_a_command_is_understood(command: str) -> None:
    script, *words = shlex.split(command)
    assert (ROOT / script).is_file()
    name = script.removeprefix("pipelines/")
    if words[:1] == ["report"]:  # of tune.py, which takes the rest as folders
        assert name == "tune.py"
        assert not [word for word in words if word.startswith("-")]
        return
    _, words = take_flag("--dry-run", words)
    preset = NEEDED[name]
    PARSERS[name]([preset if word == "PRESET" else word for word in words])


@pytest.mark.parametrize(("heading", "option"), list(options()))
def test_an_option_is_taken_by_what_its_section_is_about(heading: str, option: str) -> None:
    words = shlex.split(option)
    scripts = next(
        (names for prefix, names in OF_SECTIONS.items() if heading.startswith(prefix)), PARSERS
    )
    assert words[0] in OF_RAY or any(is_taken(script, words) for script in scripts), option


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("train.py", "--num-workers 2,4"),  # of a batch of 8: three cannot share it
        ("train.py", "--num-worker 1,2"),
        ("inpaint.py", "--strategy tile"),
        ("tune.py", "--max-trials"),
    ],
)
def test_what_a_script_does_not_take_would_be_noticed(script: str, option: str) -> None:
    assert not is_taken(script, shlex.split(option))


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`ray ([a-z -]+)`", TEXT))))
def test_a_command_of_ray_is_there(named: str) -> None:
    group: click.Command = cli
    for word in named.split():
        if isinstance(group, click.Group):
            assert word in group.commands, named
            group = group.commands[word]


def deaths() -> list[list[str]]:
    """Rows of "When something dies": what, what then, and what shows it."""
    table = TEXT.partition("\n## When something dies\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return rows[2:]


@pytest.mark.parametrize("row", deaths(), ids=lambda row: row[0])
def test_what_is_said_of_a_death_is_shown_or_not_tried(row: list[str]) -> None:
    *_, shown = row
    scenes = re.findall(r"rehearsal `(\w+)`", shown)
    tests = re.findall(r"`(tests/[^`]+)`", shown)
    assert set(scenes) <= SCENES.keys()
    assert [test for test in tests if not list(ROOT.glob(test))] == []
    assert scenes or tests or shown.startswith("not tried"), shown


def test_what_is_said_of_idle_workers_is_so() -> None:
    """The words: ten minutes on clouds, five on Kubernetes, where some are always there."""
    for cloud in ("aws", "gcp"):
        launched = yaml.safe_load((ROOT / "cluster" / "launcher" / f"{cloud}.yaml").read_text())
        assert launched["idle_timeout_minutes"] == 10
        assert not any(
            kind.get("min_workers") for kind in launched["available_node_types"].values()
        )
    objects = render("overlays/gpu")
    jobs = find(objects, "RayCluster")["spec"]
    endpoint = find(objects, "RayService")["spec"]["rayClusterConfig"]
    always = [
        (group["groupName"], group["minReplicas"])
        for spec in (jobs, endpoint)
        for group in spec["workerGroupSpecs"]
    ]
    assert always == [("cpu", 1), ("gpu", 0), ("gpu-spot", 0), ("endpoint", 2)]
    for spec in (jobs, endpoint):
        assert spec["autoscalerOptions"]["idleTimeoutSeconds"] == 5 * 60


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_grafanas_password_is_for_grafana_alone(tmp_path: Path) -> None:
    (command,) = re.findall(r"^.*openssl .*grafana-password", TEXT, flags=re.MULTILINE)
    as_root = 'sudo() { "$@"; }; set -o pipefail; ' + command
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run(["bash", "-c", as_root], env=environment, check=True)
    made = tmp_path / "grafana-password"
    assert f"--volume $HOME/{made.name}:" in TEXT
    assert len(made.read_text().strip()) == 32
    assert made.stat().st_uid == GRAFANA
    assert made.stat().st_mode & 0o777 == 0o400


def test_sections_that_others_point_to_are_there() -> None:
    files = [ROOT / "README.md", *ROOT.glob("cluster/*.md"), *ROOT.glob("docs/*.md")]
    pointed = [re.findall(r"operations\.md#([\w-]+)", file.read_text()) for file in files]
    inside = re.findall(r"\(#([\w-]+)\)", TEXT)
    headings = re.findall(r"^#+ (.+)", TEXT, flags=re.MULTILINE)
    there = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert {"costs", "logs"} <= set(sum(pointed, inside)) <= there
