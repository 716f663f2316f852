"""Turn the checkpoints of a training into weights that come with the package.

    python -m shipping.weights isnet-small runs/small-pixels/model runs/small/model

The last checkpoint is shipped, its parameters rounded to bfloat16; those before it are the runs
that led to it, from new weights on, or from those that are shipped already, whose runs come first
then. Their configurations and curves go along, without their places on the machine. The checksums
are written anew, for all names.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from isnet.checkpoint import GENERATOR_FILES, read_about, read_generator, save_generator
from isnet.config import InputError
from isnet.shipped import CHECKSUMS_FILE, FILES, FOLDER, LICENCE_FILE, SHIPPED, checksum
from pipelines.cli import parse, run_main
from pipelines.models import fingerprint

_OF_THE_MACHINE = ("data", "output", "init_from", "tracking")
"""Options of a run that say where something lay where it was trained."""

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
    for file in FILES:
        print(f"{(directory / file).stat().st_size:>12,} bytes  {directory / file}")


def ship(name: str, checkpoints: Sequence[Path], *, folder: Path = FOLDER) -> Path:
    """Write a model's files and all checksums; return its directory.

    Args:
        name: the directory's.
        checkpoints: of the runs, the last one to be shipped.
        folder: of all shipped models; the model's directory in it holds its licence already.

    Raises:
        InputError: no licence there, a checkpoint that cannot be read or that no run of ours left,
            or runs that do not follow from each other.

    """
    directory = folder / name
    if not (directory / LICENCE_FILE).is_file():
        raise InputError(f"{directory} has no {LICENCE_FILE}; say there what they may be for")
    generator, config = read_generator(checkpoints[-1])
    abouts = [_about(checkpoint) for checkpoint in checkpoints]
    earlier = _earlier_runs(name, directory, abouts[0])
    _require_one_training(checkpoints, abouts, earlier)
    runs = [*earlier, *map(_run, abouts)]
    about = {
        **runs[-1],
        "licence": f"weights for research only, see {LICENCE_FILE} in isnet/weights/{name}",
        "runs": runs,
    }
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        save_generator(scratch, generator, config, about=about, parameters_as=torch.bfloat16)
        for file in GENERATOR_FILES:
            os.replace(Path(scratch) / file, directory / file)
    _write_checksums(folder)
    return directory


def _run(about: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a run what is true wherever it is read."""
    config = {name: value for name, value in about["config"].items() if name not in _OF_THE_MACHINE}
    config["loss"] = config["loss"] | {"extractor_weights": None}
    return {name: about[name] for name in _FACTS} | {"config": config}


def _about(checkpoint: Path) -> Mapping[str, Any]:
    about = read_about(checkpoint)
    missing = [name for name in (*_FACTS, "config") if name not in about]
    if missing:
        raise InputError(
            f"{checkpoint} lacks {', '.join(missing)}; give a checkpoint that train.py wrote"
        )
    return about


def _earlier_runs(name: str, directory: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of what is shipped now, where this run began from it."""
    if about["config"]["init_from"] != name:
        return []
    generator, _ = read_generator(directory)
    shipped = fingerprint(generator)
    if about["started_from"] != shipped:
        raise InputError(
            f"the run began from other weights of {name} ({about['started_from']}) than those in "
            f"{directory} ({shipped}); put those back first"
        )
    runs: list[dict[str, Any]] = read_about(directory)["runs"]
    return runs


def _require_one_training(
    checkpoints: Sequence[Path],
    abouts: Sequence[Mapping[str, Any]],
    earlier: Sequence[Mapping[str, Any]],
) -> None:
    """Refuse runs that did not begin with new weights, or that not all began with the same ones.

    What is shipped says by the seed and the initialisation what it was before training.
    """
    configs = [about["config"] for about in abouts]
    first = earlier[0]["config"] if earlier else configs[0]
    for checkpoint, config in zip(checkpoints, configs, strict=True):
        started = config["init_from"]
        if (started is None) != (config is first):
            rest = "with new weights" if started is None else f"from {started}"
            raise InputError(
                f"the run of {checkpoint} began {rest}; name the runs from the first one on"
            )
        if _start(config) != _start(first):
            raise InputError(
                f"the run of {checkpoint} has another seed or initialisation than the first one"
            )


def _start(config: Mapping[str, Any]) -> tuple[Any, ...]:
    optimizer = config["optimizer"]
    return config["seed"], optimizer["initialisation"], optimizer["init_std"]


def _write_checksums(folder: Path) -> None:
    names = [name for name in SHIPPED if (folder / name).is_dir()]
    files = [f"{name}/{file}" for name in names for file in FILES]
    lines = [f"{checksum(folder / file)}  {file}\n" for file in files]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    run_main(main)
