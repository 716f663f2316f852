"""The ways to compute the generator that `benchmarks.inference` and `.roofline` compare."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from benchmarks.filling import Fill, full_passes, windowed_passes
from isnet.config import InputError, ReconstructionConfig
from isnet.export import OnnxGenerator, export_onnx
from isnet.inference import Backend, InferenceGenerator
from isnet.reconstruction import Generator

Engine = Literal["plain", "onnxruntime"] | Backend


@dataclass(frozen=True, kw_only=True)
class InferencePath:
    """How an image is filled."""

    engine: Engine = "torch"
    """plain is the network as it was loaded, onnxruntime its export; else a backend of isnet's."""
    precision: Literal["fp32", "bf16", "int8"] = "bf16"
    windows: bool = False
    """Whether passes compute only windows round what is missing."""
    context: int | None = None
    """Pixels round what is missing that a window takes in; None: the network's whole reach."""


PATHS = {
    "plain": InferencePath(engine="plain", precision="fp32"),
    "folded": InferencePath(precision="fp32"),
    "bf16": InferencePath(),
    "compile_bf16": InferencePath(engine="compile"),
    "openvino_fp32": InferencePath(engine="openvino", precision="fp32"),
    "openvino_bf16": InferencePath(engine="openvino"),
    "openvino_int8": InferencePath(engine="openvino", precision="int8"),
    "onnxruntime_fp32": InferencePath(engine="onnxruntime", precision="fp32"),
    "bf16_windows": InferencePath(windows=True),
    "bf16_windows_128": InferencePath(windows=True, context=128),
    "bf16_windows_64": InferencePath(windows=True, context=64),
}
"""`plain` is how published code runs; `folded` is channels last too."""

FULL_PATHS = {name: path for name, path in PATHS.items() if not path.windows}
"""Those whose passes compute whole images."""

WINDOWS_AGAINST = "bf16"
"""The path of full passes that those of windows are held against."""

_PACKAGES = {
    "openvino": (("openvino",), "isnet[openvino]"),
    "onnxruntime": (("onnx", "onnxscript", "onnxruntime"), "isnet[onnx]"),
}
"""What engines need beside PyTorch, and the extra that brings it."""


def obstacle(path: InferencePath, device: torch.device) -> str:
    """Say why a path cannot run here; nothing where it can."""
    packages, extra = _PACKAGES.get(path.engine, ((), ""))
    if packages and device.type != "cpu":
        return f"{path.engine} is for CPUs; give --device cpu"
    for package in packages:
        if find_spec(package) is None:
            return f"{package} is not installed; pip install '{extra}'"
    return ""


def choose(names: str, known: Mapping[str, InferencePath], device: torch.device) -> list[str]:
    """Read a list of paths, separated by commas; an empty one stands for all that can run here.

    Raises:
        InputError: a path that is unknown, or that cannot run here.

    """
    if not names:
        return [name for name, path in known.items() if not obstacle(path, device)]
    wanted = names.split(",")
    for name in wanted:
        if name not in known:
            raise InputError(f"unknown path {name!r}; choose of {', '.join(known)}")
        if reason := obstacle(known[name], device):
            raise InputError(f"path {name} cannot run: {reason}")
    return wanted


def fill_by(
    path: InferencePath, generator: nn.Module, config: ReconstructionConfig, device: torch.device
) -> Fill:
    """Arrange a generator as a path says, to fill batches."""
    network = arranged(path, generator, device)
    if not path.windows:
        return full_passes(network, config, device)
    context = path.context
    if context is None:
        assert isinstance(network, InferenceGenerator)
        context = network.context
    if context is None:
        raise InputError("this network looks at the whole image: it has no window")
    return windowed_passes(network, config, device, context)


def arranged(path: InferencePath, generator: nn.Module, device: torch.device) -> Generator:
    """Arrange a generator as a path says, for single passes."""
    if path.engine == "plain":
        return generator.to(device).eval()
    if path.engine == "onnxruntime":
        return _through_onnx(generator)
    return InferenceGenerator(
        generator, device=device, precision=path.precision, backend=path.engine
    )


def _through_onnx(generator: nn.Module) -> OnnxGenerator:
    """Export a generator, for ONNX Runtime with as many threads as PyTorch has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generator.onnx"
        export_onnx(generator, file)
        return OnnxGenerator(file, threads=torch.get_num_threads())
