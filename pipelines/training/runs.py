"""A training run's folder: its name, its configuration, and whether it has finished.

runs/demo/run.json          state, MLflow run, resolved configuration
runs/demo/claim             see claim.py
runs/demo/checkpoint_*/     see checkpoints.py
runs/demo/model/            the finished generator, to evaluate, serve and ship
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pyarrow import fs

from isnet.checkpoint import GENERATOR_FILES
from isnet.config import InputError
from pipelines.changes import differences, in_words
from pipelines.storage import (
    exists,
    join,
    open_filesystem,
    printable,
    read_bytes,
    write_atomically,
    write_or_explain,
)
from pipelines.training.config import AUTO, TrainConfig, shown

_MAY_CHANGE = frozenset(
    {
        "data",
        "tracking.uri",
        "tracking.experiment",
        "steps",
        "log_every",
        "validate_every",
        "validation_images",
        "checkpoint_every",
        "keep_checkpoints",
        "early_stop",
        "max_failures",
        "max_rollbacks",
        "wait",
        "cpus_per_worker",
        "gpus_per_worker",
    }
)
"""Options that a resumed run may change without changing what it computes.

The data may have moved; that they are the same is told by their hash.
"""

_PLACED = ("device", "precision", "num_workers")
"""Options that may be `auto`."""

_MUST_AGREE = ("data_hash", "extractor")
"""Facts that a resumed run must find as they were."""

_OF_THE_START = ("started_from", "licence")
"""Facts of a resumed run that are those of its start, whatever `--init-from` holds by now."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run on storage."""

    location: str
    """Its folder, an absolute path or a URI."""
    finished: bool
    run_id: str | None
    """MLflow's id, once there is one."""
    config: TrainConfig
    """Resolved: absolute paths, a name."""
    start: Mapping[str, str] = field(default_factory=dict)
    """Facts of what a run that goes on began from."""

    @property
    def model(self) -> str:
        """Where the finished generator lies."""
        return join(self.location, "model")

    def about(self, facts: Mapping[str, str]) -> dict[str, Any]:
        """Collect what its checkpoints keep beside the weights."""
        uri = printable(self.config.tracking.uri)
        return {
            **facts,
            "config": shown(self.config),
            "mlflow": {"uri": uri, "run_id": self.run_id},
        }

    def save(self, *, state: str, run_id: str | None, facts: Mapping[str, str]) -> Run:
        """Write `run.json`; `InputError` where that is not possible."""
        content = {
            "state": state,
            "run_id": run_id,
            "facts": dict(facts),
            "config": shown(self.config),
        }
        data = json.dumps(content, indent=2).encode() + b"\n"
        write_or_explain(join(self.location, "run.json"), data)
        return replace(self, finished=state == "finished", run_id=run_id)


def publish_model(location: str, checkpoint: Path) -> None:
    """Copy the generator of a local checkpoint directory, last of all what says that it is there.

    Args:
        location: a run's `model`, a path or a URI.
        checkpoint: the directory.

    """
    filesystem, folder = open_filesystem(location)
    for name in GENERATOR_FILES:
        write_atomically(filesystem, f"{folder}/{name}", (checkpoint / name).read_bytes())


def open_run_folder(config: TrainConfig, facts: Mapping[str, str]) -> Run:
    """Find the run that `config` names, or plan a new one.

    Args:
        config: resolved.
        facts: what the driver found; a run continues only on the data and VGG it began with.

    Raises:
        InputError: a run of that name has another configuration, data or VGG weights.

    """
    name = config.name or f"isnet-{datetime.now():%Y%m%d-%H%M%S}"
    location = join(config.output, name)
    config = replace(config, name=name)
    filesystem, folder = open_filesystem(location)
    content = _read(filesystem, folder)
    if content is None:
        return Run(location=location, finished=False, run_id=None, config=config)
    config = _as_it_began(config, content["config"])
    now = json.loads(json.dumps(shown(config)))
    before = content["config"]
    agree = {key: content["facts"][key] for key in _MUST_AGREE}
    _refuse_changes(name, {**before, **agree}, {**now, **{key: facts[key] for key in agree}})
    finished = content["state"] == "finished" and before["steps"] >= config.steps
    _say_changes(name, before, now)
    moved = before["tracking"] != now["tracking"]
    run_id = None if moved else content["run_id"]
    start = {key: content["facts"][key] for key in _OF_THE_START if key in content["facts"]}
    return Run(location=location, finished=finished, run_id=run_id, config=config, start=start)


def recorded_run_id(location: str) -> str | None:
    """MLflow's id of the run in a folder, None where it has none."""
    content = _read(*open_filesystem(location))
    return None if content is None else content["run_id"]


def _as_it_began(config: TrainConfig, before: Mapping[str, Any]) -> TrainConfig:
    """Let `auto` stand for what it was when the run began: another answer would train otherwise."""
    decided = [name for name in _PLACED if getattr(config, name) == AUTO]
    return replace(config, **{name: before.get(name, AUTO) for name in decided})


def _read(filesystem: fs.FileSystem, folder: str) -> dict[str, Any] | None:
    path = f"{folder}/run.json"
    if not exists(filesystem, path):
        return None
    try:
        content: dict[str, Any] = json.loads(read_bytes(filesystem, path))
        _ = content["state"], content["run_id"]
        _ = content["config"]["steps"], content["config"]["tracking"]
        _ = [content["facts"][key] for key in _MUST_AGREE]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged; choose another --name or remove it") from error
    return content


def _refuse_changes(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    found = differences(before, now)
    changed = in_words({key: found[key] for key in found if key not in _MAY_CHANGE})
    if changed:
        raise InputError(
            f"run {name!r} exists with another configuration: {'; '.join(changed)}; "
            "give the same options to continue it, or another --name"
        )


def _say_changes(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Name the options that do change, of those that may."""
    changed = in_words(differences(before, now))
    if changed:
        print(f"run {name} goes on with {'; '.join(changed)}", flush=True)
