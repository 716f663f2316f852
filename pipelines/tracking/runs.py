"""MLflow runs: the driver opens and finishes them, rank 0 fills them through a `Tracker`."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from isnet.config import InputError
from pipelines.storage import first_line, printable
from pipelines.tracking.rows import Row, now, safe_name, send_rows
from pipelines.tracking.server import (
    as_input_error,
    connect,
    resolve_uri,
    sqlite_path,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_log = logging.getLogger(__name__)

_PARAM_LENGTH = 6000
_TAG_LENGTH = 8000
# MLflow takes 100 a request but no request over 1 MB, and JSON writes a letter beyond ASCII in six.
_BATCH = 20

Item = TypeVar("Item")

Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended, in MLflow's words."""


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where runs are recorded."""

    uri: str = "sqlite:///mlflow.db"
    """MLflow tracking server (http://host:5000) or database; look at it with `mlflow ui`."""
    experiment: str = "isnet"
    """Experiment that the runs appear under; made when it does not exist."""


def open_run(
    config: TrackingConfig,
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, object],
    run_id: str | None = None,
    parent_run_id: str | None = None,
) -> str:
    """Create a run, or open one again.

    Args:
        config: the server and the experiment.
        name: shown in the list of runs.
        params: the resolved configuration; nested mappings become dotted names. In a run opened
            again the values logged first stand, and what differs is put in tags `changed.NAME`.
        tags: facts about the run: data hash, commit, VGG weights.
        run_id: the run to open again.
        parent_run_id: the run to show this one under.

    Returns:
        The run's id.

    Raises:
        InputError: the server cannot be reached or used, the run is unknown or deleted.

    """
    uri = resolve_uri(config.uri)
    client = connect(uri)
    values = _flatten(params)
    with as_input_error(uri):
        if run_id is None:
            experiment = _experiment_id(client, uri, config.experiment)
            run_id = client.create_run(experiment, run_name=name).info.run_id
        else:
            values, changed = _reopen(client, uri, run_id, values)
            tags = {**tags, **changed}
        if parent_run_id is not None:
            tags = {**tags, "mlflow.parentRunId": parent_run_id}
        _log_params_and_tags(client, run_id, values, tags)
    return run_id


def finish_run(uri: str, run_id: str, status: Status) -> None:
    """Close a run; where the server does not answer, only warn."""
    try:
        connect(uri).set_terminated(run_id, status)
    except Exception as error:  # noqa: BLE001 (nothing here may hide how training ended)
        _log.warning("run %s could not be marked %s: %s", run_id, status, first_line(error))


def log_artifacts(uri: str, run_id: str, local_path: Path, artifact_dir: str) -> None:
    """Upload a file, or what a folder holds, into a folder of the run; warn where it fails."""
    try:
        client = connect(uri)
        upload = client.log_artifacts if local_path.is_dir() else client.log_artifact
        upload(run_id, str(local_path), artifact_dir)
    except Exception as error:  # noqa: BLE001 (every artifact store has errors of its own)
        _log.warning("%s was not uploaded to run %s: %s", local_path, run_id, first_line(error))


def log_artifact_bytes(uri: str, run_id: str, data: bytes, artifact: str) -> None:
    """Upload a file from memory to a path such as `final/samples.png`; warn where it fails."""
    folder, _, name = artifact.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="isnet-") as local:
        path = Path(local) / name
        path.write_bytes(data)
        log_artifacts(uri, run_id, path, folder)


def log_once(uri: str, run_id: str, step: int, values: Mapping[str, float]) -> None:
    """Log metrics that a run does not have yet; warn where the server does not take them."""
    try:
        known = connect(uri).get_run(run_id).data.metrics
    except Exception as error:  # noqa: BLE001 (as `finish_run`)
        _log.warning("the scores were not logged to run %s: %s", run_id, first_line(error))
        return
    missing = {key: value for key, value in values.items() if safe_name(key) not in known}
    log_metrics(uri, run_id, step, missing)


def log_metrics(uri: str, run_id: str, step: int, values: Mapping[str, float]) -> None:
    """Log metrics of a step; warn where the server does not take them."""
    rows: list[Row] = [
        {"key": safe_name(key), "step": step, "timestamp": now(), "value": float(value)}
        for key, value in values.items()
    ]
    try:
        send_rows(connect(uri), run_id, rows)
    except Exception as error:  # noqa: BLE001 (as `finish_run`)
        _log.warning("metrics were not logged to run %s: %s", run_id, first_line(error))


def finish_children(uri: str, parent_run_id: str, status: Status) -> None:
    """Close those runs under a parent that still count as running; as `finish_run` does."""
    try:
        client = connect(uri)
        experiment = client.get_run(parent_run_id).info.experiment_id
        condition = f"tags.`mlflow.parentRunId` = '{parent_run_id}' and status = 'RUNNING'"
        for run in client.search_runs([experiment], condition, max_results=10_000):
            client.set_terminated(run.info.run_id, status)
    except Exception as error:  # noqa: BLE001 (as `finish_run`)
        _log.warning("runs under %s were not closed: %s", parent_run_id, first_line(error))


def git_commit(folder: Path) -> str:
    """Return the checked-out commit, `+dirty` where tracked files differ, `unknown` outside git."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return "unknown"
    return commit + ("+dirty" if _git(folder, "status", "--porcelain", "-uno") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """Find the experiment or make it; another process may make it at the same moment."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=_artifact_location(uri))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise InputError(
            f"experiment {name!r} at {printable(uri)} was deleted; give another name, or "
            "bring it back with `mlflow experiments restore`"
        )
    return str(found.experiment_id)


def _artifact_location(uri: str) -> str | None:
    """Choose a folder beside a database file (MLflow: the working directory); a server chooses."""
    path = sqlite_path(uri)
    return None if path is None else (path.parent / "mlartifacts").as_uri()


def _reopen(
    client: MlflowClient, uri: str, run_id: str, params: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Set a run RUNNING again; return the parameters it lacks, and tags for those that changed."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(f"there is no run {run_id} at {printable(uri)} to continue") from error
    if run.info.lifecycle_stage != "active":
        raise InputError(f"run {run_id} at {printable(uri)} was deleted; restore it to continue")
    client.update_run(run_id, status="RUNNING")
    known = run.data.params
    missing = {name: value for name, value in params.items() if name not in known}
    changed = {
        f"changed.{name}": value
        for name, value in params.items()
        if known.get(name, value) != value
    }
    return missing, changed


def _log_params_and_tags(
    client: MlflowClient, run_id: str, params: Mapping[str, str], tags: Mapping[str, object]
) -> None:
    from mlflow.entities import Param, RunTag

    run_params = [Param(name, value) for name, value in params.items()]
    run_tags = [
        RunTag(safe_name(key), _cut(str(value), _TAG_LENGTH)) for key, value in tags.items()
    ]
    for some_params in _chunks(run_params):
        client.log_batch(run_id, params=some_params, synchronous=True)
    for some_tags in _chunks(run_tags):
        client.log_batch(run_id, tags=some_tags, synchronous=True)


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Give nested mappings dotted names, and values the form and length that MLflow takes."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[safe_name(f"{prefix}{name}")] = _cut(str(value), _PARAM_LENGTH)
    return flat


def _cut(text: str, limit: int) -> str:
    note = f"... (cut, {len(text)} characters)"
    return text if len(text) <= limit else text[: limit - len(note)] + note
