"""A run's checkpoints on storage: half of one is never taken for one; kept, found, deleted.

runs/NAME/checkpoint_000002000/   config.json, generator.safetensors, training.pt: isnet.checkpoint
                                  complete.json: written last; the step, the held-out PSNR of these
                                  weights, and the size of each file

Ray Train's own list of checkpoints is one file that is overwritten in place: a full disk or a kill
at the wrong moment takes every checkpoint with it, and a checkpoint that is damaged or gone keeps
the run from starting. Here each checkpoint speaks for itself.
"""

from __future__ import annotations

import json
import math
import posixpath
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from pipelines.storage import exists, join, open_filesystem, read_bytes, write_atomically

COMPLETE = "complete.json"

NEWEST_KEPT = 2
"""Newest checkpoints that are kept: should the last one be damaged, the one before is there."""

_PREFIX = "checkpoint_"


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A complete checkpoint."""

    location: str
    """Its folder, a path or a URI."""
    step: int
    psnr: float
    """Held-out PSNR of its weights, in dB; NaN where they were not validated."""


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A checkpoint that cannot be gone on from."""

    location: str
    step: int
    reason: str


def upload(folder: Path, run: str, *, step: int, psnr: float) -> Saved:
    """Copy a local checkpoint directory into the run's folder, and then declare it complete.

    Args:
        folder: local directory of files.
        run: the run's folder, a path or a URI.
        step: steps trained.
        psnr: held-out PSNR, NaN for none.

    Raises:
        OSError: it cannot be written; what was written of it is removed where possible.

    """
    location = join(run, f"{_PREFIX}{step:09d}")
    filesystem, target = open_filesystem(location)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    try:
        _remove(filesystem, target)
        filesystem.create_dir(target, recursive=True)
        fs.copy_files(str(folder), target, fs.LocalFileSystem(), filesystem)
        seal = {"step": step, "psnr": None if math.isnan(psnr) else psnr, "files": sizes}
        write_atomically(filesystem, f"{target}/{COMPLETE}", json.dumps(seal).encode())
    except OSError:
        _remove(filesystem, target)
        raise
    return Saved(location=location, step=step, psnr=psnr)


def find(run: str) -> tuple[list[Saved], list[Damaged]]:
    """List a run's checkpoints, oldest first: those that are complete, and the others."""
    filesystem, folder = open_filesystem(run)
    entries = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    names = sorted(
        info.base_name
        for info in entries
        if info.type == fs.FileType.Directory and info.base_name.startswith(_PREFIX)
    )
    sound: list[Saved] = []
    damaged: list[Damaged] = []
    for name in names:
        if not name.removeprefix(_PREFIX).isdigit():
            continue
        found = _inspect(filesystem, f"{folder}/{name}", join(run, name))
        (sound if isinstance(found, Saved) else damaged).append(found)  # type: ignore[arg-type]
    return sound, damaged


def newest(run: str) -> Saved | None:
    """Find the newest complete checkpoint."""
    sound, _ = find(run)
    return sound[-1] if sound else None


def best(run: str) -> Saved | None:
    """Find the complete checkpoint of the highest held-out PSNR, the oldest of equal ones."""
    scored = [saved for saved in find(run)[0] if not math.isnan(saved.psnr)]
    return max(scored, key=lambda saved: (saved.psnr, -saved.step), default=None)


def prune(run: str, *, keep_best: int, just_saved: int) -> None:
    """Delete all but the newest two and the best; and what was never completed before them.

    What is newer than the step just saved could not be read, and will be written again.
    """
    found, damaged = find(run)
    sound = [saved for saved in found if saved.step <= just_saved]
    scored = [saved for saved in sound if not math.isnan(saved.psnr)]
    scored.sort(key=lambda saved: (saved.psnr, -saved.step))
    kept = {saved.location for saved in sound[-NEWEST_KEPT:] + scored[-keep_best:]}
    last = sound[-1].step if sound else -1
    unwanted = [saved.location for saved in sound if saved.location not in kept]
    unwanted += [broken.location for broken in damaged if broken.step < last]
    for location in unwanted:
        filesystem, folder = open_filesystem(location)
        _remove(filesystem, folder)


def delete_all(run: str) -> None:
    """Delete every checkpoint of a run; its published model stays."""
    sound, damaged = find(run)
    locations = [saved.location for saved in sound] + [broken.location for broken in damaged]
    for location in locations:
        filesystem, folder = open_filesystem(location)
        _remove(filesystem, folder)


def _inspect(filesystem: fs.FileSystem, folder: str, location: str) -> Saved | Damaged:
    step = int(posixpath.basename(folder).removeprefix(_PREFIX))
    try:
        seal = json.loads(read_bytes(filesystem, f"{folder}/{COMPLETE}"))
        psnr = math.nan if seal["psnr"] is None else float(seal["psnr"])
        sizes: dict[str, int] = seal["files"]
    except FileNotFoundError:
        return Damaged(location=location, step=step, reason="it was not written to its end")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"its {COMPLETE} cannot be read ({type(error).__name__})"
        return Damaged(location=location, step=step, reason=reason)
    infos = filesystem.get_file_info([f"{folder}/{name}" for name in sizes])
    for (name, size), info in zip(sizes.items(), infos, strict=True):
        if info.size != size:
            found = "is gone" if info.size is None else f"has {info.size:,} of {size:,} bytes"
            return Damaged(location=location, step=step, reason=f"its {name} {found}")
    return Saved(location=location, step=step, psnr=psnr)


def _remove(filesystem: fs.FileSystem, folder: str) -> None:
    """Delete a checkpoint, first what declares it complete."""
    if exists(filesystem, f"{folder}/{COMPLETE}"):
        filesystem.delete_file(f"{folder}/{COMPLETE}")
    if exists(filesystem, folder):
        filesystem.delete_dir(folder)
