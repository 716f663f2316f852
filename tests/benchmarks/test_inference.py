"""Tiny images by every path that needs no compiler, and how paths are held against each other."""

from __future__ import annotations

import mmap
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import subjects
from benchmarks.devices import Memory
from benchmarks.inference import InferenceOptions, chosen, measure, time_path
from benchmarks.inference_paths import PATHS, obstacle
from benchmarks.inference_report import HEADERS, compare, report
from benchmarks.options import OneProcess
from benchmarks.processes import Rounds
from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config

TINY = InferenceOptions(
    channels=2, blocks=1, size=64, images=2, batch=2, hole=0.3, passes=2, device="cpu"
)
CPU = torch.device("cpu")


def fill(config, name, folder):
    keep = folder / name
    keep.mkdir()
    found = time_path(config, OneProcess(one=name, keep=str(keep)))
    return found, np.concatenate([np.load(file) for file in sorted(keep.iterdir())])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return fill(TINY, "plain", tmp_path_factory.mktemp("kept"))


def test_plain_fills_one_image_at_a_time_and_leaves_what_is_known(plain):
    found, images = plain
    assert len(found["seconds"]) == TINY.images
    assert found["passes"] == [2, 2]
    assert found["first_s"] >= found["seconds"][0] > 0
    truth = subjects.photographs(TINY.images, TINY.size)
    holes = subjects.holes(TINY.images, TINY.size, ratio=TINY.hole)
    wanted = truth.astype(np.float32) / 255
    np.testing.assert_array_equal(np.moveaxis(images, 1, -1)[~holes], wanted[~holes])


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("folded", 1),
        ("bf16", 8),
        ("bf16_windows", 8),
        ("onnxruntime_fp32", 1),
        ("openvino_fp32", 1),
    ],
)
def test_other_paths_fill_batches_alike(name, levels, plain, tmp_path):
    if reason := obstacle(PATHS[name], CPU):
        pytest.skip(reason)
    found, images = fill(TINY, name, tmp_path)
    assert len(found["seconds"]) == 1
    assert found["passes"] == plain[0]["passes"]
    assert np.abs(images - plain[1]).max() * 255 <= levels


def test_a_path_is_held_against_plain_and_windows_against_full_passes_too():
    truth = subjects.photographs(1, 32)
    clean = np.moveaxis(truth, -1, 1).astype(np.float32) / 255
    changed, worse = clean.copy(), clean.copy()
    changed[0, 0, 5, 5] += (3 if changed[0, 0, 5, 5] < 0.5 else -3) / 255
    worse[0, 0, 5, 5] += (40 if worse[0, 0, 5, 5] < 0.5 else -40) / 255
    filled = {"plain": worse, "bf16": changed, "bf16_windows": changed, "bf16_windows_64": worse}
    assert "window" not in compare("bf16", filled, truth)
    assert compare("bf16", filled, truth)["levels"] == 37
    assert compare("bf16", filled, truth)["psnr_change"] > 10
    assert compare("bf16_windows", filled, truth)["window"] == 0
    shorter = compare("bf16_windows_64", filled, truth)
    assert shorter["window_levels"] == 37
    assert shorter["window_psnr_change"] < -10
    del filled["bf16"]  # it could not be measured
    assert "window" not in compare("bf16_windows", filled, truth)


def test_the_table_has_ratios_of_rounds_and_says_what_is_identical():
    truth = subjects.photographs(TINY.images, TINY.size)
    images = np.moveaxis(truth, -1, 1).astype(np.float32) / 255
    noisy = (images + 0.1).clip(0, 1)

    def rounds(*seconds):
        about = {"passes": [1, 1], "first_s": 2.0, "peak_bytes": 2**20, "device": "cpu"}
        return [{"seconds": [value], **about} for value in seconds]

    found = {"plain": rounds(2, 4), "bf16": rounds(1, 1), "bf16_windows": rounds(1, 0.5)}
    failed = {"compile_bf16": "no compiler"}
    made = report(TINY, Rounds(found=found, failed=failed), dict.fromkeys(found, noisy), truth)
    assert made.notes[-1] == "compile_bf16 could not be measured: no compiler"
    cells = {row[0]: dict(zip(HEADERS, row, strict=True)) for row in made.rows}
    assert [cells[name]["x plain"] for name in found] == ["1.00", "3.00", "5.00"]
    assert cells["plain"]["ms an image"] == "1,500"
    assert cells["bf16"]["to full passes"] == "-"
    assert cells["bf16_windows"]["to full passes"] == "bit-identical"


def test_a_path_that_fails_leaves_the_others_and_each_round_is_reported(tmp_path):
    network = GeneratorConfig(design="unet_like", blocks=1, channels=2)
    save_generator(tmp_path, generator_from_config(network), network)
    config = replace(TINY, checkpoint=str(tmp_path), paths="bf16_windows", rounds=2, passes=1)
    first, made = measure(config)
    assert [len(one.figures["times"]["plain"]) for one in (first, made)] == [1, 2]
    assert [row[0] for row in made.rows] == ["plain", "bf16"]
    assert "bf16_windows could not be measured: isnet.config.InputError: this" in made.notes[-1]
    assert (made.settings["design"], made.settings["channels"]) == ("unet_like", 2)


def test_windows_bring_the_full_passes_that_they_are_held_against():
    assert chosen(replace(TINY, paths="bf16_windows_64")) == ["plain", "bf16", "bf16_windows_64"]


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino_bf16 cannot run: .*'isnet\[openvino\]'"):
        replace(TINY, paths="openvino_bf16").check()
    assert "openvino_bf16" not in chosen(TINY)
    assert chosen(TINY)[:4] == ["plain", "folded", "bf16", "compile_bf16"]


def test_engines_of_cpus_are_refused_on_a_gpu():
    assert "give --device cpu" in obstacle(PATHS["openvino_bf16"], torch.device("cuda"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": "quick"}, "unknown path 'quick'"),
        ({"images": 3}, "--images 3 is no multiple of --batch 2"),
        ({"hole": 1.0}, "hole ratio is 1.0"),
        ({"shape": "star"}, "'star'; choose irregular or box"),
        ({"passes": 0}, "max_passes is 0"),
        ({"rounds": 0}, "--rounds is 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **change).check()


@pytest.mark.parametrize("shape", subjects.SHAPES)
@pytest.mark.parametrize("size", [64, 1024])
def test_holes_have_the_ratio_that_was_asked_for(shape, size):
    drawn = subjects.holes(2, size, ratio=0.1, shape=shape)
    assert drawn.shape == (2, size, size)
    assert drawn.mean(axis=(1, 2)) == pytest.approx([0.1, 0.1], rel=0.03)
    assert not np.array_equal(drawn[0], drawn[1])


def test_memory_is_what_came_after():
    _fill(2**26).close()
    memory = Memory(CPU)
    with _fill(2**25):
        assert 2**25 * 0.9 < memory.peak_bytes() < 2**25 * 1.5


def _fill(size):
    """Take memory from the system itself, past what an allocator has kept."""
    pages = mmap.mmap(-1, size)
    for start in range(0, size, mmap.PAGESIZE):
        pages[start] = 1
    return pages
