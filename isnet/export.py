"""A generator as an ONNX graph: written, opened again, and held against PyTorch.

Needs the optional extra: pip install 'isnet[onnx]'. The graph is one pass of the network, for any
batch, height and width; Algorithm 1 goes round it (`isnet.reconstruct`).
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isnet.config import SIZE_MULTIPLE, GeneratorConfig, InputError
from isnet.inference import folded

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

INPUT, OUTPUT = "corrupted", "prediction"
CONTEXT = "context"
"""Name in a graph's metadata of the pixels away that a prediction depends on at most."""
OPSET = 20
TOLERANCE = 1e-4
CHECKED_SHAPES = ((1, 16, 16), (1, 256, 256), (2, 48, 80), (3, 112, 32))
"""Batch, height and width that an export is checked at; none is what it was traced with."""
DESCRIPTION = {
    "input": f"{INPUT}: float32 (batch, 3, height, width), RGB in [0, 1], 0 in the hole; height "
    f"and width are multiples of {SIZE_MULTIPLE}",
    "output": f"{OUTPUT}: float32 of the same shape, RGB in [0, 1]: the whole picture, known "
    "pixels too, which the caller puts back",
    "passes": "one pass of the network; progressive reconstruction (Algorithm 1) is not in it",
}
"""What every graph says about itself, beside its design."""

_ONE_FILE_BYTES = 1_500_000_000
"""Weights above this go into a file of their own: protobuf ends at 2 GiB."""
_TRACED_SHAPE = (2, 3, 64, 96)  # sizes of 1 would be taken for constants


class OnnxGenerator(nn.Module):
    """A graph in ONNX Runtime, on the CPU; `isnet.reconstruct` and `isnet.Inpainter` take it."""

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        """Open what `export_onnx` has written.

        Args:
            path: of the graph.
            threads: to compute with; 0 takes ONNX Runtime's choice.

        Raises:
            InputError: the extra is not installed, nothing is there, or `threads` is below 0.

        """
        super().__init__()
        if threads < 0:
            raise InputError(f"threads is {threads}; give 1 or more, or 0 for the runtime's choice")
        if not Path(path).is_file():
            raise InputError(f"there is no file {path}; write it with isnet.export.export_onnx")
        with _needing_extra():
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        context = self._session.get_modelmeta().custom_metadata_map.get(CONTEXT)
        self.context = None if context is None else int(context)
        """Pixels away that a prediction depends on at most; None: on the whole image."""
        self.eval()

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict: float (B, 3, H, W) in [0, 1], on any device -> float32 of the same shape."""
        image = corrupted.detach().cpu().float().numpy()
        (prediction,) = self._session.run([OUTPUT], {INPUT: image})
        return torch.from_numpy(prediction).to(corrupted.device)


def export_onnx(
    generator: nn.Module,
    path: str | Path,
    *,
    config: GeneratorConfig | None = None,
    licence: str | None = None,
) -> None:
    """Write a generator as an ONNX graph with dynamic batch, height and width.

    The file appears whole or not at all; one of that name is replaced. It holds the weights, with
    spectral norm folded into them. Weights above 1.5 GB lie beside it, in `<path>.data`.

    Args:
        generator: as `build_generator` and `load_generator` return it; left alone.
        path: where to write; missing folders are made.
        config: what it was built from, to be written into the graph's metadata.
        licence: what the weights may be used for, to be written there, too.

    Raises:
        InputError: the extra is not installed, or `path` is a folder.

    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file, such as {path / 'isnet.onnx'}")
    with _needing_extra():
        program = _traced(folded(generator).cpu().float())
    about = {} if config is None else {name: str(value) for name, value in vars(config).items()}
    context: int | None = getattr(generator, "context", None)
    if context is not None:
        about[CONTEXT] = str(context)
    if licence is not None:
        about["licence"] = licence
    program.model.metadata_props.update(about | DESCRIPTION)
    large = sum(weight.numel() * 4 for weight in generator.parameters()) > _ONE_FILE_BYTES
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}-") as scratch:
        program.save(Path(scratch) / path.name, external_data=large)
        for written in sorted(Path(scratch).iterdir(), reverse=True):  # the graph last
            os.replace(written, path.parent / written.name)


@torch.no_grad()
def check_onnx(
    generator: nn.Module,
    path: str | Path,
    *,
    tolerance: float = TOLERANCE,
    shapes: Sequence[tuple[int, int, int]] = CHECKED_SHAPES,
) -> float:
    """Hold a graph against the generator that it was made of.

    Args:
        generator: what `path` should compute.
        path: what `export_onnx` has written.
        tolerance: largest difference of a value in [0, 1] that is let pass.
        shapes: batch, height and width of the inputs, which are noise with a hole.

    Returns:
        The largest difference found.

    Raises:
        InputError: a larger one, or one that is no number; it names the input's shape.

    """
    expected, actual = folded(generator).cpu().float(), OnnxGenerator(path)
    largest = 0.0
    for shape in shapes:
        corrupted = _noise_with_hole(*shape)
        difference = (actual(corrupted) - expected(corrupted)).abs().max().item()
        if not difference <= tolerance:  # NaN is above no number
            batch, height, width = shape
            raise InputError(
                f"{path} differs from the PyTorch network by {difference:.2g} for {batch} images "
                f"of {height}x{width}, more than {tolerance:g}; was it made from this network? "
                "Export it again"
            )
        largest = max(largest, difference)
    return largest


def _traced(network: nn.Module) -> ONNXProgram:
    """Translate a network; sizes stay open."""
    dim = torch.export.Dim
    sides = {2 + axis: SIZE_MULTIPLE * dim(name) for axis, name in enumerate(("h16", "w16"))}
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            (torch.rand(_TRACED_SHAPE, generator=torch.Generator().manual_seed(0)),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: dim("batch"), **sides},),
            verbose=False,
        )
    assert program is not None  # it is only where torch writes the file
    return program


def _noise_with_hole(batch: int, height: int, width: int) -> Tensor:
    """Make an input as the network gets it: the middle of each image is missing."""
    image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height))
    image[..., height // 4 : height // 2, width // 4 : width // 2] = 0
    return image


@contextmanager
def _needing_extra() -> Iterator[None]:
    """Say what to install where an import of the extra fails."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"ONNX needs packages that are not installed ({error}); pip install 'isnet[onnx]'"
        ) from error


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep back what PyTorch's exporter says about itself, and nothing else.

    It warns of operators of torchvision, which no generator has, and of its own use of a function
    that PyTorch has deprecated.
    """
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    logger.addFilter(_is_no_word_of_torchvision)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logger.removeFilter(_is_no_word_of_torchvision)


def _is_no_word_of_torchvision(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("torchvision is not installed")
