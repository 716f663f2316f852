"""Jobs: their commands are understood, find what they run in, and go to a cluster that is there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.cluster.commands import PARSERS
from tests.cluster.kustomize import JOBS, ROOT, find, render

IN_THE_IMAGE = "/opt/isnet"


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    (item,) = render(request.param)
    return item


@pytest.fixture
def as_a_job(monkeypatch: pytest.MonkeyPatch):
    """The process is a submitted job, in which relative paths are refused."""
    metadata = {"metadata": {"job_submission_id": "raysubmit_1"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(metadata))


def words_of(job: Mapping[str, Any], overlay: str) -> list[str]:
    """The command, with the settings of an overlay where the shell puts them."""
    settings = find(render(overlay), "ConfigMap", "settings")["data"]
    return shlex.split(Template(job["spec"]["entrypoint"]).substitute(settings))


@pytest.mark.parametrize("overlay", ["overlays/gpu", "overlays/small"])
def test_its_command_is_understood(job: Mapping[str, Any], overlay: str, as_a_job: None):
    python, script, *words = words_of(job, overlay)
    assert python == "python"
    path = Path(script)
    assert (ROOT / path.relative_to(IN_THE_IMAGE)).is_file()
    config = PARSERS[path.name](words)
    assert config.device == {"overlays/gpu": "gpu", "overlays/small": "cpu"}[overlay]
    assert str(config.output).startswith("s3://")


def test_it_tells_the_tracking_server_of_the_namespace(job: Mapping[str, Any], as_a_job: None):
    _, script, *words = words_of(job, "base")
    (port,) = find(render("base"), "Service", "mlflow")["spec"]["ports"]
    assert PARSERS[Path(script).name](words).tracking.uri == f"http://mlflow:{port['port']}"


def test_a_command_that_is_not_understood_would_be_noticed(as_a_job: None):
    with pytest.raises(ValueError, match="unknown option"):
        PARSERS["train.py"](["places2", "--num-worker", "2"])


def test_it_goes_to_the_cluster_of_the_namespace(job: Mapping[str, Any]):
    cluster = find(render("base"), "RayCluster")
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    assert job["metadata"]["namespace"] == cluster["metadata"]["namespace"]
