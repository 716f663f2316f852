"""The entry point that writes ONNX graphs: a checkpoint in, a graph that is right out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from isnet.checkpoint import load_generator
from isnet.config import InputError
from isnet.export import OnnxGenerator
from pipelines.export import main
from pipelines.tracking.registry import register_model
from tests.pipelines.command_process import ROOT
from tests.pipelines.evaluation.checkpoints import SMALL, small_generator, write_checkpoint

QUICK = replace(SMALL, design="unet_like")
"""The design that takes least time to export."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    generator = small_generator(0, QUICK)
    return write_checkpoint(tmp_path / "model", generator=generator, config=QUICK)


@torch.no_grad()
def require_graph_of(path: Path, generator: torch.nn.Module) -> None:
    """Hold a written graph against a network, the test's own way."""
    corrupted = torch.rand(2, 3, 32, 80, generator=torch.Generator().manual_seed(0))
    found = OnnxGenerator(path)(corrupted)
    torch.testing.assert_close(found, generator(corrupted), rtol=0, atol=1e-5)


def test_the_command_as_it_is_typed(checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "pipelines" / "export.py")]
    words = ["--model", "model", "--output", "graphs/small.onnx"]
    ended = subprocess.run(
        [*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    path = tmp_path / "graphs" / "small.onnx"
    require_graph_of(path, small_generator(0, QUICK))
    assert [entry.name for entry in path.parent.iterdir()] == ["small.onnx"]
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert (about["design"], about["blocks"], about["channels"]) == ("unet_like", "1", "2")
    for words in ("unet_like, blocks 1, channels 2", f"written:  {path} (", "compared: at most "):
        assert words in ended.stdout
    for words in ("RGB in [0, 1], 0 in the hole", "multiples of 16", "docs/export.md"):
        assert words in ended.stdout


def test_a_file_that_is_there_is_replaced_only_when_asked(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "isnet.onnx"
    path.write_text("precious")
    words = ["--model", str(checkpoint), "--output", str(path)]
    with pytest.raises(InputError, match=r"isnet\.onnx exists; .* --replace"):
        main(words)
    assert path.read_text() == "precious"
    main([*words, "--replace"])
    require_graph_of(path, small_generator(0, QUICK))


def test_the_shipped_model_is_exported_unless_another_is_named(tmp_path: Path) -> None:
    main(["--output", str(tmp_path / "isnet.onnx")])
    require_graph_of(tmp_path / "isnet.onnx", load_generator("isnet-small"))
    about = {each.key: each.value for each in onnx.load(tmp_path / "isnet.onnx").metadata_props}
    assert about["licence"].startswith("weights for research only")


def test_a_graph_that_differs_gets_nowhere(checkpoint: Path, tmp_path: Path) -> None:
    words = ["--model", str(checkpoint), "--output", str(tmp_path / "isnet.onnx")]
    with pytest.raises(InputError, match="differs from the PyTorch network"):
        main([*words, "--tolerance", "1e-12"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_dry_run_names_the_network_and_writes_nothing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(checkpoint), "--output", str(tmp_path / "isnet.onnx")]
    main([*words, "--dry-run"])
    assert "unet_like, blocks 1, channels 2" in capsys.readouterr().out
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_is_refused_even_to_be_replaced(checkpoint: Path, tmp_path: Path) -> None:
    words = ["--model", str(checkpoint), "--output", str(tmp_path), "--replace"]
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        main(words)


def test_a_registered_model_goes_to_a_uri(
    checkpoint: Path, tmp_path: Path, tracking_uri: str, tracked_run: str
) -> None:
    version = register_model(tracking_uri, tracked_run, checkpoint, tags={})
    output = (tmp_path / "graphs" / "isnet.onnx").as_uri()
    words = ["--model", f"models:/isnet/{version}", "--output", output]
    main([*words, "--tracking-uri", tracking_uri])
    require_graph_of(tmp_path / "graphs" / "isnet.onnx", small_generator(0, QUICK))
