"""A campaign from its start, or from where it was, to its report."""

from __future__ import annotations

import logging

from isnet.checkpoint import CONFIG_FILE, GENERATOR_FILES
from pipelines import logs
from pipelines.claim import Claim, ClaimLostError
from pipelines.logs import say
from pipelines.storage import exists, join, local_copy, open_filesystem, printable
from pipelines.tracking.runs import Status, finish_children, finish_run, open_run
from pipelines.training.checkpoints import delete_all, newest
from pipelines.training.config import shown
from pipelines.training.fit import resolve
from pipelines.training.runs import publish_model
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.folder import Campaign
from pipelines.tuning.gathering import report
from pipelines.tuning.opening import keep_pictures, opened, placed, with_trials
from pipelines.tuning.running import run_trials

_log = logging.getLogger(__name__)


class InterruptedCampaignError(Exception):
    """The campaign was asked to end before all of its trials had."""


def run_campaign(config: CampaignConfig, definition: Definition) -> bool:
    """Run a campaign, or continue it.

    Returns:
        Whether any trial has finished.

    Raises:
        InputError: something in the campaign, the data or the cluster cannot work.
        InterruptedCampaignError: it was asked to end; the same command goes on.

    """
    config = resolve(config)
    campaign = opened(config, with_trials(config, definition))
    if campaign.config.retry_failed:
        _retry_failed(campaign)
    if campaign.finished and _has_ended(campaign):
        print(f"campaign {campaign.config.name} has finished: {printable(campaign.report)}")
        return _any_finished(campaign)
    logs.set_up(campaign=str(campaign.config.name))
    campaign, at_once = placed(campaign)
    campaign = campaign.save()
    claim = Claim.take(campaign.location)
    keep_pictures(campaign)
    campaign = campaign.save(run_id=_open_run(campaign), finished=False)
    _run(campaign, claim, at_once)
    if not _has_ended(campaign):
        raise InterruptedCampaignError(
            f"interrupted with {_ended(campaign)} of {campaign.total} trials done; the same "
            f"command with --name {campaign.config.name} goes on"
        )
    campaign.save(finished=True)
    return _any_finished(campaign)


def _open_run(campaign: Campaign) -> str:
    """Open the campaign's run in MLflow, which those of its trials are shown under."""
    return open_run(
        campaign.config.tracking,
        name=str(campaign.config.name),
        params={"kind": campaign.definition.kind, **shown(campaign.config)},
        tags={"campaign": str(campaign.config.name), **campaign.facts},
        run_id=campaign.run_id,
    )


def _run(campaign: Campaign, claim: Claim, at_once: int) -> None:
    """Run the trials, and leave the report and MLflow as they then are."""
    status: Status = "FAILED"
    try:
        _announce(campaign, at_once)
        run_trials(campaign, claim, at_once)
        status = _status(campaign)
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        uri, run_id = campaign.config.tracking.uri, str(campaign.run_id)
        _require(claim)
        try:
            _publish(campaign)
        finally:
            finish_children(uri, run_id, "KILLED")
            finish_run(uri, run_id, status)


def _status(campaign: Campaign) -> Status:
    if not _has_ended(campaign):
        return "KILLED"
    return "FINISHED" if _any_finished(campaign) else "FAILED"


def _announce(campaign: Campaign, at_once: int) -> None:
    done = _ended(campaign)
    before = f", {done} of them done before" if done else ""
    say(
        _log,
        f"campaign {campaign.config.name}: {campaign.total} trials{before}, {at_once} at once, "
        f"in {printable(campaign.location)}",
        total=campaign.total,
        done=done,
        at_once=at_once,
    )


def _require(claim: Claim) -> None:
    """Leave the campaign to the command that has taken it."""
    try:
        claim.require()
    except ClaimLostError as error:
        raise InterruptedCampaignError(str(error)) from error


def _publish(campaign: Campaign) -> None:
    """Keep one generator of each trial, write the report, and hand it to MLflow."""
    if not campaign.config.keep_trial_checkpoints:
        for trial in campaign.listed():
            outcome = campaign.outcome(trial.name)
            if outcome is not None and outcome.state != "failed":
                _keep_generator(join(campaign.trials, trial.name))
    report(campaign, tracked=True)
    say(_log, f"report: {printable(join(campaign.report, 'report.html'))}")


def _keep_generator(run: str) -> None:
    """Delete a trial's checkpoints; one that was ended early leaves the last one's generator."""
    last, model = newest(run), join(run, "model")
    filesystem, folder = open_filesystem(model)
    if last is not None and not exists(filesystem, f"{folder}/{CONFIG_FILE}"):
        with local_copy(last.location, GENERATOR_FILES) as local:
            publish_model(model, local)
    delete_all(run)


def _retry_failed(campaign: Campaign) -> None:
    for trial in campaign.listed():
        outcome = campaign.outcome(trial.name)
        if outcome is not None and outcome.state == "failed":
            campaign.forget(trial.name)


def _ended(campaign: Campaign) -> int:
    """Count the trials that have an outcome."""
    return sum(campaign.outcome(trial.name) is not None for trial in campaign.listed())


def _has_ended(campaign: Campaign) -> bool:
    return _ended(campaign) >= campaign.total


def _any_finished(campaign: Campaign) -> bool:
    outcomes = [campaign.outcome(trial.name) for trial in campaign.listed()]
    return any(outcome is not None and outcome.state == "finished" for outcome in outcomes)
