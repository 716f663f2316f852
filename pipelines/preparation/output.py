"""The folder a data set is made in: taken for one plan, finished or not, visible or not."""

from __future__ import annotations

import json
from typing import Any

from pyarrow import fs

from isnet.config import InputError
from pipelines.changes import differences, in_words
from pipelines.preparation.plan import Plan
from pipelines.shards import (
    CONTACT_SHEET,
    MANIFEST,
    PLAN,
    REJECTED,
    SCHEMAS,
    Manifest,
    read_manifest,
)
from pipelines.storage import (
    exists,
    is_temporary,
    open_filesystem,
    printable,
    read_bytes,
    require_empty,
    write_atomically,
)


def claim(location: str, plan: Plan, *, overwrite: bool) -> None:
    """Take an output folder for a plan: empty, holding the same plan, or to be overwritten.

    Only what `prepare.py` itself has made is ever deleted.

    Raises:
        InputError: the folder holds something else, or cannot be written to.

    """
    filesystem, folder = open_filesystem(location)
    try:
        previous = _previous(filesystem, folder, location)
        if previous is not None and overwrite:
            _clear(filesystem, folder)
        elif previous is not None and previous != plan.identity:
            changed = "; ".join(in_words(differences(previous, plan.identity)))
            raise InputError(
                f"--output {printable(location)} holds another data set: {changed}; name another "
                "folder, or replace it with --overwrite"
            )
        data = json.dumps(plan.identity, indent=1).encode()
        write_atomically(filesystem, f"{folder}/{PLAN}", data)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot write to --output {printable(location)}: {reason}") from error


def _previous(filesystem: fs.FileSystem, folder: str, location: str) -> dict[str, Any] | None:
    """Identity of the plan that a folder was taken for; None for an empty folder."""
    if exists(filesystem, f"{folder}/{PLAN}"):
        try:
            found = json.loads(read_bytes(filesystem, f"{folder}/{PLAN}"))
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}
    require_empty("--output", location, holds="prepared data set")
    return None


def _clear(filesystem: fs.FileSystem, folder: str) -> None:
    """Delete a data set: what marks it as finished first, what marks it as ours last."""
    for name in (MANIFEST, REJECTED, CONTACT_SHEET):
        if exists(filesystem, f"{folder}/{name}"):
            filesystem.delete_file(f"{folder}/{name}")
    for kind in SCHEMAS:
        if exists(filesystem, f"{folder}/{kind}"):
            filesystem.delete_dir(f"{folder}/{kind}")
    filesystem.delete_file(f"{folder}/{PLAN}")


def finished_manifest(location: str, plan: Plan) -> Manifest | None:
    """Manifest of a data set that this very plan has made completely, or None."""
    filesystem, folder = open_filesystem(location)
    if not exists(filesystem, f"{folder}/{MANIFEST}"):
        return None
    manifest = read_manifest(location)
    complete = manifest.plan == plan.hash and not _absent(location, manifest)
    return manifest if complete else None


def require_visible(location: str, manifest: Manifest) -> None:
    """Refuse an output that only the nodes that wrote it can see."""
    absent = _absent(location, manifest)
    if absent:
        raise InputError(
            f"{len(absent)} shards, {absent[0]} first, were written but are not visible here; "
            f"--output {printable(location)} must be a folder that every node shares, or a URI"
        )


def remove_leftovers(location: str) -> None:
    """Delete the temporary files of tasks that were killed while they wrote.

    To be called when no task is running.
    """
    filesystem, folder = open_filesystem(location)
    for kind in SCHEMAS:
        selector = fs.FileSelector(f"{folder}/{kind}", recursive=True, allow_not_found=True)
        for info in filesystem.get_file_info(selector):
            if is_temporary(info.base_name):
                filesystem.delete_file(info.path)


def _absent(location: str, manifest: Manifest) -> list[str]:
    """Shards of a manifest that are missing or of another size."""
    filesystem, folder = open_filesystem(location)
    shards = manifest.all_shards()
    infos = filesystem.get_file_info([f"{folder}/{shard.path}" for shard in shards])
    return [s.path for s, info in zip(shards, infos, strict=True) if info.size != s.bytes]
