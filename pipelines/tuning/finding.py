"""Finding a campaign by its name: it goes on only as what it began as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from isnet.config import InputError
from pipelines.changes import differences, in_words
from pipelines.storage import join, printable, without_secrets
from pipelines.training.config import rebuilt, shown
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.folder import VERSION, Campaign, read_note
from pipelines.tuning.trials import Trial

_MAY_CHANGE = frozenset(
    {
        "data",
        "tracking.uri",
        "tracking.experiment",
        "trials",
        "max_concurrent",
        "max_failures",
        "keep_trial_checkpoints",
        "retry_failed",
        "wait",
        "cpus_per_worker",
        "gpus_per_worker",
        "assumed_tflops",
    }
)
"""Options of a campaign that may change when it goes on; those of its trials are held to more."""

_MUST_AGREE = ("data", "work", "features", "LPIPS")
"""Facts without which scores of before and after would not compare."""


def open_campaign(
    config: CampaignConfig, definition: Definition, facts: Mapping[str, str]
) -> Campaign:
    """Find the campaign that `config` names, or plan a new one.

    Args:
        config: resolved.
        definition: its trials.
        facts: a campaign goes on only with those it began with.

    Raises:
        InputError: a campaign of that name has other trials, options or data.

    """
    name = config.name or f"{definition.kind}-{datetime.now():%Y%m%d-%H%M%S}"
    config = replace(config, name=name)
    campaign = Campaign(
        location=join(config.output, name), config=config, definition=definition, facts=facts
    )
    content = read_note(join(campaign.location, "campaign.json"))
    if content is None:
        return campaign
    _require_version(campaign.location, content)
    _refuse_changes(campaign, content)
    moved = content["config"]["tracking"] != shown(config)["tracking"]
    return replace(
        campaign,
        run_id=None if moved else content["run_id"],
        placed=content["placed"],
        finished=content["state"] == "finished",
    )


def read_campaign(location: str) -> Campaign:
    """Read a campaign from its folder alone, to report on it without running it.

    Raises:
        InputError: there is no campaign, or it is damaged.

    """
    content = read_note(join(location, "campaign.json"))
    if content is None:
        raise InputError(
            f"{printable(location)} is no campaign: it has no campaign.json; name the folder "
            "below --output that pipelines/tune.py made"
        )
    _require_version(location, content)
    config = rebuilt(CampaignConfig, content["config"])
    definition = Definition(
        kind=content["kind"],
        defaults=config,
        trials=tuple(Trial(**trial) for trial in content["trials"]),
        space=content["space"],
    )
    return Campaign(
        location=location,
        config=config,
        definition=definition,
        facts=content["facts"],
        placed=content["placed"],
        run_id=content["run_id"],
        finished=content["state"] == "finished",
    )


def _require_version(location: str, content: Mapping[str, Any]) -> None:
    if content.get("version") != VERSION:
        raise InputError(
            f"{printable(location)} is a campaign of version {content.get('version')}; this "
            f"release reads version {VERSION}: choose another --name"
        )


def _refuse_changes(campaign: Campaign, before: Mapping[str, Any]) -> None:
    definition = campaign.definition
    now = {
        **json.loads(json.dumps(shown(campaign.config))),
        "kind": definition.kind,
        "space": json.loads(json.dumps(without_secrets(definition.space))),
        "facts": {fact: campaign.facts.get(fact) for fact in _MUST_AGREE},
    }
    known = {**before["config"], "kind": before["kind"], "space": before["space"]}
    known["facts"] = {fact: before["facts"].get(fact) for fact in _MUST_AGREE}
    found = differences(known, now)
    changed = in_words({key: found[key] for key in found if key not in _MAY_CHANGE})
    planned = {trial.name: without_secrets(dict(trial.overrides)) for trial in definition.trials}
    changed += [
        f"trial {trial['name']} was {trial['overrides']}, now {planned[trial['name']]}"
        for trial in before["trials"]
        if planned.get(trial["name"], trial["overrides"]) != trial["overrides"]
    ]
    if changed:
        raise InputError(
            f"campaign {campaign.config.name!r} exists with other settings: {'; '.join(changed)}; "
            "give the same ones to continue it, or another --name"
        )
