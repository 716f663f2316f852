"""Weights that come with the package: found by name, checked, and fit to be used."""

from __future__ import annotations

import json
import re
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
from isnet.shipped import (
    CHECKSUMS_FILE,
    FOLDER,
    LICENCE_FILE,
    SHIPPED,
    SMALL,
    shipped_directory,
)

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
def test_every_file_is_summed(name):
    listed = (FOLDER / CHECKSUMS_FILE).read_text()
    assert {f"{name}/{path.name}" for path in (FOLDER / name).iterdir()} <= set(listed.split())


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_the_sums_are_in_the_form_that_sha256sum_reads():
    subprocess.run(["sha256sum", "--check", "--quiet", CHECKSUMS_FILE], cwd=FOLDER, check=True)


def test_the_small_one_is_small():
    assert (FOLDER / SMALL / WEIGHTS_FILE).stat().st_size <= 25e6


@pytest.mark.parametrize("name", SHIPPED)
def test_a_licence_and_how_it_was_trained_go_along_and_no_machine_s_paths(name):
    about = read_about(shipped_directory(name))
    assert about["licence"] == f"weights for research only, see LICENSE in isnet/weights/{name}"
    assert "research" in (shipped_directory(name) / LICENCE_FILE).read_text()
    assert all(run["step"] > 0 and run["config"]["loss"] for run in about["runs"])
    assert not re.search(r'"(/|~|\w+:/)', json.dumps(about))


def test_the_small_one_fills_a_photograph_it_never_saw_better_than_its_mean():
    with Image.open(min(SAMPLES.glob("*.jpg"))) as picture:
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


@pytest.fixture
def folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / SMALL).mkdir()


@pytest.mark.usefixtures("folder_of_that_name")
def test_a_name_means_the_shipped_weights_whatever_lies_about():
    read_generator(SMALL)


@pytest.mark.usefixtures("folder_of_that_name")
@pytest.mark.parametrize("path", [f"./{SMALL}", Path(SMALL)])
def test_a_path_means_what_lies_there_whatever_it_is_called(path):
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


@pytest.mark.parametrize("content", ["", "\n", "abc  isnet-small/config.json\n"])
def test_sums_that_say_nothing_of_a_model_do_not_pass_it(copied, content):
    (copied / CHECKSUMS_FILE).write_text(content)
    with pytest.raises(InputError, match="SHA256SUMS lacks isnet-small/LICENSE, isnet-small/conf"):
        load_generator(SMALL)


def test_sums_that_are_no_text_are_a_users_mistake(copied):
    (copied / CHECKSUMS_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"isnet-small is not installed: .* cannot be read"):
        load_generator(SMALL)


def test_no_other_name_has_a_directory():
    with pytest.raises(InputError, match=r"\.\./secrets is no shipped model: isnet-small"):
        shipped_directory("../secrets")


def test_what_is_no_model_names_the_shipped_ones():
    with pytest.raises(InputError, match=r"no checkpoint at isnet-smal: .* or isnet-small"):
        load_generator("isnet-smal")
