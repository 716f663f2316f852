"""Command lines out of dataclasses, and benchmarks that run where Ray is missing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields

import pytest

from benchmarks.cost import CostOptions
from benchmarks.inference import InferenceOptions
from benchmarks.options import ROOT, NetworkOptions, in_a_process, numbers, read_options
from benchmarks.roofline.__main__ import RooflineOptions
from isnet.config import InputError


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
    ],
)
def test_a_mistake_is_refused_before_anything_runs(given, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        read_options(_Options, given, module="a.b", about="")
    assert message in capsys.readouterr().err


def test_numbers_are_separated_by_commas():
    assert numbers("1,2,", int, flag="--sizes") == [1, 2]
    with pytest.raises(InputError, match="--sizes '1,x' must be numbers"):
        numbers("1,x", int, flag="--sizes")


@pytest.mark.parametrize("kind", [CostOptions, InferenceOptions, RooflineOptions])
def test_defaults_are_of_the_type_that_is_read(kind):
    # An option is read as its default's type: a share with the default 20 would refuse 2.5.
    types = {field.name: field.type for field in fields(kind)}
    assert {field.name: type(field.default).__name__ for field in fields(kind)} == types


def test_a_measurement_has_a_process_of_its_own(tmp_path):
    config = InferenceOptions(channels=2, blocks=1, size=32, images=1, warm_up=0, device="cpu")
    found = in_a_process(config, module="benchmarks.inference", one="plain", keep=str(tmp_path))
    assert len(found["seconds"]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["000000.npy"]


@pytest.mark.parametrize("module", ["cost", "inference", "roofline.__main__"])
def test_it_runs_where_ray_and_tyro_are_missing(module):
    code = (
        "import sys\n"
        "for name in ('ray', 'mlflow', 'pyarrow', 'tyro', 'matplotlib', 'openvino', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        f"import benchmarks.{module}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
