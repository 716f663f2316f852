"""Weights that come with the package: found by name, checked, and fit to be used."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isnet
from isnet import shipped
from isnet.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load_generator, read_about, read_generator
from isnet.config import InputError
from isnet.masks import hole_ratio
from isnet.reconstruction import reconstruct
from isnet.shipped import CHECKSUMS_FILE, FOLDER, SHIPPED, SMALL, shipped_directory

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr(shipped, "FOLDER", folder)
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_a_name_loads_its_weights_ready_to_use(name):
    generator = load_generator(name)
    assert not generator.training
    assert {tensor.dtype for tensor in generator.parameters()} == {torch.float32}
    assert all(torch.isfinite(tensor).all() for tensor in generator.state_dict().values())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_file_is_summed_as_the_system_s_own_tool_sums_it(name):
    listed = (FOLDER / CHECKSUMS_FILE).read_text()
    assert {f"{name}/{path.name}" for path in (FOLDER / name).iterdir()} <= set(listed.split())
    subprocess.run(["sha256sum", "--check", "--quiet", CHECKSUMS_FILE], cwd=FOLDER, check=True)


def test_the_small_one_is_small():
    assert (FOLDER / SMALL / WEIGHTS_FILE).stat().st_size <= 25e6


@pytest.mark.parametrize("name", SHIPPED)
def test_a_licence_and_how_it_was_trained_go_along_and_no_machine_s_paths(name):
    about = read_about(shipped_directory(name))
    assert "research" in (shipped_directory(name) / about["licence"]).read_text()
    assert all(run["step"] > 0 and run["config"]["loss"] for run in about["runs"])
    assert "/" not in json.dumps(about)


def test_the_small_one_fills_a_photograph_it_never_saw_better_than_grey_and_mean():
    with Image.open(next(iter(sorted(SAMPLES.glob("*.jpg"))))) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((256, 256)), dtype=np.float32) / 255
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    valid = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    valid[..., 64:128, 96:192] = valid[..., 160:224, 32:96] = False
    assert 0.1 < hole_ratio(valid).item() < 0.2
    with torch.no_grad():
        filled = reconstruct(load_generator(SMALL), image, valid).image
    mean = (image * valid).sum(dim=(2, 3), keepdim=True) / valid.sum()
    constant = isnet.metrics.psnr(torch.where(valid, image, mean), image)
    assert isnet.metrics.psnr(filled, image) > constant + 1


def test_a_folder_of_that_name_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(SMALL).mkdir()
    read_generator(SMALL)
    for path in (f"./{SMALL}", Path(SMALL)):
        with pytest.raises(InputError, match="is no checkpoint"):
            read_generator(path)


@pytest.mark.parametrize("file", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_damaged_file_is_not_loaded(copied, file):
    path = copied / SMALL / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"isnet-small is damaged: .*{file} is not the file"):
        load_generator(SMALL)


def test_a_missing_file_is_named(copied):
    (copied / SMALL / WEIGHTS_FILE).unlink()
    with pytest.raises(InputError, match=rf"incomplete: .*{WEIGHTS_FILE} is missing"):
        load_generator(SMALL)


def test_an_installation_without_weights_says_so(copied):
    shutil.rmtree(copied)
    with pytest.raises(InputError, match=r"isnet-small is not installed: .*SHA256SUMS"):
        load_generator(SMALL)


def test_what_is_no_model_names_the_shipped_ones():
    with pytest.raises(InputError, match=r"no checkpoint at isnet-smal: .* or isnet-small"):
        load_generator("isnet-smal")
