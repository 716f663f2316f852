"""Finding the checkpoint that a run goes on from: the newest that can be read."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.train.collective import broadcast_from_rank_zero

from isnet.checkpoint import TRAINING_FILE, load_training_state
from isnet.config import InputError
from pipelines.logs import warn
from pipelines.storage import exists, local_copy, open_filesystem, printable
from pipelines.training.checkpoints import Damaged, find
from pipelines.training.ranks import Ranks

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a run goes on from."""

    state: Mapping[str, Any] | None
    """As `Recorder` wrote it; None for a run that has no checkpoint yet."""
    passed_over: int | None = None
    """Step of the newest checkpoint that was completed once and is damaged now."""


def restore(run: str, ranks: Ranks) -> Restored:
    """Read the newest checkpoint that can be read; every rank calls it and gets the same.

    Raises:
        InputError: there are checkpoints, and none can be read.

    """
    state: Mapping[str, Any] | None = None
    choice: tuple[str | None, int | None, str] = (None, None, "")
    if ranks.rank == 0:
        location, state, passed_over, complaint = choose(run)
        complaint = complaint or _invisible(run)
        choice = (location, passed_over, complaint)
    location, passed_over, complaint = broadcast_from_rank_zero(choice)
    if complaint:
        raise InputError(complaint)
    if state is None and location is not None:
        state = _read(location)
    return Restored(state=state, passed_over=passed_over)


def _invisible(run: str) -> str:
    """Say so where this node does not see the run's folder: it would start over by itself."""
    filesystem, folder = open_filesystem(run)
    if exists(filesystem, f"{folder}/run.json"):
        return ""
    return (
        f"{printable(run)} is not seen by node {socket.gethostname()}; --output must be a folder "
        "that every node mounts, or a URI"
    )


def choose(run: str) -> tuple[str | None, Mapping[str, Any] | None, int | None, str]:
    """Location and state of the newest sound checkpoint, the newest damaged step, a complaint."""
    sound, damaged = find(run)
    last = sound[-1].step if sound else -1
    newer = [broken for broken in damaged if broken.step > last]
    for saved in reversed(sound):
        try:
            state = _read(saved.location)
        except (InputError, OSError) as error:
            newer.append(Damaged(location=saved.location, step=saved.step, reason=str(error)))
            continue
        for broken in newer:
            warn(
                _log, f"{_name(broken)} is passed over: {broken.reason}; on from step {saved.step}"
            )
        return saved.location, state, max((b.step for b in newer), default=None), ""
    if not newer:
        return None, None, None, ""
    complaint = f"no checkpoint of {printable(run)} can be read: " + "; ".join(
        f"{_name(broken)}: {broken.reason}" for broken in newer[-3:]
    )
    # What is broadcast must be small.
    return None, None, None, f"{complaint[:600]}; start anew with another --name"


def _read(location: str) -> dict[str, Any]:
    with local_copy(location, (TRAINING_FILE,)) as folder:
        return load_training_state(folder)


def _name(broken: Damaged) -> str:
    return printable(broken.location).rpartition("/")[2].partition("?")[0]
