"""Whether the nodes of a cluster see the same files."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from isnet.config import InputError
from pipelines.nodes import alive_nodes, ask_nodes
from pipelines.storage import (
    exists,
    first_line,
    is_local,
    join,
    open_filesystem,
    printable,
    write_atomically,
)


def require_shared(output: str, inputs: Sequence[tuple[str, str, str]]) -> None:
    """Refuse, on a cluster of several nodes, files that only some of them see.

    Args:
        output: folder or URI of `--output`; a file is written there and deleted again.
        inputs: option, its value, and a file below it that is there.

    Raises:
        InputError: the output cannot be written, or a node does not see one of the places.

    """
    nodes = alive_nodes()
    if len(nodes) < 2:
        return
    marker = join(output, f".seen-{uuid.uuid4().hex}")
    filesystem, path = open_filesystem(marker)
    try:
        write_atomically(filesystem, path, b"")
    except OSError as error:
        where, reason = printable(output), first_line(error)
        raise InputError(f"cannot write to --output {where}: {reason}") from error
    try:
        for flag, location, sight in (*inputs, ("--output", output, marker)):
            # file:///x is a URI, too, and as much one node's own as /x is.
            if is_local(open_filesystem(sight)[0]):
                _require_seen(flag, location, sight, nodes)
    finally:
        filesystem.delete_file(path)


def _require_seen(flag: str, location: str, sight: str, nodes: list[dict[str, Any]]) -> None:
    """Let every node look for a file that is there."""
    answers = ask_nodes(nodes, _sees, sight)
    blind = [node for node, seen in zip(nodes, answers, strict=True) if not seen]
    if blind:
        names = ", ".join(str(node["NodeName"]) for node in blind)
        raise InputError(
            f"{flag} {location} is not the same folder on every node: {len(blind)} of {len(nodes)} "
            f"do not see it ({names}); give a folder that all nodes mount, or a URI such as "
            "s3://bucket/folder"
        )


def _sees(location: str) -> bool:
    filesystem, path = open_filesystem(location)
    return exists(filesystem, path)
