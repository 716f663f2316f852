"""One training run from its start, or from where it was, to its published model.

`pipelines/train.py` fits one run; each trial of a campaign (`pipelines/tune.py`) is such a run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ray.actor import ActorHandle

from isnet.checkpoint import CONFIG_FILE, GENERATOR_FILES, WEIGHTS_FILE
from isnet.config import InputError
from pipelines import logs
from pipelines.claim import Claim
from pipelines.logs import say, warn
from pipelines.models import pinned, require_settled
from pipelines.shards import read_manifest
from pipelines.storage import absolute, local_copy, printable, require_absolute
from pipelines.tracking.registry import register_model
from pipelines.tracking.runs import Status, finish_run, log_artifacts, open_run
from pipelines.tracking.server import resolve_uri
from pipelines.training.checkpoints import best, newest
from pipelines.training.checks import Inspection, inspect
from pipelines.training.config import TrainConfig, shown
from pipelines.training.launch import connect_for, launch
from pipelines.training.link import new_link
from pipelines.training.loop import Ending
from pipelines.training.placement import place
from pipelines.training.runs import Run, open_run_folder, publish_model

Config = TypeVar("Config", bound=TrainConfig)

_log = logging.getLogger(__name__)


class TrainingStoppedError(InputError):
    """Training could not go on; checkpoints up to then are kept."""


class TerminatedError(Exception):
    """The run was asked to end, and has, with a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """What a run is given as a trial of a campaign."""

    parent_run_id: str
    """MLflow's id of the campaign, which the run is shown under."""
    run_name: str
    """What MLflow calls it."""
    link: ActorHandle
    """A `Link` of the campaign's, to watch the run and to end it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """For MLflow, beside the run's own."""


def resolve(config: Config) -> Config:
    """Make every path absolute, since workers have other working directories.

    Raises:
        InputError: a relative path inside a submitted job, which runs in a copy that goes away.

    """
    weights = config.loss.extractor_weights
    paths = {
        "--data": config.data,
        "--output": config.output,
        "--loss.extractor-weights": weights,
        "--tracking.uri": config.tracking.uri,
    }
    for flag, location in paths.items():
        if location is not None:
            require_absolute(flag, location)
    if config.init_from is not None:
        require_settled("--init-from", config.init_from)
    uri = resolve_uri(config.tracking.uri)
    return replace(
        config,
        data=absolute(config.data),
        output=absolute(config.output),
        init_from=config.init_from and pinned(config.init_from, tracking_uri=uri),
        loss=replace(config.loss, extractor_weights=weights and absolute(weights)),
        tracking=replace(config.tracking, uri=uri),
    )


def fit(config: TrainConfig, membership: Membership | None = None) -> Run:
    """Train one run to its end, or continue it.

    Args:
        config: as `resolve` returned it.
        membership: of a trial. Its model is logged with its run and not registered: which of a
            campaign's models becomes one is for people to say.

    Returns:
        The finished run; its generator lies in `run.model`.

    Raises:
        InputError: something in the configuration, the data or the cluster cannot work, or
            training stopped on a loss that was not finite or on storage that takes no checkpoint.
        TerminatedError: SIGTERM or the link ended it; the same command goes on.

    """
    manifest = read_manifest(config.data)
    inspection = inspect(config, manifest)
    run = open_run_folder(config, inspection.facts)
    inspection = replace(inspection, facts={**inspection.facts, **run.start})
    if run.finished:
        say(_log, f"run {run.config.name} has finished: its model is {printable(run.model)}")
        return run
    connect_for(run.config)
    run = replace(run, config=place(run.config))
    # Storage that takes nothing is found out before MLflow has a run.
    run = run.save(state="running", run_id=run.run_id, facts=inspection.facts)
    run_name = membership.run_name if membership else str(run.config.name)
    claim = Claim.take(run.location)
    run_id = open_run(
        run.config.tracking,
        name=run_name,
        params=shown(run.config),
        tags={**inspection.facts, **(membership.tags if membership else {})},
        run_id=run.run_id,
        parent_run_id=membership.parent_run_id if membership else None,
    )
    logs.set_up(run=run_name, run_id=run_id)
    run = run.save(state="running", run_id=run_id, facts=inspection.facts)
    status: Status = "FAILED"
    try:
        link = membership.link if membership else new_link()
        ending = launch(run, claim, manifest, inspection, link, run_name)
        published = _conclude(run, ending, inspection, register=membership is None)
        status = "FINISHED"
    except (KeyboardInterrupt, TerminatedError, SystemExit):
        status = "KILLED"  # Ray Train leaves by SystemExit when it is interrupted
        raise
    finally:
        if not _is_lost(claim):
            finish_run(config.tracking.uri, run_id, status)
    if membership is None:
        say(_log, _closing_words(run))
    state = "finished" if published else "unregistered"
    return run.save(state=state, run_id=run_id, facts=inspection.facts)


def _is_lost(claim: Claim) -> bool:
    """Whether the run, and its place in MLflow, are another command's by now."""
    try:
        return claim.is_lost()
    except OSError:
        return False


def _conclude(run: Run, ending: Ending, inspection: Inspection, *, register: bool) -> bool:
    """Publish the model of a run that came to its end; return whether MLflow has what it should."""
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
        say(
            _log,
            f"ended at step {ending.step}: no better held-out PSNR in {run.config.early_stop} "
            f"validations; the model is the best one, of step {saved.step}",
            step=ending.step,
        )
    with local_copy(saved.location, GENERATOR_FILES) as folder:
        publish_model(run.model, folder)
        uri, run_id = run.config.tracking.uri, str(run.run_id)
        log_artifacts(uri, run_id, folder / CONFIG_FILE, "model")
        if register:
            return _register(run, folder, inspection)
        log_artifacts(uri, run_id, folder / WEIGHTS_FILE, "model")
        return True


def _register(run: Run, checkpoint: Path, inspection: Inspection) -> bool:
    """Put the generator into the registry; without MLflow the model's folder is still there."""
    uri, run_id = run.config.tracking.uri, str(run.run_id)
    try:
        version = register_model(uri, run_id, checkpoint, tags=inspection.facts)
    except InputError as error:
        again = "run the same command to try again"
        warn(_log, f"the model was not registered, {again}: {error}")
        return False
    say(_log, f"registered as models:/isnet/{version}")
    return True


def _closing_words(run: Run) -> str:
    uri = run.config.tracking.uri
    curves = uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {printable(uri)}"
    return (
        f"finished: the model is {printable(run.model)}\n"
        f"  measure it:  python pipelines/evaluate.py --models {printable(run.model)} mean-fill "
        f"--data {printable(run.config.data)}\n"
        f"  its curves:  {curves}"
    )
