"""The candidates of an evaluation: what `--models` names, looked at before anything is measured."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor

from isnet.config import InputError, LossConfig
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.model import UNTRAINED, load_model
from pipelines.evaluation.outcome import Candidate
from pipelines.models import Model, fingerprint, is_named, settled
from pipelines.storage import is_uri, printable

_NAMED = re.compile(r"^(?P<name>[^=/:?]+)=(?P<location>.+)$")
_PLACES = re.compile(r"^(model|checkpoint_.*)$")
"""Folders that a run holds its generators in: the run's own name says more."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A candidate with what is needed to let it run."""

    candidate: Candidate
    state: Mapping[str, Tensor] | None
    """The network's weights; None for a classical method."""
    trained_in: Mapping[str, str]
    """`uri` and `run_id` of the run in MLflow that trained it, where that is known."""


def find_entrants(config: EvaluateConfig) -> list[Entrant]:
    """Load every model once, so that a wrong name costs nothing.

    Raises:
        InputError: a model that is not there, or two of one name.

    """
    entrants = []
    for name, location in named_locations(config):
        if location in CLASSICAL:
            _require_library(location)
            candidate = Candidate(name=name, location=location, fingerprint=location, facts={})
            entrants.append(Entrant(candidate=candidate, state=None, trained_in={}))
        else:
            model = load_model(_absolute(location), tracking_uri=config.tracking.uri)
            entrants.append(_network(name, model))
    return entrants


def named_locations(config: EvaluateConfig) -> list[tuple[str, str]]:
    """Pair each model's name and location, in the order of the tables.

    Raises:
        InputError: two models of one name, or no untrained one to find a gain over.

    """
    pairs = [_named(given) for given in config.models]
    if config.untrained:
        name, location = pairs[0]
        if location in CLASSICAL:
            raise InputError(f"--untrained: {location} is not trained; name a checkpoint first")
        pairs.insert(1, (untrained_name(name), f"{UNTRAINED}{location}"))
    if config.min_gain is not None:
        _require_gain(pairs)
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models are called {name!r}; name them: --models NAME=LOCATION")
    return pairs


def _require_gain(pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse to ask for a gain where there is none to find: of a first model over another."""
    (_, first), *others = pairs
    if first in CLASSICAL or first.startswith(UNTRAINED):
        raise InputError(f"--min-gain is of the first model, and {first} is not trained")
    if not any(location.startswith(UNTRAINED) for _, location in others):
        raise InputError(
            "--min-gain compares with an untrained network; add --untrained, or untrained:LOCATION "
            "to --models"
        )


def untrained_name(name: str) -> str:
    """What the tables call a model as it was before training."""
    return f"{name}, untrained"


def _named(given: str) -> tuple[str, str]:
    match = _NAMED.match(given)
    if match:
        name = match["name"].strip()
        if not name or not name.isprintable() or "|" in name:
            raise InputError(
                f"--models {printable(given)}: {name!r} is no name for tables; give letters"
            )
        return name, match["location"]
    if given in CLASSICAL or is_named(given):
        return given, given
    before = UNTRAINED if given.startswith(UNTRAINED) else ""
    name = _place_name(given.removeprefix(before))
    return (untrained_name(name) if before else name), given


def _place_name(location: str) -> str:
    """Call a model after its run or its file; never after what stands before the `@` of a URI."""
    path = urlsplit(location).path if is_uri(location) else location
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if len(parts) > 1 and _PLACES.match(parts[-1]):
        parts.pop()
    if not parts:
        return urlsplit(location).hostname or "model"
    stem, suffix = posixpath.splitext(parts[-1])
    return stem if suffix in (".pth", ".pt") else parts[-1]


def _absolute(location: str) -> str:
    """Make the path of a model absolute, so that the record says where it was."""
    if location.startswith(UNTRAINED):
        return UNTRAINED + _absolute(location.removeprefix(UNTRAINED))
    return settled(location)


def _require_library(method: str) -> None:
    """Let a classical method fill a few pixels; `InputError` where its library is missing."""
    CLASSICAL[method](torch.zeros(1, 3, 8, 8), torch.eye(8, dtype=torch.bool)[None, None])


def _network(name: str, model: Model) -> Entrant:
    candidate = Candidate(
        name=name,
        location=model.location,
        fingerprint=fingerprint(model.generator),
        generator=model.config,
        parameters=sum(tensor.numel() for tensor in model.generator.parameters()),
        facts={} if model.location.startswith(UNTRAINED) else _facts(model.about),
    )
    return Entrant(
        candidate=candidate,
        state=model.generator.state_dict(),
        trained_in=model.about.get("mlflow") or {},
    )


def _facts(about: Mapping[str, Any]) -> dict[str, str]:
    """Pick from what training kept beside the weights what sets models apart."""
    run = about.get("config", {})
    facts = {"features of": about.get("extractor"), "data": str(about.get("data_hash", ""))[:12]}
    if "loss" in run:
        with suppress(InputError, TypeError):  # of a release with other losses
            weights = asdict(LossConfig(**run["loss"]).weights())
            facts["loss"] = ", ".join(
                f"{name} {value:g}" for name, value in weights.items() if value
            )
    facts["steps"] = sum(each.get("step", 0) for each in about.get("runs", [about]))
    return {name: str(value) for name, value in facts.items() if value}
