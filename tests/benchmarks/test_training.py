"""One step of every variant that needs no compiler, and the options."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks.crops import Crops
from benchmarks.training import chosen, main, read_options, report
from benchmarks.training_step import VARIANTS, TrainingConfig, time_variant

ROOT = Path(__file__).parent.parent.parent
TINY = TrainingConfig(
    size=32, batch=2, channels=2, extractor="random", device="cpu", steps=1, warm_up=1
)


@pytest.mark.parametrize("name", ["plain", "default", "accumulate", "batched_norms"])
def test_a_variant_is_timed(name):
    result = time_variant(TINY, VARIANTS[name])
    assert len(result["seconds"]) == 1
    assert result["device"] == "cpu"


def test_plain_is_always_among_the_variants():
    config, one = read_options(["--variants", "fused", "--batch", "4"])
    assert chosen(config) == ["plain", "fused"]
    assert (config.batch, one) == (4, "")


def test_an_unknown_variant_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        read_options(["--variants", "quick"])
    assert "unknown variant 'quick'" in capsys.readouterr().err


def test_it_runs_where_ray_and_tyro_are_missing():
    code = (
        "import sys\n"
        "for name in ('ray', 'mlflow', 'pyarrow', 'tyro'):\n"
        "    sys.modules[name] = None\n"
        "import benchmarks.training\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


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
    values = {"seconds": [1.0], "first_s": 1.0, "peak_bytes": 2**20, "device": "cpu"}
    values |= {"matmul_flop_per_s": 1e9}
    found = {
        "plain": [values | {"generator": [9, 9, 9, 2.0], "l1": [1, 1, 1, 0.5]}],
        "bf16": [values | {"seconds": [0.5], "generator": [9, 9, 9, 2.1], "l1": [1, 1, 1, 0.4]}],
    }
    made = report(TINY, found, {"compile": "no compiler"})
    cells = dict(zip(made.headers, made.rows[1], strict=True))
    assert (cells["x plain"], cells["loss, last steps"]) == ("2.00", "2.100")
    assert (cells["to plain, %"], cells["l1 to plain, %"]) == ("+5.00", "-20.00")
    assert made.notes[-1] == "compile could not be measured: no compiler"


def test_a_cpu_is_spared_what_only_a_gpu_has():
    names = chosen(TrainingConfig(device="cpu"))
    assert {"default_bf16", "compile"} <= set(names)
    assert "plain_tf32" not in names
    assert "plain_tf32" in chosen(TrainingConfig(device="cuda"))


@pytest.mark.slow
def test_it_measures_from_the_command_line(tmp_path, capfd):
    options = "--size 32 --batch 2 --channels 2 --extractor random --device cpu --steps 2"
    files = ["--output", str(tmp_path / "found.json"), "--figure", str(tmp_path / "curves.png")]
    main([*options.split(), "--repeats", "1", "--variants", "plain_other_seed,step", *files])
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row[0] for row in found["rows"]] == ["plain", "plain_other_seed", "step"]
    rounds = found["figures"]["rounds"]
    assert rounds["step"][0]["l1"] == pytest.approx(rounds["plain"][0]["l1"], rel=0.01)
    assert rounds["plain_other_seed"][0]["l1"] != rounds["plain"][0]["l1"]
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
