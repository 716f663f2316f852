"""Options of a job: what could not run is refused before anything is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.bulk.config import InpaintConfig, resolve, shown
from tests.pipelines.bulk.pictures import config_of


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpus_per_actor", 0),
        ("max_batch", 0),
        ("max_pixels", 0),
        ("max_region_pixels", 0),
        ("scale", 0),
        ("quality", 0),
        ("quality", 101),
        ("chroma_tolerance", -1),
        ("chroma_tolerance", 256),
        ("niceness", -1),
        ("niceness", 20),
        ("gpus_per_actor", 0),
        ("max_failures", -1),
    ],
)
def test_a_value_out_of_range_is_named(field, value, tmp_path):
    with pytest.raises(InputError, match=f"^{field.replace('_', '-')} is {value};"):
        config_of(tmp_path, tmp_path, **{field: value})


def test_paths_become_absolute_and_ways_to_find_masks_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = {"input": "photos", "output": "out", "within": ("root",)}
    found = resolve(config_of(tmp_path, Path("model"), masks="masks", **relative))
    assert found.checkpoint == f"{tmp_path}/model"
    assert (found.input, found.masks) == (f"{tmp_path}/photos", f"{tmp_path}/masks")
    assert (found.output, found.within) == (f"{tmp_path}/out", (f"{tmp_path}/root",))
    for masks in ("alpha", "chroma:00ff00", "column:mask", "s3://bucket/masks"):
        assert resolve(config_of(tmp_path, tmp_path, masks=masks)).masks == masks
    for name in ("models:/isnet@champion", "isnet-small"):
        assert resolve(config_of(tmp_path, name)).checkpoint == name


def test_the_shipped_model_fills_unless_another_is_named():
    assert InpaintConfig(input="photos", masks="masks", output="out").checkpoint == "isnet-small"


def test_secrets_are_not_shown(tmp_path):
    config = config_of(tmp_path, tmp_path, input="s3://key:hush@bucket/photos")
    assert "hush" not in repr(shown(config))
