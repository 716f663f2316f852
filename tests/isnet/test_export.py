"""The generator as an ONNX graph: PyTorch's numbers at any size, and a check that can fail."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from isnet import export
from isnet.config import Design, GeneratorConfig, InputError, ReconstructionConfig
from isnet.context import context_of
from isnet.export import OnnxGenerator, check_onnx, export_onnx
from isnet.inpainter import Inpainter, InpaintingTask
from isnet.network import generator_from_config
from isnet.reconstruction import reconstruct
from tests.isnet.small_pictures import as_mask, noise, square_hole

NEAR = 2e-5
"""A fifth of what is promised; without spectral norm, unet_like's rounding errors grow."""
EXPORT_WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from isnet.export import export_onnx
from isnet.network import build_generator
export_onnx(build_generator("unet_like", blocks=1, channels=1), sys.argv[2])
"""

SLOW = (pytest.param(design, marks=pytest.mark.slow) for design in ("base", "base_ff"))
DESIGNS = ["isnet", "unet_like", *SLOW]


class Exported(NamedTuple):
    config: GeneratorConfig
    generator: nn.Module
    path: Path


def small(config: GeneratorConfig, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return generator_from_config(config).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Design], Exported]:
    """Graphs of small networks; each is traced once, which takes seconds."""
    finished: dict[Design, Exported] = {}

    def get(design: Design = "isnet") -> Exported:
        if design not in finished:
            config = GeneratorConfig(design=design, blocks=1, channels=2)
            path = tmp_path_factory.mktemp("graphs") / f"{design}.onnx"
            export_onnx(small(config), path, config=config)
            finished[design] = Exported(config, small(config), path)
        return finished[design]

    return get


@pytest.fixture
def graph(exported) -> Exported:
    """ISNet's graph."""
    return exported("isnet")


@pytest.fixture
def quick(exported) -> Exported:
    """The graph that takes least time to export again, where it does not matter which."""
    return exported("unet_like")


def image(batch: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(7))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk does, to this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tampered(source: Path, path: Path, change: Callable[[np.ndarray], Any]) -> Path:
    """Copy a graph with one of its weights changed."""
    model = onnx.load(source)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "head.2.bias")
    array = onnx.numpy_helper.to_array(weight).copy()
    change(array)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("design", DESIGNS)
def test_the_graph_computes_what_pytorch_does_at_any_size(exported, design: Design) -> None:
    _, generator, path = exported(design)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 16, 16), (1, 16, 176), (2, 64, 96), (5, 80, 32), (1, 272, 256)):
        corrupted = image(*shape)
        (found,) = session.run(["prediction"], {"corrupted": corrupted.numpy()})
        expected = generator(corrupted).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=NEAR)
    assert 0 < check_onnx(generator, path) < NEAR


@pytest.mark.parametrize("design", DESIGNS)
def test_the_graph_says_how_far_the_network_looks(exported, design: Design) -> None:
    config, _, path = exported(design)
    assert OnnxGenerator(path).context == context_of(config)
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert about.get("context") == (None if design == "unet_like" else str(context_of(config)))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_graph_says_what_it_is(exported, design: Design) -> None:
    model = onnx.load(exported(design).path)
    onnx.checker.check_model(model, full_check=True)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert {"design": design, "blocks": "1", "channels": "2"}.items() <= about.items()
    assert "multiples of 16" in about["input"]
    assert "0 in the hole" in about["input"]
    assert "Algorithm 1" in about["passes"]
    assert about["output"].startswith("prediction: ")
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]


def test_the_sizes_in_it_are_open(graph: Exported) -> None:
    model = onnx.load(graph.path).graph
    for (value,), name in ((model.input, "corrupted"), (model.output, "prediction")):
        dims = value.type.tensor_type.shape.dim
        assert value.name == name
        assert [bool(dim.dim_param) for dim in dims] == [True, False, True, True]
        assert dims[1].dim_value == 3


def test_without_a_configuration_it_says_nothing_of_the_design(tmp_path: Path) -> None:
    generator = small(GeneratorConfig(design="base_ff", blocks=1, channels=1)).train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    export_onnx(generator, tmp_path / "new" / "graph.onnx")
    about = {entry.key for entry in onnx.load(tmp_path / "new" / "graph.onnx").metadata_props}
    assert about == {"context", "input", "output", "passes"}
    # The generator is left as it was.
    assert all(module.training for module in generator.modules())
    after = generator.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    generator(image(1, 16, 16)).mean().backward()


@torch.no_grad()
def test_progressive_reconstruction_runs_on_the_graph(graph: Exported) -> None:
    picture = image(2, 45, 70)
    valid = torch.ones(2, 1, 45, 70, dtype=torch.bool)
    valid[0, :, 8:40, 8:60] = False
    valid[1, :, 20:24, 20:24] = False
    found = reconstruct(OnnxGenerator(graph.path), picture, valid, kernel_size=5)
    expected = reconstruct(graph.generator, picture, valid, kernel_size=5)
    assert found.passes.tolist() == expected.passes.tolist()
    assert len(set(found.passes.tolist())) == 2
    torch.testing.assert_close(found.image, expected.image, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.prediction, expected.prediction, rtol=0, atol=1e-4)


def test_the_inpainter_runs_on_the_graph(graph: Exported) -> None:
    picture, hole = noise("RGB"), square_hole()
    config = ReconstructionConfig(max_passes=2)
    filled = [
        np.asarray(Inpainter(network, reconstruction=config)(picture, as_mask(hole))).astype(int)
        for network in (OnnxGenerator(graph.path), graph.generator)
    ]
    np.testing.assert_allclose(filled[0], filled[1], rtol=0, atol=1)
    np.testing.assert_array_equal(filled[0][~hole], np.asarray(picture)[~hole])


def test_the_inpainter_computes_windows_on_the_graph(graph: Exported) -> None:
    height, width = 336, 400
    hole = np.zeros((height, width), dtype=bool)
    hole[150:158, 200:210] = True
    task = InpaintingTask(noise("RGB", height=height, width=width), as_mask(hole))
    network, seen = OnnxGenerator(graph.path), []
    network.register_forward_hook(lambda _, given, made: seen.append(tuple(given[0].shape[2:])))
    config = ReconstructionConfig(kernel_size=5, threshold=0, max_passes=2)
    (found,) = Inpainter(network, reconstruction=config).fill(task.regions)
    (expected,) = Inpainter(graph.generator, reconstruction=config).fill(task.regions)
    assert len(seen) == 2
    assert all(tall <= height and wide <= width - 64 for tall, wide in seen)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_it_computes_with_as_many_threads_as_it_is_told(graph: Exported) -> None:
    options = OnnxGenerator(graph.path, threads=1)._session.get_session_options()
    assert options.intra_op_num_threads == 1
    with pytest.raises(InputError, match="threads is -1; give 1 or more"):
        OnnxGenerator(graph.path, threads=-1)


def test_a_weight_that_was_changed_is_found(graph: Exported, tmp_path: Path) -> None:
    def nudge(bias: np.ndarray) -> None:
        bias[1] += 1e-3

    path = tampered(graph.path, tmp_path / "other.onnx", nudge)
    with pytest.raises(InputError, match=r"other\.onnx differs .* by 0\.000\d+ for 1 images"):
        check_onnx(graph.generator, path)
    assert NEAR < check_onnx(graph.generator, path, tolerance=1e-2) < 1e-3


def test_what_is_no_number_is_found(graph: Exported, tmp_path: Path) -> None:
    path = tampered(graph.path, tmp_path / "nan.onnx", lambda bias: bias.fill(np.nan))
    with pytest.raises(InputError, match=r"nan\.onnx differs .* by nan"):
        check_onnx(graph.generator, path)


def test_the_graph_of_another_network_is_found(graph: Exported) -> None:
    with pytest.raises(InputError, match="was it made from this network"):
        check_onnx(small(graph.config, seed=1), graph.path)


def test_a_full_disk_leaves_what_was_there(quick: Exported, tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_text("the old one")
    with no_file_larger_than(10_000), pytest.raises(OSError, match="too large"):
        export_onnx(quick.generator, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph.onnx"]
    assert path.read_text() == "the old one"


def test_weights_that_no_file_could_hold_lie_beside_it(
    quick: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_ONE_FILE_BYTES", 0)
    export_onnx(quick.generator, tmp_path / "graph.onnx")
    sizes = {entry.name: entry.stat().st_size for entry in tmp_path.iterdir()}
    assert sizes.keys() == {"graph.onnx", "graph.onnx.data"}
    weights = sum(parameter.numel() * 4 for parameter in quick.generator.parameters())
    assert sizes["graph.onnx.data"] > 0.9 * weights
    assert check_onnx(quick.generator, tmp_path / "graph.onnx") < NEAR


def test_a_folder_is_no_place_for_a_graph(graph: Exported, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; name a file, such as .*isnet\.onnx"):
        export_onnx(graph.generator, tmp_path)


def test_a_graph_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*absent\.onnx"):
        OnnxGenerator(tmp_path / "absent.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_package_missing_for_the_export_is_named_with_its_fix(
    package: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", EXPORT_WITHOUT, package, str(tmp_path / "graph.onnx")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("isnet.config.InputError: ONNX needs packages")
    assert package in last
    assert "pip install 'isnet[onnx]'" in last
    assert list(tmp_path.iterdir()) == []


def test_a_package_missing_for_the_runtime_is_named_with_its_fix(
    graph: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime.*; pip install 'isnet\[onnx\]'"):
        OnnxGenerator(graph.path)


def test_only_the_exporters_words_about_itself_are_kept_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    monkeypatch.setattr(logger, "propagate", True)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with export._quiet_exporter(), caplog.at_level(logging.WARNING, logger=logger.name):
            logger.warning("torchvision is not installed. Skipping %s", "torchvision::nms")
            logger.warning("an operator has no translation")
            for words in ("`isinstance(treespec, LeafSpec)` is deprecated", "another will change"):
                warnings.warn(words, FutureWarning, stacklevel=1)
    assert caplog.messages == ["an operator has no translation"]
    assert [str(one.message) for one in shown] == ["another will change"]
    assert logger.filters == []
