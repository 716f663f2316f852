"""Train ISNet on a prepared data set with Ray Train, tracked by MLflow.

On a laptop, in minutes:

    python pipelines/prepare.py --photos samples --output data/demo --size 64 --crops-per-photo 48
    python pipelines/train.py smoke --data data/demo --name first

The paper's network on Places2, on a cluster:

    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \\
        python pipelines/train.py places2 --num-workers 8 --data /shared/places2 \\
        --output /shared/runs --tracking.uri http://mlflow:5000

The same command continues a run that was interrupted, where it has a --name. --dry-run prints
the resolved configuration and stops.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from isnet.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from isnet.config import InputError
from pipelines.cli import parse_preset, run_main
from pipelines.shards import read_manifest
from pipelines.storage import absolute, local_copy, printable, require_absolute
from pipelines.tracking.registry import register_model
from pipelines.tracking.runs import finish_run, log_artifacts, open_run
from pipelines.tracking.server import resolve_uri
from pipelines.training.checkpoints import best, newest
from pipelines.training.checks import Inspection, inspect
from pipelines.training.claim import Claim
from pipelines.training.config import PRESETS, TrainConfig, shown
from pipelines.training.launch import connect_for, launch
from pipelines.training.loop import Ending
from pipelines.training.placement import place
from pipelines.training.runs import Run, open_run_folder
from pipelines.training.stopping import EXIT_CODE


class TrainingStoppedError(InputError):
    """Training could not go on; checkpoints up to then are kept."""


class TerminatedError(Exception):
    """SIGTERM ended the run, with a checkpoint."""


def main(argv: Sequence[str]) -> int:
    """Parse the command line and train; return the exit code."""
    arguments = [argument for argument in argv if argument != "--dry-run"]
    config = resolve(parse_preset(PRESETS, arguments, description=__doc__))
    print(json.dumps(shown(config), indent=2), flush=True)
    if len(arguments) < len(argv):
        return 0
    try:
        fit(config)
    except TerminatedError as stopped:
        print(stopped, file=sys.stderr)
        return EXIT_CODE
    return 0


def resolve(config: TrainConfig) -> TrainConfig:
    """Make every path absolute, since workers have other working directories.

    Raises:
        InputError: a relative path inside a submitted job, which runs in a copy that goes away.

    """
    weights = config.loss.extractor_weights
    paths = {
        "--data": config.data,
        "--output": config.output,
        "--init-from": config.init_from,
        "--loss.extractor-weights": weights,
        "--tracking.uri": config.tracking.uri,
    }
    for flag, location in paths.items():
        if location is not None:
            require_absolute(flag, location)
    return replace(
        config,
        data=absolute(config.data),
        output=absolute(config.output),
        init_from=config.init_from and absolute(config.init_from),
        loss=replace(config.loss, extractor_weights=weights and absolute(weights)),
        tracking=replace(config.tracking, uri=resolve_uri(config.tracking.uri)),
    )


def fit(config: TrainConfig) -> Run:
    """Train one run to its end, or continue it; `config` as `resolve` returned it.

    Returns:
        The finished run; its generator lies in `run.model`.

    Raises:
        InputError: something in the configuration, the data or the cluster cannot work, or
            training stopped on a loss that was not finite or on storage that takes no checkpoint.
        TerminatedError: SIGTERM ended it; the same command goes on.

    """
    manifest = read_manifest(config.data)
    inspection = inspect(config, manifest)
    run = open_run_folder(config, inspection.facts)
    if run.finished:
        print(f"run {run.config.name} has finished: its model is {printable(run.model)}")
        return run
    connect_for(run.config)
    run = replace(run, config=place(run.config))
    # Storage that takes nothing is found out before MLflow has a run.
    run = run.save(state="running", run_id=run.run_id, facts=inspection.facts)
    claim = Claim.take(run.location)
    run_id = open_run(
        run.config.tracking,
        name=str(run.config.name),
        params=shown(run.config),
        tags=inspection.facts,
        run_id=run.run_id,
    )
    run = run.save(state="running", run_id=run_id, facts=inspection.facts)
    status: Literal["FINISHED", "FAILED", "KILLED"] = "FAILED"
    try:
        ending = launch(run, claim, manifest, inspection)
        registered = _conclude(run, ending, inspection)
        status = "FINISHED"
    except (KeyboardInterrupt, TerminatedError, SystemExit):
        status = "KILLED"  # Ray Train leaves by SystemExit when it is interrupted
        raise
    finally:
        if not _is_lost(claim):
            finish_run(config.tracking.uri, run_id, status)
    print(_closing_words(run))
    state = "finished" if registered else "unregistered"
    return run.save(state=state, run_id=run_id, facts=inspection.facts)


def _is_lost(claim: Claim) -> bool:
    """Whether the run, and its place in MLflow, are another command's by now."""
    try:
        return claim.is_lost()
    except OSError:
        return False


def _conclude(run: Run, ending: Ending, inspection: Inspection) -> bool:
    """Publish and register the model of a run that came to its end."""
    if ending.kind == "stopped":
        raise TerminatedError(
            f"stopped at step {ending.step} with a checkpoint; the same command with --name "
            f"{run.config.name} goes on from there"
        )
    if ending.kind == "failed":
        raise TrainingStoppedError(ending.reason)
    saved = best(run.location) if ending.kind == "early" else newest(run.location)
    assert saved is not None
    if ending.kind == "early":
        print(
            f"ended at step {ending.step}: no better held-out PSNR in {run.config.early_stop} "
            f"validations; the model is the best one, of step {saved.step}"
        )
    with local_copy(saved.location, (WEIGHTS_FILE, CONFIG_FILE)) as folder:
        run.publish_model(folder, (WEIGHTS_FILE, CONFIG_FILE))
        return _register(run, folder, inspection)


def _register(run: Run, checkpoint: Path, inspection: Inspection) -> bool:
    """Put the generator into the registry; without MLflow the model's folder is still there."""
    uri, run_id = run.config.tracking.uri, str(run.run_id)
    log_artifacts(uri, run_id, checkpoint / CONFIG_FILE, "model")
    try:
        version = register_model(uri, run_id, checkpoint, tags=inspection.facts)
    except InputError as error:
        print(f"warning: the model was not registered, run the same command to try again: {error}")
        return False
    print(f"registered as models:/isnet/{version}")
    return True


def _closing_words(run: Run) -> str:
    uri = run.config.tracking.uri
    curves = uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {printable(uri)}"
    return (
        f"finished: the model is {printable(run.model)}\n"
        f"  measure it:  python pipelines/evaluate.py --checkpoint {printable(run.model)} "
        f"--data {printable(run.config.data)}\n"
        f"  its curves:  {curves}"
    )


if __name__ == "__main__":
    run_main(main)
