"""What `--models` names."""

from __future__ import annotations

import sys

import pytest

from isnet.config import InputError
from pipelines.evaluation.candidates import find_entrants, named_locations
from pipelines.evaluation.config import EvaluateConfig
from pipelines.models import fingerprint
from tests.pipelines.evaluation.checkpoints import FACTS, small_generator, write_checkpoint


def _names(*models, **more):
    return named_locations(EvaluateConfig(models=models, data="d", **more))


@pytest.mark.parametrize(
    ("given", "name", "location"),
    [
        ("runs/faces/model", "faces", "runs/faces/model"),
        ("runs/faces/model/", "faces", "runs/faces/model/"),
        ("runs/faces/checkpoint_000400", "faces", "runs/faces/checkpoint_000400"),
        ("exported", "exported", "exported"),
        ("model", "model", "model"),
        ("weights/G.pth", "G", "weights/G.pth"),
        ("s3://key:secret@bucket/runs/a/model?region=x", "a", None),
        ("s3://key:secret@bucket/model?region=x", "model", None),
        ("s3://key:secret@bucket", "bucket", None),
        ("untrained:s3://key:secret@bucket/model", "model, untrained", None),
        ("s3://key:secret@bucket/checkpoint_000400", "checkpoint_000400", None),
        ("file:///runs/b", "b", None),
        ("models:/isnet@champion", "models:/isnet@champion", None),
        ("Eq. 5=runs/a/model", "Eq. 5", "runs/a/model"),
        ("a=s3://bucket/x?endpoint_override=h", "a", "s3://bucket/x?endpoint_override=h"),
        ("untrained:runs/a/model", "a, untrained", "untrained:runs/a/model"),
        ("isnet-small", "isnet-small", "isnet-small"),
        ("untrained:isnet-small", "isnet-small, untrained", "untrained:isnet-small"),
        ("Telea=telea", "Telea", "telea"),
        ("mean-fill", "mean-fill", "mean-fill"),
    ],
)
def test_a_model_is_called_by_its_name_or_after_its_place(given, name, location):
    assert _names(given) == [(name, location or given)]


def test_two_of_one_name_are_refused():
    with pytest.raises(InputError, match="two models are called 'a'; name them"):
        _names("runs/a/model", "other/a/model")


@pytest.mark.parametrize("name", [" ", "a|b", "a\nb"])
def test_a_name_that_would_break_a_table_is_refused(name):
    with pytest.raises(InputError, match="is no name for tables"):
        _names(f"{name}=runs/a/model")


def test_a_missing_library_is_found_out_before_anything_is_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"telea cannot be measured .* pip install 'isnet"):
        find_entrants(EvaluateConfig(models=("telea",), data="d"))


def test_what_training_kept_tells_models_apart(tmp_path):
    facts = {**FACTS, "extractor": "vgg16 of somebody", "data_hash": "0123456789abcdef", "step": 5}
    folder = write_checkpoint(tmp_path / "ours", about=facts)
    models = (str(folder), f"untrained:{folder}")
    trained, untrained = find_entrants(EvaluateConfig(models=models, data="d"))
    assert trained.candidate.facts == {
        "features of": "vgg16 of somebody",
        "data": "0123456789ab",
        "loss": "l1 100, adversarial 3, perceptual 1, style 3",
        "steps": "5",
    }
    assert untrained.candidate.facts == {}
    assert trained.candidate.location == str(folder)


def test_untrained_follows_the_first():
    assert _names("runs/a/model", "telea", untrained=True) == [
        ("a", "runs/a/model"),
        ("a, untrained", "untrained:runs/a/model"),
        ("telea", "telea"),
    ]


def test_no_models_are_refused():
    with pytest.raises(InputError, match="--models names nothing"):
        EvaluateConfig(models=(), data="d")


def test_a_fingerprint_is_of_the_weights():
    assert fingerprint(small_generator(0)) == fingerprint(small_generator(0))
    assert fingerprint(small_generator(0)) != fingerprint(small_generator(1))
