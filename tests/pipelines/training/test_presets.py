"""The presets that shipped weights come from, and are trained on with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from mlflow.tracking import MlflowClient

from isnet.checkpoint import load_generator, read_about, read_config
from isnet.config import InputError, LossConfig
from isnet.shipped import SMALL, shipped_directory
from pipelines.models import fingerprint, load_checkpoint
from pipelines.shards import read_manifest
from pipelines.tracking.runs import TrackingConfig
from pipelines.training.checks import inspect
from pipelines.training.config import finetune, small
from pipelines.training.fit import fit, resolve


def test_the_small_preset_builds_the_network_that_is_shipped():
    assert small().generator == read_config(shipped_directory(SMALL))


def test_fine_tuning_starts_from_the_shipped_weights(prepared):
    preset = replace(finetune(), data=prepared, crop_size=0, loss=LossConfig(extractor="random"))
    inspection = inspect(preset, read_manifest(prepared))
    found = inspection.init_state
    shipped = load_generator(SMALL).state_dict()
    assert found.keys() == shipped.keys()
    assert all(torch.equal(found[name], shipped[name]) for name in shipped)
    assert inspection.facts["licence"].startswith("weights for research only")
    assert inspection.facts["started_from"] == fingerprint(load_generator(SMALL))


def test_a_job_may_start_from_a_name_but_not_from_a_relative_path(monkeypatch):
    job = json.dumps({"metadata": {"job_submission_id": "job"}})
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", job)
    places = replace(
        finetune(),
        data="s3://b/d",
        output="s3://b/o",
        tracking=TrackingConfig(uri="http://localhost:1"),
    )
    with pytest.raises(InputError, match="--init-from model is relative"):
        resolve(replace(places, init_from="model"))
    assert resolve(places).init_from == SMALL


@pytest.mark.ray
@pytest.mark.slow
def test_what_is_fine_tuned_says_what_it_started_from_and_the_licence(
    prepared, tracking_uri, tmp_path
):
    few = {"steps": 2, "validate_every": 2, "validation_images": 2, "crop_size": 32}
    places = {"data": prepared, "output": str(tmp_path), "name": "mine", "device": "cpu"}
    tracking = TrackingConfig(uri=tracking_uri)
    config = replace(finetune(), loss=LossConfig(extractor="random"), tracking=tracking)
    run = fit(resolve(replace(config, **places, **few)))
    about = read_about(run.model)
    assert about["started_from"] == fingerprint(load_generator(SMALL))
    assert about["licence"].startswith("weights for research only")
    assert load_checkpoint(run.model, tracking_uri=tracking_uri).licence == about["licence"]
    tags = MlflowClient(tracking_uri).get_run(run.run_id).data.tags
    assert tags["licence"] == about["licence"]
