"""Train ISNet on a prepared data set with Ray Train, tracked by MLflow.

On a laptop, in minutes:

    python pipelines/prepare.py --photos samples --output data/demo --size 64 --crops-per-photo 48
    python pipelines/train.py smoke --data data/demo --name first

The paper's network on Places2, on a cluster:

    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \\
        python pipelines/train.py places2 --data /shared/places2 --output /shared/runs --workers 8

The same command continues a run that was interrupted, where it has a --name. --dry-run prints
the resolved configuration and stops.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from isnet.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_generator
from isnet.config import InputError
from isnet.losses import needs_extractor
from isnet.network import SIZE_MULTIPLE
from isnet.vgg import build_extractor
from pipelines.cli import parse_preset, run_main
from pipelines.cluster import connect
from pipelines.shards import Manifest, read_manifest
from pipelines.storage import is_uri, require_absolute
from pipelines.tracking.registry import register_model
from pipelines.tracking.runs import finish_run, git_commit, log_artifacts, open_run
from pipelines.tracking.server import resolve_uri
from pipelines.training.config import PRESETS, TrainConfig
from pipelines.training.runs import Run, open_run_folder


class TrainingStoppedError(InputError):
    """Training could not go on; checkpoints up to then are kept."""


def main(argv: Sequence[str]) -> None:
    """Parse the command line and train."""
    arguments = [argument for argument in argv if argument != "--dry-run"]
    config = resolve(parse_preset(PRESETS, arguments, description=__doc__))
    print(json.dumps(asdict(config), indent=2), flush=True)
    if len(arguments) == len(argv):
        fit(config)


def resolve(config: TrainConfig) -> TrainConfig:
    """Make every path absolute, since workers have other working directories."""
    require_absolute("--data", config.data)
    require_absolute("--output", config.output)
    require_absolute("--tracking.uri", config.tracking.uri)
    tracking = replace(config.tracking, uri=resolve_uri(config.tracking.uri))
    return replace(
        config,
        data=_absolute(config.data),
        output=_absolute(config.output),
        init_from=config.init_from and _absolute(config.init_from),
        tracking=tracking,
    )


def fit(config: TrainConfig) -> Run:
    """Train one run to its end, or continue it; `config` as `resolve` returned it.

    Returns:
        The finished run; its generator lies in `run.model`.

    Raises:
        InputError: something in the configuration or the data cannot work, or training stopped
            on a loss that was not finite.

    """
    manifest = read_manifest(config.data)
    about = _inspect(config, manifest)
    run = open_run_folder(config)
    if run.finished:
        print(f"run {run.config.name} has finished: its model is {run.model}")
        return run
    run_id = open_run(
        config.tracking,
        name=str(run.config.name),
        params=asdict(run.config),
        tags=about,
        run_id=run.run_id,
    )
    run = run.save(state="running", run_id=run_id)
    status = "FAILED"
    try:
        _train(run, manifest, about)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        finish_run(config.tracking.uri, run_id, status)  # type: ignore[arg-type]
    print(_closing_words(run))
    return run.save(state="finished", run_id=run_id)


def _inspect(config: TrainConfig, manifest: Manifest) -> dict[str, Any]:
    """Find in the driver, before anything starts, what would fail in the workers."""
    if manifest.size % SIZE_MULTIPLE:
        raise InputError(
            f"{config.data} holds images of {manifest.size}x{manifest.size}; training needs a "
            f"size divisible by {SIZE_MULTIPLE}: prepare with another --size"
        )
    if config.init_from is not None:
        _check_same_design(config)
    extractor = "none"
    if needs_extractor(config.loss.weights()):
        extractor = build_extractor(config.loss.extractor, config.loss.extractor_weights).source
    return {
        "data_hash": manifest.hash,
        "git_commit": git_commit(Path(__file__).parent),
        "extractor": extractor,
        "design": config.generator.design,
    }


def _check_same_design(config: TrainConfig) -> None:
    _, found = read_generator(str(config.init_from))
    if found != config.generator:
        raise InputError(
            f"--init-from {config.init_from} is {asdict(found)}, but the run trains "
            f"{asdict(config.generator)}; make --generator.design, .blocks and .channels agree"
        )


def _train(run: Run, manifest: Manifest, about: dict[str, Any]) -> None:
    """Run Ray Train to the last step, then publish and register the model."""
    cores = os.cpu_count() or 1
    # Replaced workers are noticed, and checkpoints registered, at this interval.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    # Ray Train's own handling of print() shows every progress line twice.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")
    connect(num_cpus=cores + run.config.workers)
    result = _trainer(run, manifest, about).fit()
    if result.return_value is not None:
        raise TrainingStoppedError(
            f"{result.return_value}; checkpoints up to then are in {run.location}"
        )
    assert result.checkpoint is not None
    assert run.run_id is not None
    with result.checkpoint.as_directory() as folder:
        checkpoint = Path(folder)
        run.publish_model(checkpoint, (CONFIG_FILE, WEIGHTS_FILE))
        uri = run.config.tracking.uri
        log_artifacts(uri, run.run_id, checkpoint / CONFIG_FILE, "model")
        _register(uri, run.run_id, checkpoint, about)


def _trainer(run: Run, manifest: Manifest, about: dict[str, Any]) -> Any:
    import ray
    from ray.train import (
        CheckpointConfig,
        FailureConfig,
        LoggingConfig,
        RunConfig,
        ScalingConfig,
    )
    from ray.train.torch import TorchConfig, TorchTrainer

    from pipelines.storage import open_filesystem
    from pipelines.training.loop import Job, train_worker
    from pipelines.training.streams import read_mask_bank, read_row_groups, steps_per_epoch

    config = run.config
    row_groups = read_row_groups(config.data, manifest, "train")
    steps_per_epoch(row_groups, config.batch_size)
    folder = run.local_folder or Path(tempfile.gettempdir())
    job = Job(
        config=config,
        row_groups=row_groups,
        masks=ray.put(read_mask_bank(config.data, manifest, "train")),
        tracking_uri=config.tracking.uri,
        run_id=str(run.run_id),
        folder=str(folder),
        about={
            **about,
            "config": asdict(config),
            "mlflow": {"uri": config.tracking.uri, "run_id": run.run_id},
        },
    )
    use_gpu = ray.cluster_resources().get("GPU", 0) >= config.workers
    filesystem, storage_path = open_filesystem(config.output)
    return TorchTrainer(
        train_worker,  # type: ignore[arg-type]  # annotated without the value that Result returns
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=config.workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": config.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
        ),
        run_config=RunConfig(
            name=config.name,
            storage_path=storage_path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=config.keep_checkpoints),
            # The terminal is for our own progress lines.
            logging_config=LoggingConfig(log_level="WARNING"),  # type: ignore[call-arg]
        ),
    )


def _register(uri: str, run_id: str, checkpoint: Path, about: dict[str, Any]) -> None:
    """Put the generator into the registry; without MLflow the model folder is still there."""
    try:
        version = register_model(uri, run_id, checkpoint, tags=about)
        print(f"registered as models:/isnet/{version}")
    except InputError as error:
        print(f"warning: the model was not registered: {error}")


def _closing_words(run: Run) -> str:
    return (
        f"finished: the model is {run.model}\n"
        f"  measure it:  python pipelines/evaluate.py --checkpoint {run.model} "
        f"--data {run.config.data}\n"
        f"  its curves:  mlflow ui --backend-store-uri {run.config.tracking.uri}"
    )


def _absolute(location: str) -> str:
    return location if is_uri(location) else str(Path(location).expanduser().absolute())


if __name__ == "__main__":
    run_main(main)
