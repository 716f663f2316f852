"""MLflow's model registry: register a trained generator, fetch a registered one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import isnet.config
from isnet.checkpoint import GENERATOR_FILES
from isnet.config import InputError
from isnet.shipped import FOLDER
from pipelines.storage import first_line, printable
from pipelines.tracking.server import as_input_error, connect, resolve_uri

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.tracking import MlflowClient

_MODEL_URI = re.compile(r"^models:/(?P<name>[^/@]+)(/(?P<version>\d+)|/latest|@(?P<alias>[\w-]+))$")
_REQUIREMENTS = ("mlflow", "torch", "torchmetrics", "numpy", "pandas", "pillow", "safetensors")


def is_registered(location: str) -> bool:
    """Tell a registered model (`models:/isnet/3`, `models:/isnet@best`) from a path."""
    return location.startswith("models:")


def register_model(
    uri: str,
    run_id: str,
    checkpoint_dir: Path,
    *,
    name: str = "isnet",
    tags: Mapping[str, object] | None = None,
) -> str:
    """Make a generator a new version of a registered model.

    The version holds the generator without its training state, the `isnet` package it was made
    with, and `registered_model.py` to run it; `mlflow models serve` can start it.

    Args:
        uri: tracking URI, as `resolve_uri` made it.
        run_id: the run that trained it.
        checkpoint_dir: a checkpoint directory of ours.
        name: of the registered model; made when it does not exist.
        tags: facts about this version.

    Returns:
        The version; the model is `models:/NAME/VERSION`.

    Raises:
        InputError: no checkpoint there, or MLflow or its artifact store cannot be reached or
            refuses.

    """
    client = connect(uri)
    texts = {key: str(value) for key, value in (tags or {}).items()}
    with as_input_error(uri), tempfile.TemporaryDirectory() as folder:
        checkpoint = _copy_generator(checkpoint_dir, Path(folder) / "checkpoint")
        model = _log_model(client, run_id, name, checkpoint)
        _ensure_registered_model(client, name)
        registered = client.create_model_version(
            name, model.artifact_location, run_id, tags=texts, model_id=model.model_id
        )
    return str(registered.version)


def fetch_registered(uri: str, model_uri: str, folder: Path | None = None) -> Path:
    """Fetch the checkpoint directory of a registered model; no code of the model is run.

    Args:
        uri: tracking URI.
        model_uri: `models:/NAME/VERSION`, `models:/NAME/latest` or `models:/NAME@ALIAS`.
        folder: where to put it; without one, where MLflow keeps it if that is a local folder,
            else a new temporary folder.

    Raises:
        InputError: no such model there, one that was not registered by this project, or MLflow
            cannot be reached.

    """
    uri = resolve_uri(uri)
    client = connect(uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        path = download_artifacts(
            f"{_storage_location(client, model_uri)}/artifacts/checkpoint",
            dst_path=None if folder is None else str(folder),
            tracking_uri=uri,
        )
    except (MlflowException, OSError) as error:
        reason = first_line(error)
        raise InputError(
            f"MLflow at {printable(uri)} has no usable {model_uri} ({reason})"
        ) from error
    return Path(path)


def resolve_registered(uri: str, model_uri: str) -> str:
    """Say which version an alias or `latest` stands for now: `models:/NAME/VERSION`.

    Raises:
        InputError: no such model there, or MLflow cannot be reached.

    """
    uri = resolve_uri(uri)
    client = connect(uri)
    from mlflow.exceptions import MlflowException

    try:
        name, version = _name_and_version(client, model_uri)
    except MlflowException as error:
        raise InputError(
            f"MLflow at {printable(uri)} has no usable {model_uri} ({first_line(error)})"
        ) from error
    return f"models:/{name}/{version}"


def _storage_location(client: MlflowClient, model_uri: str) -> str:
    """Look up where a model version's files are; MLflow's own way reads its global settings."""
    return client.get_model_version_download_uri(*_name_and_version(client, model_uri))


def _name_and_version(client: MlflowClient, model_uri: str) -> tuple[str, str]:
    match = _MODEL_URI.match(model_uri)
    if match is None:
        raise InputError(f"{model_uri!r} names no registered model; write models:/NAME/VERSION")
    name, version = match["name"], match["version"]
    if match["alias"]:
        version = client.get_model_version_by_alias(name, match["alias"]).version
    elif version is None:
        newest = client.search_model_versions(f"name='{name}'", 1, ["version_number DESC"])
        version = newest[0].version if newest else "1"
    return name, str(version)


def _copy_generator(source: Path, target: Path) -> Path:
    """Copy what inference needs; a training checkpoint also holds its optimizers' state."""
    target.mkdir()
    for file in GENERATOR_FILES:
        try:
            shutil.copy(source / file, target / file)
        except OSError as error:
            raise InputError(f"{source} is no checkpoint: {file}: {error.strerror}") from error
    return target


def _log_model(client: MlflowClient, run_id: str, name: str, checkpoint: Path) -> LoggedModel:
    """Upload an MLflow model of the run."""
    from mlflow.entities import LoggedModelOutput

    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name, run_id)
    try:
        folder = checkpoint.parent / "model"
        _save_model(folder, checkpoint, run_id, model.model_id)
        _upload(client, model.model_id, folder)
    except BaseException:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def _upload(client: MlflowClient, model_id: str, folder: Path) -> None:
    try:
        client.log_model_artifacts(model_id, str(folder))
    except Exception as error:  # every artifact store has errors of its own
        raise InputError(
            f"the artifact store does not take the model ({first_line(error)})"
        ) from error


def _save_model(folder: Path, checkpoint: Path, run_id: str, model_id: str) -> None:
    """Write the MLflow model: the checkpoint, the code to run it, what it needs installed."""
    from mlflow import pyfunc
    from mlflow.models import Model

    # Without it, a lock file in the working directory would replace the requirements given here.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    with warnings.catch_warnings():
        # An example would have MLflow run the model once more, to learn what is given here.
        warnings.filterwarnings("ignore", ".*An input example was not provided")
        pyfunc.save_model(
            folder,
            python_model=str(Path(__file__).with_name("registered_model.py")),
            artifacts={"checkpoint": str(checkpoint)},
            code_paths=[str(_copy_package(checkpoint.parent / "package"))],
            pip_requirements=[f"{name}=={_release(name)}" for name in _REQUIREMENTS],
            signature=_signature(),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )


def _release(package: str) -> str:
    """Return the installed version, without a build such as torch's `+cpu`."""
    return version(package).partition("+")[0]


def _copy_package(target: Path) -> Path:
    """Copy the isnet package without compiled files and without shipped weights."""
    package = Path(isnet.config.__file__).parent
    shutil.copytree(
        package, target / "isnet", ignore=shutil.ignore_patterns("__pycache__", FOLDER.name)
    )
    return target / "isnet"


def _signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    binary = DataType.binary
    return ModelSignature(
        inputs=Schema([ColSpec(binary, "image"), ColSpec(binary, "mask")]),
        outputs=Schema([ColSpec(binary, "image")]),
        params=ParamSchema([ParamSpec("polarity", DataType.string, "white-hole")]),
    )


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
