"""From a training's checkpoints to weights that come with the package."""

from __future__ import annotations

import json

import pytest
import torch

from isnet import shipped
from isnet.checkpoint import load_generator, read_about, save_generator
from isnet.config import GeneratorConfig, InputError
from isnet.initialisation import new_generator
from pipelines.evaluation.model import untrained_generator
from pipelines.models import fingerprint, load_checkpoint
from shipping.weights import LICENCE_FILE, ship

SMALL = GeneratorConfig(blocks=1, channels=2)
START = {"seed": 3, "initialisation": "orthogonal", "init_std": 0.02}


@pytest.fixture
def checkpoints(tmp_path):
    """Two runs' last checkpoints, the second one begun from the first."""
    first = saved(tmp_path / "runs" / "10", step=10)
    return [first, saved(tmp_path / "runs" / "20", step=20, begun_from=first)]


def saved(folder, *, step, begun_from=None, **facts):
    """The checkpoint of a run of so many steps, with weights of its own."""
    if begun_from is not None:
        facts["started_from"] = fingerprint(load_generator(begun_from))
    folder.mkdir(parents=True)
    about = {
        "config": {
            "name": "leg",
            "seed": START["seed"] + step - 10,
            "optimizer": {name: value for name, value in START.items() if name != "seed"},
            "loss": {"l1": step, "extractor_weights": "/secret"},
            "data": "/secret",
            "output": "/secret",
            "tracking": {"uri": "/secret"},
            "init_from": begun_from and str(begun_from),
        },
        "data_hash": "abc",
        "extractor": "none",
        "step": step,
        "psnr": 20.0,
        "curve": [[step, 20.0]],
        "mlflow": {"uri": "/secret"},
        **facts,
    }
    save_generator(folder, new_generator(SMALL, **START | {"seed": step}), SMALL, about=about)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    (folder / shipped.SMALL).mkdir(parents=True)
    (folder / shipped.SMALL / LICENCE_FILE).write_text("research only")
    monkeypatch.setattr(shipped, "FOLDER", folder)
    return folder


def test_shipped_weights_are_the_last_checkpoint_s_to_bfloat16_s_precision(checkpoints, folder):
    ship(shipped.SMALL, checkpoints, folder=folder)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = load_generator(checkpoints[-1])(image)
        after = load_generator(shipped.SMALL)(image)
    assert 0 < (after - before).abs().max() < 0.02


def test_they_take_half_the_bytes(checkpoints, folder):
    directory = ship(shipped.SMALL, checkpoints, folder=folder)
    parameters = sum(p.numel() for p in load_generator(shipped.SMALL).parameters())
    before = (checkpoints[-1] / "generator.safetensors").stat().st_size
    after = (directory / "generator.safetensors").stat().st_size
    assert before - after == pytest.approx(2 * parameters, rel=0.02)


def test_all_runs_are_told_without_their_places(checkpoints, folder):
    about = read_about(ship(shipped.SMALL, checkpoints, folder=folder))
    assert [run["step"] for run in about["runs"]] == [10, 20]
    assert "secret" not in json.dumps(about)


def test_the_facts_are_those_of_the_last_run(checkpoints, folder):
    about = read_about(ship(shipped.SMALL, checkpoints, folder=folder))
    assert (about["step"], about["config"]["loss"]["l1"]) == (20, 20)
    assert (about["extractor"], about["data_hash"]) == ("none", "abc")


def test_what_they_started_from_can_be_built_again(checkpoints, folder):
    ship(shipped.SMALL, checkpoints, folder=folder)
    model = load_checkpoint(shipped.SMALL, tracking_uri="sqlite://")
    found = untrained_generator(model, tracking_uri="sqlite://").state_dict()
    expected = new_generator(SMALL, **START).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_went_on_from_the_shipped_weights_adds_its_runs_to_theirs(
    checkpoints, folder, tmp_path
):
    ship(shipped.SMALL, checkpoints, folder=folder)
    leg = saved(tmp_path / "leg", step=30, begun_from=shipped.SMALL)
    later = saved(tmp_path / "later", step=40, begun_from=shipped.SMALL)
    about = read_about(ship(shipped.SMALL, [leg], folder=folder))
    assert [run["step"] for run in about["runs"]] == [10, 20, 30]
    # The same run, longer, takes its own place; its start is not what is shipped by now.
    about = read_about(ship(shipped.SMALL, [later], folder=folder))
    assert [run["step"] for run in about["runs"]] == [10, 20, 40]


def test_a_run_that_went_on_from_other_shipped_weights_is_refused(checkpoints, folder, tmp_path):
    ship(shipped.SMALL, checkpoints, folder=folder)
    leg = saved(tmp_path / "leg", step=30, begun_from=shipped.SMALL)
    ship(shipped.SMALL, checkpoints[:1], folder=folder)
    with pytest.raises(InputError, match=r"began from other weights of isnet-small .* put those"):
        ship(shipped.SMALL, [leg], folder=folder)


def test_a_run_that_did_not_begin_with_new_weights_is_not_the_first(checkpoints, folder):
    with pytest.raises(InputError, match=r"before it ended with None; name all runs, from the"):
        ship(shipped.SMALL, checkpoints[1:], folder=folder)


def test_a_run_that_did_not_begin_where_the_last_one_ended_is_refused(
    checkpoints, folder, tmp_path
):
    other = saved(tmp_path / "other", step=15)
    for stranger in (other, saved(tmp_path / "strange", step=30, begun_from=other)):
        with pytest.raises(InputError, match=f"the run of {stranger} began from weights"):
            ship(shipped.SMALL, [checkpoints[0], stranger], folder=folder)


def test_what_was_not_validated_is_not_shipped(checkpoints, folder, tmp_path):
    with pytest.raises(InputError, match="was not validated; ship one of a validation's step"):
        ship(shipped.SMALL, [saved(tmp_path / "leg", step=10, psnr=None)], folder=folder)


def test_a_checkpoint_that_no_run_left_is_named(checkpoints, folder, tmp_path):
    save_generator(tmp_path, new_generator(SMALL, **START), SMALL)
    with pytest.raises(InputError, match=r"lacks data_hash, .* give a checkpoint that train.py"):
        ship(shipped.SMALL, [tmp_path], folder=folder)


def test_nothing_but_a_models_files_is_summed(checkpoints, folder):
    (folder / shipped.SMALL / ".DS_Store").touch()
    ship(shipped.SMALL, checkpoints, folder=folder)
    assert "DS_Store" not in (folder / shipped.CHECKSUMS_FILE).read_text()


def test_weights_without_a_licence_are_not_shipped(checkpoints, folder):
    (folder / shipped.SMALL / LICENCE_FILE).unlink()
    with pytest.raises(InputError, match="has no LICENSE"):
        ship(shipped.SMALL, checkpoints, folder=folder)
