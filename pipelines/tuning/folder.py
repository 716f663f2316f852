"""A campaign's folder: what it is, and what came of each of its trials.

campaigns/first/campaign.json        state, MLflow run, configuration, trials or search space
campaigns/first/ground-truth.png     the sample images, side by side; corrupted.png: with holes
campaigns/first/claim                which command runs it: see training/claim.py
campaigns/first/trials/NAME/         a training run: see training/runs.py; and
                       trial.json    its name and options, written when it begins
                       outcome.json  what came of it, written when it ends
                       samples.png   the composites of the sample images, side by side
campaigns/first/report/              report.md, report.html, trials.csv, pictures
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from pyarrow import fs

from isnet.config import InputError
from pipelines.storage import (
    exists,
    join,
    open_filesystem,
    printable,
    read_bytes,
    write_atomically,
)
from pipelines.training.config import rebuilt, shown
from pipelines.training.runs import differences
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.trials import TRIAL_FILE, Trial

_VERSION = 1
_OUTCOME = "outcome.json"
_SAMPLES = "samples.png"
PICTURES = ("ground-truth.png", "corrupted.png")

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

Placed = Mapping[str, Any]
"""What `auto` stood for when the campaign began: device, precision, workers, threads."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a trial."""

    state: Literal["finished", "failed", "stopped"]
    reason: str = ""
    steps: int = 0
    seconds: float = 0.0
    """Of training and scoring, since the command that ended it started it."""
    parameters: int = 0
    progressive: Mapping[str, float] | None = None
    one_shot: Mapping[str, float] | None = None
    curve: tuple[tuple[int, float], ...] = ()
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign on storage."""

    location: str
    """Its folder, an absolute path or a URI."""
    config: CampaignConfig
    """Resolved: absolute paths, a name."""
    definition: Definition
    facts: Mapping[str, str]
    """What the figures stand on: data and work by their hashes, features."""
    placed: Placed = field(default_factory=dict)
    run_id: str | None = None
    """MLflow's id of the campaign, once there is one."""
    finished: bool = False

    @property
    def trials(self) -> str:
        """The folder of its trials."""
        return join(self.location, "trials")

    @property
    def report(self) -> str:
        """The folder of its report."""
        return join(self.location, "report")

    @property
    def is_adaptive(self) -> bool:
        """Whether trials follow from the scores of others, and are not known beforehand."""
        return bool(self.definition.space) and self.config.search == "optuna"

    @property
    def total(self) -> int:
        """Number of its trials."""
        return self.config.trials if self.is_adaptive else len(self.definition.trials)

    def planned(self) -> Sequence[Trial]:
        """List its trials; of an adaptive search, those that have begun."""
        return self.begun() if self.is_adaptive else self.definition.trials

    def save(self, **changes: Any) -> Campaign:
        """Write `campaign.json` with changed fields; `InputError` where that is not possible."""
        campaign = replace(self, **changes)
        content = {
            "version": _VERSION,
            "state": "finished" if campaign.finished else "running",
            "run_id": campaign.run_id,
            "kind": campaign.definition.kind,
            "trials": [asdict(trial) for trial in campaign.definition.trials],
            "space": campaign.definition.space,
            "facts": dict(campaign.facts),
            "placed": dict(campaign.placed),
            "config": shown(campaign.config),
        }
        _write(join(self.location, "campaign.json"), content)
        return campaign

    def begun(self) -> list[Trial]:
        """List the trials that have a folder, in the order of their beginning."""
        filesystem, folder = open_filesystem(self.trials)
        found = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        notes = []
        for info in found:
            note = _read(join(self.trials, info.base_name, TRIAL_FILE))
            if note is not None:
                notes.append((note.pop("begun"), note))
        return [Trial(**note) for _, note in sorted(notes, key=lambda pair: pair[0])]

    def begin(self, trial: Trial) -> None:
        """Note a trial's options in its folder, once."""
        location = join(self.trials, trial.name, TRIAL_FILE)
        if _read(location) is None:
            begun = datetime.now().astimezone().isoformat(timespec="microseconds")
            _write(location, {**asdict(trial), "begun": begun})

    def outcome(self, trial: str) -> Outcome | None:
        """Read what came of a trial, None while it is under way."""
        content = _read(join(self.trials, trial, _OUTCOME))
        if content is None:
            return None
        curve = tuple((step, psnr) for step, psnr in content.pop("curve"))
        return Outcome(**content, curve=curve)

    def conclude(self, trial: str, outcome: Outcome, samples: bytes | None = None) -> None:
        """Write what came of a trial; `samples` is a PNG."""
        if samples is not None:
            self.put(f"trials/{trial}/{_SAMPLES}", samples)
        _write(join(self.trials, trial, _OUTCOME), asdict(outcome))

    def samples(self, trial: str) -> bytes | None:
        """Read a trial's sample images, a PNG."""
        return self.get(f"trials/{trial}/{_SAMPLES}")

    def put(self, path: str, data: bytes) -> None:
        """Write a file of the campaign's folder."""
        filesystem, place = open_filesystem(join(self.location, path))
        write_atomically(filesystem, place, data)

    def get(self, path: str) -> bytes | None:
        """Read a file of the campaign's folder, None where there is none."""
        filesystem, place = open_filesystem(join(self.location, path))
        return read_bytes(filesystem, place) if exists(filesystem, place) else None

    def forget(self, trial: str) -> None:
        """Let a trial that has ended be trained on."""
        filesystem, path = open_filesystem(join(self.trials, trial, _OUTCOME))
        if exists(filesystem, path):
            filesystem.delete_file(path)


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
    content = _read(join(campaign.location, "campaign.json"))
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
    content = _read(join(location, "campaign.json"))
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
    if content.get("version") != _VERSION:
        raise InputError(
            f"{printable(location)} is a campaign of version {content.get('version')}; this "
            f"release reads version {_VERSION}: choose another --name"
        )


def _refuse_changes(campaign: Campaign, before: Mapping[str, Any]) -> None:
    definition = campaign.definition
    now = {
        **json.loads(json.dumps(shown(campaign.config))),
        "kind": definition.kind,
        "space": json.loads(json.dumps(definition.space)),
        "facts": {fact: campaign.facts.get(fact) for fact in _MUST_AGREE},
    }
    known = {**before["config"], "kind": before["kind"], "space": before["space"]}
    known["facts"] = {fact: before["facts"].get(fact) for fact in _MUST_AGREE}
    changed = [
        f"{key} was {old}, now {new}"
        for key, (old, new) in differences(known, now).items()
        if key not in _MAY_CHANGE
    ]
    planned = {trial.name: dict(trial.overrides) for trial in definition.trials}
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


def _read(location: str) -> dict[str, Any] | None:
    filesystem, path = open_filesystem(location)
    if not exists(filesystem, path):
        return None
    try:
        content: dict[str, Any] = json.loads(read_bytes(filesystem, path))
    except ValueError as error:
        raise InputError(f"{printable(location)} is damaged ({error}); remove it") from error
    return content


def _write(location: str, content: Mapping[str, Any]) -> None:
    filesystem, path = open_filesystem(location)
    try:
        write_atomically(filesystem, path, json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        reason = printable(str(error).splitlines()[0])
        raise InputError(
            f"cannot write to {printable(location)}: {reason}; make room or give access, or name "
            "another --output"
        ) from error
