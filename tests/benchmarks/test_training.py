"""One step of every variant that needs no compiler, and the options."""

from __future__ import annotations

import json
import mmap
from dataclasses import replace
from itertools import islice

import pytest
import torch
from PIL import Image

from benchmarks import training
from benchmarks.crops import Crops
from benchmarks.options import ROOT, read_options
from benchmarks.processes import MeasurementError, Rounds
from benchmarks.training import main, report
from benchmarks.training_step import VARIANTS, TrainingOptions, time_variant
from isnet.config import InputError

TINY = TrainingOptions(
    size=32,
    batch=2,
    channels=2,
    extractor="random",
    photos=str(ROOT / "samples"),
    device="cpu",
    steps=1,
    warm_up=1,
)
MEASURED = {
    "seconds": [1.0],
    "first_s": 1.0,
    "generator": [9, 9, 9, 2.0],
    "l1": [1, 1, 1, 0.5],
    "peak_bytes": 2**20,
    "matmul_flop_per_s": 1e9,
    "device": "cpu",
}
BEFORE = 2**29
"""Memory in bytes that is given back before anything is measured."""


@pytest.mark.parametrize("name", ["plain", "default", "accumulate", "batched_norms"])
def test_a_variant_is_timed(name):
    result = time_variant(TINY, VARIANTS[name])
    assert len(result["seconds"]) == 1
    assert result["device"] == "cpu"


def test_plain_is_always_among_the_variants():
    assert replace(TINY, variants="fused").chosen() == ["plain", "fused"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": "quick"}, "unknown variant 'quick'"),
        ({"steps": 0}, "--steps is 0; give 1 or more"),
        ({"warm_up": 0}, "--warm-up is 0; give 1 or more"),
        ({"size": 40}, "--size 40 must be a multiple of 16"),
        ({"photos": "nowhere"}, r"--photos nowhere has no \*\.jpg"),
        ({"figure": "curves.svg"}, "--figure curves.svg must end in .png"),
        ({"figure": "nowhere/curves.png"}, "--figure nowhere/curves.png: there is no such folder"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **change).check()


def test_its_options_are_what_they_were():
    options = "--size 32 --batch 4 --channels 2 --blocks 2 --extractor random --device cpu"
    more = "--threads 1 --steps 5 --warm-up 2 --repeats 1 --variants fused --output a.md"
    given = [*options.split(), *more.split(), "--photos", str(ROOT / "samples")]
    config, process = read_options(TrainingOptions, given, module="a.b", about="")
    assert (config.batch, config.blocks, config.warm_up, process.one) == (4, 2, 2, "")
    assert (config.channels, TrainingOptions().channels) == (2, 8)


def test_memory_that_was_given_back_before_is_not_counted():
    with mmap.mmap(-1, BEFORE) as pages:
        for start in range(0, BEFORE, mmap.PAGESIZE):
            pages[start] = 1
    assert time_variant(TINY, VARIANTS["plain"])["peak_bytes"] < BEFORE / 2


def test_each_step_has_new_crops_and_all_variants_have_the_same():
    photos = ROOT / "samples"
    first, again, other = (
        list(islice(Crops(photos, size=32, batch=2, seed=seed), 2)) for seed in (0, 0, 1)
    )
    for ours, theirs in zip(first, again, strict=True):
        assert all(map(torch.equal, ours, theirs))
    assert not torch.equal(first[0][0], first[1][0])
    assert not torch.equal(first[0][0], other[0][0])
    colours, valid = first[0]
    assert (colours.shape, colours.dtype) == ((2, 3, 32, 32), torch.float32)
    assert (valid.shape, valid.dtype) == ((2, 1, 32, 32), torch.bool)
    assert 0 < float(colours.std()) < 1
    assert 0.05 <= float((~valid).float().mean()) < 0.6


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no \*\.jpg"):
        Crops(tmp_path, size=32, batch=2)


def test_the_report_says_how_far_a_curve_is_from_plain():
    faster = {"seconds": [0.5], "generator": [9, 9, 9, 2.1], "l1": [1, 1, 1, 0.4]}
    found = {"plain": [MEASURED], "bf16": [MEASURED | faster]}
    made = report(TINY, Rounds(found=found, failed={"compile": "no compiler"}))
    cells = dict(zip(made.headers, made.rows[1], strict=True))
    assert (cells["x plain"], cells["loss, last steps"]) == ("2.00", "2.100")
    assert (cells["to plain, %"], cells["l1 to plain, %"]) == ("+5.00", "-20.00")
    assert made.notes[-1] == "compile could not be measured: no compiler"


def test_a_run_that_is_stopped_keeps_its_whole_rounds(tmp_path, monkeypatch):
    calls = []

    def in_a_process(config, *, module, one):
        calls.append(one)
        if len(calls) == 4:
            raise KeyboardInterrupt
        if one == "fused":
            raise MeasurementError("no kernel")
        return MEASURED

    monkeypatch.setattr(training, "in_a_process", in_a_process)
    output = tmp_path / "found.json"
    options = f"--size 32 --channels 2 --device cpu --photos {ROOT / 'samples'}"
    with pytest.raises(KeyboardInterrupt):
        main([*options.split(), "--variants", "step,fused", "--output", str(output)])
    figures = json.loads(output.read_text())["figures"]
    assert {name: len(rounds) for name, rounds in figures["rounds"].items()} == {
        "plain": 1,
        "step": 1,
    }
    assert figures["failed"] == {"fused": "no kernel"}
    assert list(tmp_path.iterdir()) == [output]


def test_a_cpu_is_spared_what_only_a_gpu_has():
    names = TrainingOptions(device="cpu").chosen()
    assert {"default_bf16", "compile"} <= set(names)
    assert "plain_tf32" not in names
    assert "plain_tf32" in TrainingOptions(device="cuda").chosen()


@pytest.mark.extended
def test_it_measures_from_the_command_line(tmp_path, capfd):
    options = "--size 32 --batch 2 --channels 2 --extractor random --device cpu --steps 2"
    options += f" --photos {ROOT / 'samples'}"
    files = ["--output", str(tmp_path / "found.json"), "--figure", str(tmp_path / "curves.png")]
    main([*options.split(), "--repeats", "1", "--variants", "plain_other_seed,step", *files])
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row[0] for row in found["rows"]] == ["plain", "plain_other_seed", "step"]
    rounds = found["figures"]["rounds"]
    assert rounds["step"][0]["l1"] == pytest.approx(rounds["plain"][0]["l1"], rel=0.01)
    assert rounds["plain_other_seed"][0]["l1"] != rounds["plain"][0]["l1"]
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
