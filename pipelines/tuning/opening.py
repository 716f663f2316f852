"""Before a campaign's first trial: what it consists of, where it computes, what all share."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace

from isnet.config import InputError
from pipelines.cluster import connect
from pipelines.evaluation.pictures import ground_truth_and_corrupted
from pipelines.shards import Manifest, read_manifest
from pipelines.training.checks import inspect
from pipelines.training.config import AUTO, TrainConfig
from pipelines.training.placement import place
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.estimate import Planned
from pipelines.tuning.finding import open_campaign
from pipelines.tuning.folder import PICTURES, Campaign
from pipelines.tuning.room import concurrency, with_threads
from pipelines.tuning.scoring import (
    SAMPLES,
    campaign_work,
    load_work,
    lpips_for,
    side_by_side,
)
from pipelines.tuning.space import drawn, has_range
from pipelines.tuning.trial import trial_config
from pipelines.tuning.trials import Trial, with_absolute_paths

_PLACED = ("device", "precision", "num_workers", "threads_per_worker")
"""Options that the cluster decides once, when the campaign begins."""


def with_trials(config: CampaignConfig, definition: Definition) -> Definition:
    """Draw the trials of a random search, and make the paths that any trial names absolute.

    Raises:
        InputError: a relative path inside a submitted job.

    """
    trials = definition.trials
    if definition.space and config.search == "random":
        trials = drawn(definition.space, trials=config.trials, seed=config.seed)
    return replace(definition, trials=tuple(map(with_absolute_paths, trials)))


def _require_workable_search(config: CampaignConfig, definition: Definition) -> None:
    names = {name for trial in definition.trials for name in trial.overrides} | set(
        definition.space
    )
    if config.asha and "batch_size" in {name.replace("-", "_") for name in names}:
        raise InputError(
            "--asha compares trials at the same step, and their batch_size differs; leave one out"
        )
    if config.search == "optuna" and definition.space and not has_range(definition.space):
        raise InputError(
            "--search optuna would propose the same trial twice: every option is drawn from a few "
            "values; list them as trials, or take --search random"
        )


def training_runs(campaign: Campaign) -> list[Planned]:
    """Put every trial's training run together, or one for all that a search will propose.

    Raises:
        InputError: an option of a trial that is unknown or does not take the value.

    """
    trials = campaign.definition.trials
    if trials:
        return [Planned(trial=trial, config=trial_config(campaign, trial)) for trial in trials]
    proposal = Trial(name="trial-...")
    config = trial_config(campaign, proposal)
    return [Planned(trial=proposal, config=config, repeats=campaign.config.trials)]


def picture_size(data: str) -> int:
    """Side of the prepared pictures, in pixels; 256 with a note where there are no data yet."""
    try:
        return read_manifest(data).size
    except InputError as error:
        print(f"{error}; until then pictures are taken to be 256x256\n")
        return 256


def opened(config: CampaignConfig, definition: Definition) -> Campaign:
    """Look at everything that a trial would fail for, and find the campaign or plan it.

    Raises:
        InputError: something in the campaign or the data cannot work.

    """
    _require_workable_search(config, definition)
    manifest = read_manifest(config.data)
    campaign = Campaign(location=config.output, config=config, definition=definition, facts={})
    runs = training_runs(campaign)
    inspection = inspect(runs[0].config, manifest)
    facts = _facts(config, runs[0].config, manifest, inspection.facts)
    return open_campaign(config, definition, facts)


def placed(campaign: Campaign) -> tuple[Campaign, int]:
    """Connect to Ray and decide where trials compute, and how many at once.

    Raises:
        InputError: the cluster has no room for a trial.

    """
    shared = replace(campaign.config.shared(), output=campaign.location, **campaign.placed)
    workers = 1 if shared.num_workers == AUTO else shared.worker_range()[1]
    cores = os.cpu_count() or 1
    asked = campaign.config.max_concurrent or max(1, cores // workers)
    cpus = 1 + workers * shared.cpus_per_worker
    local = connect(num_cpus=cores + math.ceil(asked * cpus), show_workers=False)
    shared = place(shared)
    if not local:
        asked = campaign.config.max_concurrent
    at_once = concurrency(shared, asked=asked, trials=campaign.total)
    shared = with_threads(shared, at_once)
    return replace(campaign, placed={name: getattr(shared, name) for name in _PLACED}), at_once


def keep_pictures(campaign: Campaign) -> None:
    """Write the sample images, which every trial's composites will stand beside."""
    samples = load_work(campaign.config, campaign.config.evaluation_images, first=SAMPLES)
    for name, pictures in zip(PICTURES, ground_truth_and_corrupted(samples), strict=True):
        campaign.put(name, side_by_side(pictures))


def _facts(
    config: CampaignConfig, trial: TrainConfig, manifest: Manifest, found: Mapping[str, str]
) -> dict[str, str]:
    size = config.size or manifest.size
    work = campaign_work(config, config.evaluation_images)
    _, lpips = lpips_for(size)
    return {
        "data": manifest.hash[:12],
        "work": work.hash,
        "images": f"{len(work.items):,} of the {work.split} split",
        "size": f"{size}x{size}",
        "channels": str(trial.generator.channels),
        "samples per trial": f"{config.samples_per_trial:,}",
        "batch": str(config.batch_size),
        "features": found["extractor"],
        "LPIPS": lpips,
        "code": found["git_commit"][:12],
    }
