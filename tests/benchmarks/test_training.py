"""One step of every variant that needs no compiler, and the options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.training import VARIANTS, TrainingConfig, chosen, read_options, time_variant

ROOT = Path(__file__).parent.parent.parent
TINY = TrainingConfig(
    size=32, batch=2, channels=2, extractor="random", device="cpu", steps=1, warm_up=1
)


@pytest.mark.parametrize("name", ["plain", "default", "accumulate"])
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
