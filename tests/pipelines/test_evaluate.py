"""Evaluation end to end: checkpoints of every kind, a table, a picture, a record in MLflow."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from PIL import Image

from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig, InputError
from isnet.initialisation import new_generator
from pipelines import evaluate
from pipelines.cli import run_main
from pipelines.tracking.registry import register_model
from pipelines.training.config import smoke
from tests.reference import published_state

SMALL = GeneratorConfig(blocks=1, channels=2)
FACTS = {"config": asdict(smoke())}

pytestmark = pytest.mark.ray


def _generator(seed: int) -> torch.nn.Module:
    return new_generator(SMALL, seed=seed, initialisation="orthogonal", init_std=0.02).eval()


@pytest.fixture
def checkpoint(tmp_path):
    """Write a checkpoint as training does; facts may be added or changed."""

    def write(name="model", *, seed=0, about=FACTS):
        folder = tmp_path / name
        folder.mkdir()
        save_generator(folder, _generator(seed), SMALL, about=about)
        return folder

    return write


@pytest.fixture
def arguments(prepared, tracking_uri, tmp_path):
    """Command line for a checkpoint."""

    def make(location, *more):
        given = {"--checkpoint": location, "--data": prepared, "--images": 4}
        given |= {"--output": tmp_path / "out", "--tracking.uri": tracking_uri}
        return [*(str(word) for pair in given.items() for word in pair), *more]

    return make


def _table(tmp_path: Path) -> str:
    return (tmp_path / "out" / evaluate.TABLE).read_text()


def _row(table: str, method: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(f"| {method} "))


def test_a_table_and_a_picture_are_written(checkpoint, arguments, tmp_path, capsys):
    folder = checkpoint(about={**FACTS, "extractor": "vgg16 of somebody"})
    assert evaluate.main(arguments(folder)) == 0
    table = _table(tmp_path)
    assert table in capsys.readouterr().out
    assert all(_row(table, method) for method in ("mean fill", "one-shot", "PRA"))
    assert "vgg16 of somebody" in table
    with Image.open(tmp_path / "out" / evaluate.PICTURE) as picture:
        assert picture.width > picture.height / 4
        assert len(np.unique(np.asarray(picture))) > 10


def test_the_record_is_a_child_of_the_training_run_which_stays_as_it_is(
    checkpoint, arguments, tracking_uri, tracked_run
):
    about = {**FACTS, "mlflow": {"uri": tracking_uri, "run_id": tracked_run}}
    client = MlflowClient(tracking_uri)
    before = client.get_run(tracked_run)
    evaluate.main(arguments(checkpoint(about=about), "--seed", "3"))
    after = client.get_run(tracked_run)
    assert after.to_dictionary() == before.to_dictionary()
    assert after.info.status == "RUNNING"
    (record,) = _records(client)
    assert record.data.tags["mlflow.parentRunId"] == tracked_run
    assert record.info.status == "FINISHED"
    _assert_complete(client, record)


def _records(client):
    experiment = client.get_experiment_by_name("isnet")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return [run for run in runs if "evaluated" in run.data.tags]


def _assert_complete(client, record):
    assert record.data.params["seed"] == "3"
    assert record.data.params["reconstruction.threshold"] == "0.2"
    assert len(record.data.params["data_hash"]) == 64
    assert len(record.data.params["work_hash"]) == 12
    assert record.data.metrics["evaluation/PRA/all/psnr"] > 0
    files = {item.path for item in client.list_artifacts(record.info.run_id, "evaluation")}
    assert files == {"evaluation/evaluation.md", "evaluation/evaluation.png"}


def test_a_model_of_another_server_gets_a_record_without_a_parent(
    checkpoint, arguments, tracking_uri
):
    about = {**FACTS, "mlflow": {"uri": "http://elsewhere:5000", "run_id": "0" * 32}}
    evaluate.main(arguments(checkpoint(about=about)))
    (record,) = _records(MlflowClient(tracking_uri))
    assert "mlflow.parentRunId" not in record.data.tags


def test_an_unreachable_server_only_costs_the_record(checkpoint, arguments, closed_port, tmp_path):
    dead = ["--tracking.uri", f"http://127.0.0.1:{closed_port}"]
    assert evaluate.main([*arguments(checkpoint()), *dead]) == 0
    assert _table(tmp_path)


def test_an_authors_file_is_measured(arguments, tmp_path):
    state = {name: tensor.float() for name, tensor in published_state("isnet_blocks1").items()}
    torch.save({"generator": state, "epoch": 1}, tmp_path / "G.pth")
    evaluate.main(arguments(tmp_path / "G.pth"))
    assert "unknown" in _table(tmp_path)


def test_a_uri_and_a_registered_model_score_as_the_folder_does(
    checkpoint, arguments, tracking_uri, tracked_run, tmp_path
):
    folder = checkpoint()
    version = register_model(tracking_uri, tracked_run, folder)
    rows = []
    for location in (folder, folder.as_uri(), f"models:/isnet/{version}"):
        evaluate.main(arguments(location))
        rows.append(_row(_table(tmp_path), "PRA"))
        assert f"# {location}\n" in _table(tmp_path)
    assert rows[0] == rows[1] == rows[2]


def test_untrained_is_the_network_that_the_seed_gives(checkpoint, arguments, tmp_path):
    evaluate.main(arguments(checkpoint(seed=FACTS["config"]["seed"]), "--untrained"))
    table = _table(tmp_path)
    same = _row(table, "one-shot").partition("/")[2]
    assert _row(table, "untrained, one-shot").partition("/")[2] == same


def test_untrained_is_the_network_that_training_started_from(checkpoint, arguments, tmp_path):
    first = checkpoint("first", seed=7)
    about = {"config": {**FACTS["config"], "init_from": str(first)}}
    folder = checkpoint(seed=7, about=about)
    evaluate.main(arguments(folder, "--untrained"))
    table = _table(tmp_path)
    same = _row(table, "one-shot").partition("/")[2]
    assert _row(table, "untrained, one-shot").partition("/")[2] == same
    shutil.rmtree(first)
    with pytest.raises(InputError, match=r"trained from .*first.*leave --untrained away"):
        evaluate.main(arguments(folder, "--untrained"))


def test_untrained_needs_the_facts_of_training(checkpoint, arguments):
    with pytest.raises(InputError, match="does not say how it was initialised; leave --untrained"):
        evaluate.main(arguments(checkpoint(about={}), "--untrained"))


def test_the_last_line_says_what_training_brought(checkpoint, arguments, capsys):
    assert evaluate.main(arguments(checkpoint(seed=1), "--untrained", "--min-gain", "-99")) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    words = last.replace(",", "").replace("dB:", "dB").split()
    mean, untrained, pra, gain, beyond = [
        float(before) for before, unit in pairwise(words) if unit == "dB"
    ]
    assert last.startswith("PSNR: mean fill ")
    assert gain == pytest.approx(pra - untrained, abs=0.02)
    assert beyond == pytest.approx(pra - mean, abs=0.02)


def test_too_small_a_gain_fails_after_everything_was_written(
    checkpoint, arguments, tracking_uri, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stop:
        run_main(evaluate.main, arguments(checkpoint(), "--untrained", "--min-gain", "3"))
    assert stop.value.code == 1
    assert "--min-gain asks for 3 dB" in capsys.readouterr().err
    assert _table(tmp_path)
    assert (tmp_path / "out" / evaluate.PICTURE).exists()
    assert len(_records(MlflowClient(tracking_uri))) == 1


@pytest.mark.parametrize(
    ("location", "more", "message"),
    [
        ("/none", [], "no checkpoint at /none"),
        ("file:///none", [], "file:///none does not exist; check the URI"),
        ("nosuch://bucket/x", [], "cannot open nosuch://bucket/x"),
        ("models:/isnet/9", [], "has no usable models:/isnet/9"),
        ("/none", ["--min-gain", "3"], "add --untrained"),
        ("/none", ["--images", "0"], "images is 0"),
        ("/none", ["--output", "s3://b/x"], "--output s3://b/x is a URI; give a local folder"),
    ],
)
def test_mistakes_are_one_line(arguments, capsys, location, more, message):
    with pytest.raises(SystemExit) as stop:
        run_main(evaluate.main, [*arguments(location), *more])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
