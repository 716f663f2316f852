"""Turn the checkpoints of a training into weights that come with the package.

    python -m shipping.weights isnet-small runs/small-pixels/model runs/small/model

The last checkpoint is shipped, its parameters rounded to bfloat16; those before it are the runs
that led to it, from the first weights on. All their configurations and curves go along, without
their places. The checksums are written anew, for all names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from isnet.checkpoint import read_about, read_generator, save_generator
from isnet.config import InputError
from isnet.shipped import CHECKSUMS_FILE, FOLDER, SHIPPED, checksum
from pipelines.cli import parse, run_main

LICENCE_FILE = "LICENSE"

_PLACES = ("data", "output", "init_from", "tracking")
"""Options of a run that say where something lay on the machine that trained."""

_FACTS = ("data_hash", "extractor", "step", "psnr", "curve")
"""What is kept of a checkpoint beside its configuration."""


@dataclass(frozen=True, kw_only=True)
class ShipConfig:
    """What is shipped, under which name."""

    name: Annotated[str, tyro.conf.Positional]
    """One of `isnet.shipped.SHIPPED`."""
    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Checkpoint directories of the runs, from the first one; the last one is shipped."""


def main(argv: Sequence[str]) -> None:
    """Parse the command line and write the files."""
    config = parse(ShipConfig, argv, description=__doc__)
    if config.name not in SHIPPED:
        raise InputError(f"{config.name} is no shipped name: {', '.join(SHIPPED)}")
    if not config.checkpoints:
        raise InputError("name the checkpoint to ship, after those of the runs before it")
    directory = ship(config.name, [Path(checkpoint) for checkpoint in config.checkpoints])
    for file in sorted(directory.iterdir()):
        print(f"{file.stat().st_size:>12,} bytes  {file}")


def ship(name: str, checkpoints: Sequence[Path], *, folder: Path = FOLDER) -> Path:
    """Write a model's files and all checksums; return its directory.

    Args:
        name: the directory's.
        checkpoints: of the runs, the last one to be shipped.
        folder: of all shipped models; the model's directory in it holds its licence already.

    Raises:
        InputError: no licence there, or a checkpoint that cannot be read.

    """
    directory = folder / name
    if not (directory / LICENCE_FILE).is_file():
        raise InputError(f"{directory} has no {LICENCE_FILE}; say there what they may be for")
    generator, config = read_generator(checkpoints[-1])
    runs = [_facts(read_about(checkpoint)) for checkpoint in checkpoints]
    about = {"name": name, "licence": LICENCE_FILE, "runs": runs, "config": runs[0]["config"]}
    save_generator(directory, generator, config, about=about, parameters_as=torch.bfloat16)
    _write_checksums(folder)
    return directory


def _facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a run what is true wherever it is read."""
    config = {name: value for name, value in about["config"].items() if name not in _PLACES}
    return {name: about[name] for name in _FACTS} | {"config": config}


def _write_checksums(folder: Path) -> None:
    files = sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/*"))
    lines = [f"{checksum(folder / file)}  {file}\n" for file in files]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    run_main(main)
