"""A campaign's outcome, gathered from its folder: what the report is drawn from."""

from __future__ import annotations

import tempfile
from pathlib import Path

from isnet.config import InputError, LossWeights
from pipelines.storage import join, open_filesystem, printable, write_atomically
from pipelines.tracking.runs import log_artifacts
from pipelines.tuning.folder import PICTURES, Campaign, Outcome
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report import write_report
from pipelines.tuning.scoring import taken_apart
from pipelines.tuning.trial import trial_config
from pipelines.tuning.trials import Trial


def report(campaign: Campaign, *, tracked: bool = False) -> list[str]:
    """Write the report of a campaign as it stands; return the locations of its files.

    Args:
        campaign: one that has begun.
        tracked: whether it goes to the campaign's run in MLflow, too.

    """
    outcome = gather(campaign)
    filesystem, folder = open_filesystem(campaign.report)
    with tempfile.TemporaryDirectory(prefix="isnet-") as local:
        written = write_report(outcome, Path(local))
        for path in written:
            write_atomically(filesystem, f"{folder}/{path.name}", path.read_bytes())
        if tracked:
            log_artifacts(campaign.config.tracking.uri, str(campaign.run_id), Path(local), "report")
    return [join(campaign.report, path.name) for path in written]


def gather(campaign: Campaign) -> CampaignOutcome:
    """Collect what came of every trial, and of those that are still to come that they are."""
    pictures = [campaign.get(name) for name in PICTURES]
    if pictures[0] is None or pictures[1] is None:
        raise InputError(
            f"{printable(campaign.location)} has no {' or no '.join(PICTURES)}: it has not begun"
        )
    return CampaignOutcome(
        name=str(campaign.config.name),
        kind=campaign.definition.kind,
        trials=[_trial_outcome(campaign, trial) for trial in campaign.listed()],
        ground_truth=taken_apart(pictures[0]),
        corrupted=taken_apart(pictures[1]),
        facts=campaign.facts,
    )


def _weights(campaign: Campaign, trial: Trial) -> LossWeights:
    """Weights that a trial has, or would have: a search may propose what no option takes."""
    try:
        return trial_config(campaign, trial).loss.weights()
    except InputError:
        return campaign.config.loss.weights()


def _trial_outcome(campaign: Campaign, trial: Trial) -> TrialOutcome:
    found = campaign.outcome(trial.name)
    outcome = found or Outcome(state="failed")
    samples = campaign.samples(trial.name) if outcome.state == "finished" else None
    return TrialOutcome(
        name=trial.name,
        label=trial.label,
        state=outcome.state if found else "unfinished",
        reason=outcome.reason,
        overrides=trial.overrides,
        weights=_weights(campaign, trial),
        published=trial.published,
        parameters=outcome.parameters,
        steps=outcome.steps,
        seconds=outcome.seconds,
        progressive=outcome.progressive,
        one_shot=outcome.one_shot,
        curve=outcome.curve,
        composites=None if samples is None else taken_apart(samples),
        location=printable(join(campaign.trials, trial.name)),
        run_id=outcome.run_id,
    )
