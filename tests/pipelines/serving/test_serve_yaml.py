"""The configuration that `serve deploy` takes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from pipelines.serving.config import ServeConfig, is_loopback
from tests.pipelines.command_process import ROOT


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster" / "serve.yaml").read_text())


def test_serve_takes_it(written: dict[str, Any]):
    schema = ServeDeploySchema.model_validate(written)
    assert is_loopback(schema.http_options.host)


def test_its_arguments_are_an_endpoints(written: dict[str, Any]):
    (application,) = written["applications"]
    config = ServeConfig(**application["args"])
    assert written["http_options"]["request_timeout_s"] > config.max_seconds


def test_its_model_can_be_changed_in_place(written: dict[str, Any]):
    (application,) = written["applications"]
    assert "checkpoint" not in application["args"]
    (model,) = application["deployments"]
    assert model["name"] == "Model"
    assert model["user_config"].keys() <= ServeConfig.model_fields.keys()
