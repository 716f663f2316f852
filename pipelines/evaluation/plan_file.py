"""The plan of an evaluation as a file, so that others measure on the same work."""

from __future__ import annotations

import json
from dataclasses import asdict

from isnet.config import InputError
from isnet.masks import BUCKETS
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.work import Work, WorkItem, plan_work
from pipelines.shards import Manifest
from pipelines.storage import (
    exists,
    join,
    open_filesystem,
    printable,
    read_bytes,
    write_or_explain,
)

PLAN = "plan.json"
_VERSION = 1


def find_plan(config: EvaluateConfig, manifest: Manifest) -> Work:
    """Make the plan, or take the one that was given.

    Raises:
        InputError: the given plan is damaged or of other data, or the output holds another plan.

    """
    if config.plan is None:
        work = plan_work(
            config.data,
            manifest,
            images=config.images,
            seed=config.seed,
            split=config.split,
            buckets=len(BUCKETS),
        )
    else:
        work = read_plan(config.plan)
        _require_this_data(work, config.plan, config, manifest)
    location = join(config.output, PLAN)
    if exists(*open_filesystem(location)):
        _require_same(work, read_plan(location), location, config, manifest)
    return work


def read_plan(location: str) -> Work:
    """Read a plan.

    Raises:
        InputError: none there, damaged, or changed by hand.

    """
    filesystem, path = open_filesystem(location)
    shown = printable(location)
    if not exists(filesystem, path):
        raise InputError(f"there is no plan at {shown}; name the plan.json of an evaluation")
    try:
        content = json.loads(read_bytes(filesystem, path))
        items = tuple(WorkItem(**item) for item in content["items"])
        work = Work(
            items=items,
            split=content["split"],
            data_hash=content["data_hash"],
            without_masks=tuple(content["without_masks"]),
        )
        version, digest = content["version"], content["hash"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{shown} is no plan of an evaluation ({type(error).__name__})") from error
    if version != _VERSION or work.hash != digest:
        raise InputError(
            f"{shown} says that it is version {version}, work {digest}, but what it lists is work "
            f"{work.hash} to this program (version {_VERSION}); take the original file"
        )
    return work


def keep_plan(work: Work, output: str) -> None:
    """Leave the plan in the output."""
    content = {"version": _VERSION, "hash": work.hash, **asdict(work)}
    write_or_explain(join(output, PLAN), json.dumps(content, indent=1).encode())


def _require_this_data(
    work: Work, location: str, config: EvaluateConfig, manifest: Manifest
) -> None:
    if work.data_hash != manifest.hash:
        raise InputError(
            f"the plan {printable(location)} was made for data {work.data_hash[:12]}, but "
            f"{printable(config.data)} is data {manifest.hash[:12]}: figures would not compare; "
            "give the --data it was made for, or another --plan or --output"
        )


def _require_same(
    work: Work, earlier: Work, location: str, config: EvaluateConfig, manifest: Manifest
) -> None:
    """Refuse to mix two plans in one output."""
    if earlier.hash == work.hash:
        return
    _require_this_data(earlier, location, config, manifest)
    raise InputError(
        f"{printable(config.output)} holds an evaluation on work {earlier.hash}, and this is work "
        f"{work.hash}; give the same --images, --seed and --split, or another --output"
    )
