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

_FACTS = ("started_from", "data_hash", "extractor", "step", "psnr", "curve")
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
        InputError: no licence there; a checkpoint that cannot be read, that no run of ours left or
            that was not validated; or runs that do not follow from each other.

    """
    directory = folder / name
    if not (directory / LICENCE_FILE).is_file():
        raise InputError(f"{directory} has no {LICENCE_FILE}; say there what they may be for")
    generator, config = read_generator(checkpoints[-1])
    abouts = [_about(checkpoint) for checkpoint in checkpoints]
    if abouts[-1]["psnr"] is None:
        raise InputError(f"{checkpoints[-1]} was not validated; ship one of a validation's step")
    earlier = _earlier_runs(name, directory, abouts[0])
    _require_chain(checkpoints, abouts, went_on=bool(earlier))
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
    about = {"started_from": None, **read_about(checkpoint)}
    missing = [name for name in (*_FACTS, "config") if name not in about]
    if missing:
        raise InputError(
            f"{checkpoint} lacks {', '.join(missing)}; give a checkpoint that train.py wrote"
        )
    return about


def _earlier_runs(name: str, directory: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs that led to where this one began, if it began from what was shipped then.

    What is shipped now may be an earlier checkpoint of the same run, whose place this one takes.
    """
    if about["config"]["init_from"] != name:
        return []
    runs: list[dict[str, Any]] = read_about(directory)["runs"]
    for index, run in enumerate(runs):
        if _begin(run) == _begin(about):
            return runs[:index]
    shipped = _fingerprint(directory)
    if about["started_from"] != shipped:
        raise InputError(
            f"the run began from other weights of {name} ({about['started_from']}) than those in "
            f"{directory} ({shipped}); put those back first"
        )
    return runs


def _begin(about: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a run: its name, and the weights that it began from."""
    return about["config"]["name"], about.get("started_from")


def _require_chain(
    checkpoints: Sequence[Path], abouts: Sequence[Mapping[str, Any]], *, went_on: bool
) -> None:
    """Refuse runs that did not begin where the one before ended, or the first one anew.

    Args:
        checkpoints: of the runs.
        abouts: what each says of its run.
        went_on: whether the first one went on from runs that are shipped.

    """
    ends = [abouts[0]["started_from"] if went_on else None, *map(_fingerprint, checkpoints[:-1])]
    for checkpoint, about, end in zip(checkpoints, abouts, ends, strict=True):
        if about["started_from"] != end:
            raise InputError(
                f"the run of {checkpoint} began from weights {about['started_from']}, and the one "
                f"before it ended with {end}; name all runs, from the first one on"
            )


def _fingerprint(directory: Path) -> str:
    generator, _ = read_generator(directory)
    return fingerprint(generator)


def _write_checksums(folder: Path) -> None:
    names = [name for name in SHIPPED if (folder / name).is_dir()]
    files = [f"{name}/{file}" for name in names for file in FILES]
    lines = [f"{checksum(folder / file)}  {file}\n" for file in files]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    run_main(main)
