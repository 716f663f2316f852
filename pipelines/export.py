"""Write a model as an ONNX graph, for ONNX Runtime and whatever else reads ONNX.

    python pipelines/export.py --model isnet-small --output isnet.onnx
    python pipelines/export.py --model models:/isnet@champion --output s3://bucket/isnet.onnx

The graph takes any batch, height and width, and is compared with PyTorch before it is put in its
place. It is one pass of the network: docs/export.md says how to use it. --dry-run says what would
be written. Needs the extra `onnx`: pip install 'isnet[onnx]'.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pyarrow.fs import FileType

from isnet.config import InputError
from isnet.export import CHECKED_SHAPES, DESCRIPTION, TOLERANCE, check_onnx, export_onnx
from isnet.shipped import SMALL
from pipelines.cli import parse, run_main, take_flag
from pipelines.models import Model, load_checkpoint, settled
from pipelines.storage import (
    absolute,
    join,
    open_filesystem,
    printable,
    require_absolute,
    split_name,
    without_secrets,
    write_or_explain,
)
from pipelines.tracking.server import resolve_uri


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What is exported, and where to."""

    output: str
    """The file, as a path or a URI, e.g. isnet.onnx."""
    model: str = SMALL
    """The model: a shipped one's name, a checkpoint directory, an authors' .pth file, a URI of
    either, or models:/isnet@champion."""
    replace: bool = False
    """Replace a file of that name."""
    tolerance: float = TOLERANCE
    """Largest difference from PyTorch, of values in [0, 1], that is let pass."""
    tracking_uri: str = "sqlite:///mlflow.db"
    """MLflow: where registered models are looked up."""


def main(argv: Sequence[str]) -> None:
    """Parse the command line, export, compare, and say how to use the graph."""
    dry_run, argv = take_flag("--dry-run", argv)
    config = resolve(parse(ExportConfig, argv, description=__doc__))
    print(json.dumps(without_secrets(asdict(config)), indent=1), flush=True)
    _require_free(config)
    model = load_checkpoint(config.model, tracking_uri=config.tracking_uri)
    design = model.config
    print(f"model:    {design.design}, blocks {design.blocks}, channels {design.channels}")
    model.say_licence()
    if not dry_run:
        _export(model, config)


def resolve(config: ExportConfig) -> ExportConfig:
    """Make paths absolute, so that messages say where everything is."""
    require_absolute("--output", config.output)
    return replace(
        config,
        model=settled(config.model),
        output=absolute(config.output),
        tracking_uri=resolve_uri(config.tracking_uri),
    )


def _require_free(config: ExportConfig) -> None:
    """Refuse an output that is there, unless it may be replaced."""
    filesystem, path = open_filesystem(config.output)
    kind, shown = filesystem.get_file_info(path).type, printable(config.output)
    if kind == FileType.Directory:
        raise InputError(f"--output {shown} is a folder; name a file in it, such as isnet.onnx")
    if kind != FileType.NotFound and not config.replace:
        raise InputError(f"--output {shown} exists; name another file, or add --replace")


def _export(model: Model, config: ExportConfig) -> None:
    """Write and compare in a temporary folder; only a graph that is right gets to its place."""
    folder, name = split_name(config.output)
    with tempfile.TemporaryDirectory(prefix="isnet-") as scratch:
        path = Path(scratch) / name
        export_onnx(model.generator, path, config=model.config, licence=model.licence)
        difference = check_onnx(model.generator, path, tolerance=config.tolerance)
        files = sorted(Path(scratch).iterdir(), reverse=True)  # weights beside it come first
        for file in files:
            write_or_explain(join(folder, file.name), file.read_bytes())
        size = sum(file.stat().st_size for file in files)
    shapes = ", ".join("x".join(map(str, shape)) for shape in CHECKED_SHAPES)
    print(f"written:  {printable(config.output)} ({size / 1e6:.1f} MB)")
    print(f"compared: at most {difference:.1e} from PyTorch; batch x height x width {shapes}")
    for key, text in DESCRIPTION.items():
        print(f"{key + ':':<9} {text}")
    print("How to use it: docs/export.md")


if __name__ == "__main__":
    run_main(main)
