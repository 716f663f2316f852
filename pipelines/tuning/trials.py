"""A trial: what sets one training run of a campaign apart from the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, TypeVar

from isnet.config import InputError
from pipelines.cli import parse
from pipelines.models import require_settled, settled
from pipelines.seeding import stable_hash
from pipelines.storage import (
    absolute,
    join,
    open_filesystem,
    printable,
    read_bytes,
    require_absolute,
)
from pipelines.training.config import TrainConfig

Config = TypeVar("Config", bound=TrainConfig)

TRIAL_FILE = "trial.json"
"""In a trial's folder: its name and its options, for whoever wants to train on with them."""


_PLACES = {
    "init_from": (require_settled, settled),
    "loss.extractor_weights": (require_absolute, absolute),
}
"""Options that name a place, what refuses a relative one, and what makes it absolute."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run of a campaign."""

    name: str
    """Of its folder, and of its run in MLflow."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Options of the training configuration by dotted name, e.g. `loss.l1`."""
    label: str = ""
    """How tables name it; empty for one trial of many in a search."""
    published: str | None = None
    """The published row that it repeats, e.g. `table1-row3`."""


def proposed(overrides: Mapping[str, Any]) -> Trial:
    """Name a trial by what it tries, so that the same proposal is the same trial."""
    words = [f"{name}={overrides[name]!r}" for name in sorted(overrides)]
    return Trial(name=f"trial-{stable_hash(*words):016x}"[:14], overrides=dict(overrides))


def with_overrides(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Put a trial's options in place, checked as those of a command line.

    Raises:
        InputError: an unknown option or a value that it does not take.

    """
    words: list[str] = []
    for name, value in overrides.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            head, _, last = flag.rpartition(".")
            words.append(f"--{flag}" if value else f"--{head}{'.' * bool(head)}no-{last}")
        else:
            words += [f"--{flag}", str(value)]
    return parse(type(config), words, description=None, default=config)


def with_absolute_paths(trial: Trial) -> Trial:
    """Make the paths among a trial's options absolute: it runs in another working directory.

    Raises:
        InputError: a relative path inside a submitted job, which runs in a copy that goes away.

    """
    overrides = dict(trial.overrides)
    for name in _PLACES.keys() & overrides.keys():
        require, complete = _PLACES[name]
        require(f"trial {trial.name}: {name}", str(overrides[name]))
        overrides[name] = complete(str(overrides[name]))
    return replace(trial, overrides=overrides)


def read_overrides(location: str) -> dict[str, Any]:
    """Read what set a trial apart: the options by dotted name.

    Args:
        location: a trial's folder, a path or a URI.

    Raises:
        InputError: there is no trial.

    """
    filesystem, path = open_filesystem(join(absolute(location), TRIAL_FILE))
    try:
        overrides: dict[str, Any] = json.loads(read_bytes(filesystem, path))["overrides"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--from-trial {printable(location)} is no trial: it has no {TRIAL_FILE} that can be "
            "read; name a folder such as campaigns/NAME/trials/trial-01"
        ) from error
    return overrides


def presets_from_trial(
    presets: Mapping[str, Callable[[], Config]], location: str
) -> dict[str, Callable[[], Config]]:
    """Put what set a trial apart into presets; what the command line says stands over it."""
    overrides = read_overrides(location)

    def changed(preset: Callable[[], Config]) -> Callable[[], Config]:
        @wraps(preset)
        def apply() -> Config:
            return with_overrides(preset(), overrides)

        return apply

    return {name: changed(preset) for name, preset in presets.items()}


def trial_seed(campaign_seed: int, name: str) -> int:
    """Seed of a trial: its own, and the same whenever it is trained."""
    return stable_hash(campaign_seed, "trial", name) % 2**31
