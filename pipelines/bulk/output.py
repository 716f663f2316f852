"""The folder of a job's results: taken for one job, finished or not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from isnet.config import InputError
from pipelines.bulk.attempts import ATTEMPTS
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.results import FOLDER, PARTS
from pipelines.changes import differences, in_words
from pipelines.confinement import Roots, lies_in
from pipelines.sources.folder import Folder
from pipelines.sources.opening import Source
from pipelines.storage import (
    exists,
    is_local,
    is_temporary,
    join,
    open_filesystem,
    printable,
    read_bytes,
    require_empty,
    write_or_explain,
)

_JOB = f"{FOLDER}/job.json"
_RUN = f"{FOLDER}/run.json"


def claim_output(output: str, identity: Mapping[str, Any]) -> None:
    """Take a folder for a job, if it may be taken.

    Raises:
        InputError: as `require_claimable`, or it cannot be written to.

    """
    if not require_claimable(output, identity):
        write_or_explain(join(output, _JOB), json.dumps(identity, indent=1).encode())


def require_claimable(output: str, identity: Mapping[str, Any]) -> bool:
    """Refuse a folder that is not new, not empty, and not of the same job.

    Returns:
        whether the job has begun there.

    Raises:
        InputError: the folder holds something else.

    """
    filesystem, folder = open_filesystem(output)
    if not exists(filesystem, f"{folder}/{_JOB}"):
        require_empty("--output", output, holds="bulk job")
        return False
    try:
        earlier = json.loads(read_bytes(filesystem, f"{folder}/{_JOB}"))
    except ValueError as error:
        raise InputError(
            f"{_JOB} in --output {printable(output)} is damaged; name another folder, or delete "
            "that one"
        ) from error
    if earlier != identity:
        changed = "; ".join(in_words(differences(earlier, identity)))
        raise InputError(
            f"--output {printable(output)} holds the results of another job: {changed}; name "
            "another folder, or delete that one"
        )
    return True


def require_apart(config: InpaintConfig, source: Source, masks: Source | None) -> None:
    """Refuse an output whose results would be pictures or masks of the job when it goes on."""
    for flag, given, place in (("--input", config.input, source), ("--masks", config.masks, masks)):
        if place is None:
            continue
        # A folder may be one of archives or tables; a pattern's fixed part is a folder.
        for outer in {given, place.location if isinstance(place, Folder) else given}:
            if lies_in(config.output, outer):
                raise InputError(
                    f"--output {printable(config.output)} lies in {flag} {printable(outer)}, where "
                    "results would be taken for pictures; name a folder elsewhere"
                )


def require_inside(config: InpaintConfig) -> None:
    """Refuse an output that lies, links followed, where the job may not write."""
    if config.within:
        own = (join(config.output, below) for below in (FOLDER, PARTS, ATTEMPTS))
        for place in (config.output, *own):
            Roots(config.within).resolve(place, "--output")


def read_run_id(output: str) -> str | None:
    """Return the MLflow run of an earlier start of the job; None where it had none."""
    filesystem, folder = open_filesystem(output)
    if not exists(filesystem, f"{folder}/{_RUN}"):
        return None
    return str(json.loads(read_bytes(filesystem, f"{folder}/{_RUN}"))["run_id"])


def keep_run_id(output: str, run_id: str) -> None:
    """Remember the job's MLflow run, for the next start."""
    write_or_explain(join(output, _RUN), json.dumps({"run_id": run_id}).encode())


def remove_leftovers(output: str) -> None:
    """Delete the temporary files of processes that were killed while they wrote.

    To be called when no process of the job is running. Object stores have none.
    """
    filesystem, folder = open_filesystem(output)
    if not is_local(filesystem):
        return
    for place, _, names in os.walk(folder):  # enters no links
        for name in filter(is_temporary, names):
            os.remove(os.path.join(place, name))
