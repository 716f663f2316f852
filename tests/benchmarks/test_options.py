"""Command lines out of dataclasses, and benchmarks that run where Ray is missing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields

import pytest
import torch

from benchmarks.cost import CostOptions
from benchmarks.inference import InferenceOptions
from benchmarks.options import ROOT, NetworkOptions, numbers, read_options, settings
from benchmarks.roofline.__main__ import RooflineOptions
from benchmarks.training import TrainingOptions
from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config


@dataclass(frozen=True, kw_only=True)
class _Options(NetworkOptions):
    """Options of a test."""

    share: float = 0.5
    """how much of 100 %"""


def test_fields_are_options(capsys):
    config, process = read_options(_Options, ["--share", "0.25"], module="a.b", about="")
    assert (config.share, config.channels, process.one) == (0.25, 32, "")
    with pytest.raises(SystemExit, match="0"):
        read_options(_Options, ["--help"], module="a.b", about="What it is")
    shown = capsys.readouterr().out
    assert "how much of 100 % (0.5)" in shown
    assert "width of a new network" in shown
    assert "--one" not in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--output", "a.txt"], "must end in .md or .json"),
        (["--device", "tpu"], "must be auto, cpu or cuda"),
        (["--blocks", "5"], "blocks is 5"),
        (["--threads", "-1"], "--threads is -1; give 1 or more"),
        (["--checkpoint", "/nowhere"], "no checkpoint at /nowhere: give a checkpoint directory"),
    ],
)
def test_a_mistake_is_refused_before_anything_runs(given, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        read_options(_Options, given, module="a.b", about="")
    assert message in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        read_options(_Options, ["--device", "cuda"], module="a.b", about="")
    assert "--device cuda: PyTorch sees no GPU here; give --device cpu" in capsys.readouterr().err


def test_the_process_of_a_measurement_does_not_read_the_checkpoint_once_more():
    given = ["--checkpoint", "/nowhere", "--one", "plain"]
    assert read_options(_Options, given, module="a.b", about="")[1].one == "plain"


def test_a_report_describes_the_network_of_the_checkpoint(tmp_path):
    network = GeneratorConfig(design="base", blocks=2, channels=3)
    save_generator(tmp_path, generator_from_config(network), network)
    config = _Options(checkpoint=str(tmp_path), threads=5, output="a.md")
    said = settings(config, device="a card", left_out=["output"])
    assert (said["design"], said["blocks"], said["channels"]) == ("base", 2, 3)
    assert (said["checkpoint"], said["device"], said["threads"]) == (str(tmp_path), "a card", 5)
    assert "output" not in said
    assert settings(_Options(blocks=1), device="cpu", left_out=[])["blocks"] == 1


def test_numbers_are_separated_by_commas():
    assert numbers("1,2,", int, flag="--sizes") == [1, 2]
    with pytest.raises(InputError, match="--sizes '1,x' must be numbers"):
        numbers("1,x", int, flag="--sizes")


@pytest.mark.parametrize("kind", [CostOptions, InferenceOptions, RooflineOptions, TrainingOptions])
def test_defaults_are_of_the_type_that_is_read(kind):
    # An option is read as its default's type: a share with the default 20 would refuse 2.5.
    types = {field.name: field.type for field in fields(kind)}
    assert {field.name: type(field.default).__name__ for field in fields(kind)} == types


@pytest.mark.parametrize("module", ["cost", "inference", "roofline.__main__", "training"])
def test_it_runs_where_ray_and_tyro_are_missing(module):
    code = (
        "import sys\n"
        "for name in ('ray', 'mlflow', 'pyarrow', 'tyro', 'matplotlib', 'openvino', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        f"import benchmarks.{module}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
