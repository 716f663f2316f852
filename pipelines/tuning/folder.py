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
from datetime import UTC, datetime
from typing import Any, Literal

from pyarrow import fs

from isnet.config import InputError
from pipelines.storage import (
    exists,
    join,
    open_filesystem,
    printable,
    read_bytes,
    without_secrets,
    write_or_explain,
)
from pipelines.training.config import shown
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.trials import TRIAL_FILE, Trial

VERSION = 1
_OUTCOME = "outcome.json"
_SAMPLES = "samples.png"
PICTURES = ("ground-truth.png", "corrupted.png")

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

    def listed(self) -> Sequence[Trial]:
        """List its trials; of an adaptive search, those that have begun."""
        return self.begun() if self.is_adaptive else self.definition.trials

    def save(self, **changes: Any) -> Campaign:
        """Write `campaign.json` with changed fields; `InputError` where that is not possible."""
        campaign = replace(self, **changes)
        content = {
            "version": VERSION,
            "state": "finished" if campaign.finished else "running",
            "run_id": campaign.run_id,
            "kind": campaign.definition.kind,
            "trials": without_secrets([asdict(trial) for trial in campaign.definition.trials]),
            "space": without_secrets(campaign.definition.space),
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
            note = read_note(join(self.trials, info.base_name, TRIAL_FILE))
            if note is not None:
                notes.append((note.pop("begun"), note))
        return [Trial(**note) for _, note in sorted(notes, key=lambda pair: pair[0])]

    def begin(self, trial: Trial) -> None:
        """Note a trial's options in its folder, once."""
        location = join(self.trials, trial.name, TRIAL_FILE)
        if read_note(location) is None:
            begun = datetime.now(UTC).isoformat(timespec="microseconds")
            _write(location, {**without_secrets(asdict(trial)), "begun": begun})

    def outcome(self, trial: str) -> Outcome | None:
        """Read what came of a trial, None while it is under way."""
        content = read_note(join(self.trials, trial, _OUTCOME))
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
        write_or_explain(join(self.location, path), data)

    def get(self, path: str) -> bytes | None:
        """Read a file of the campaign's folder, None where there is none."""
        filesystem, place = open_filesystem(join(self.location, path))
        return read_bytes(filesystem, place) if exists(filesystem, place) else None

    def forget(self, trial: str) -> None:
        """Let a trial that has ended be trained on."""
        filesystem, path = open_filesystem(join(self.trials, trial, _OUTCOME))
        if exists(filesystem, path):
            filesystem.delete_file(path)


def read_note(location: str) -> dict[str, Any] | None:
    """Read one of a campaign's JSON files, None where there is none."""
    filesystem, path = open_filesystem(location)
    if not exists(filesystem, path):
        return None
    try:
        content: dict[str, Any] = json.loads(read_bytes(filesystem, path))
    except ValueError as error:
        raise InputError(f"{printable(location)} is damaged ({error}); remove it") from error
    return content


def _write(location: str, content: Mapping[str, Any]) -> None:
    write_or_explain(location, json.dumps(content, indent=2).encode() + b"\n")
