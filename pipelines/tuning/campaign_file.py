"""A campaign file: trials of the user's own, with any options of a training run.

base: smoke                       # a preset of pipelines/train.py to start from
options:                          # of the campaign and of all its trials
  samples_per_trial: 4800
  optimizer.ema_decay: 0.99
trials:                           # a list of trials, by name ...
  slow: {optimizer.generator_lr: 1.0e-4}
  fast: {optimizer.generator_lr: 1.0e-3}
search:                           # ... or what to draw them from
  optimizer.generator_lr: {log_uniform: [1.0e-5, 1.0e-2]}
  generator.design: {choice: [isnet, base_ff]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from isnet.config import InputError
from pipelines.training.config import PRESETS, TrainConfig
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import Definition
from pipelines.tuning.space import domains
from pipelines.tuning.trials import Trial, with_overrides

_SECTIONS = ("base", "options", "trials", "search")


def is_campaign_file(word: str) -> bool:
    """Tell a campaign file from the name of a campaign."""
    return word.endswith((".yaml", ".yml"))


def read_campaign_file(path: str) -> Definition:
    """Read a campaign file.

    Raises:
        InputError: it cannot be read, or something in it is unknown or of a wrong kind.

    """
    content = _read(path)
    try:
        return _definition(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: str) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"campaign file {path} cannot be read ({reason})") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is no campaign file: it needs {', '.join(_SECTIONS)}")
    return content


def _definition(content: Mapping[str, Any]) -> Definition:
    unknown = sorted(set(content) - set(_SECTIONS))
    if unknown:
        raise InputError(f"unknown section {unknown[0]!r}; choose of {', '.join(_SECTIONS)}")
    trials, space = _mapping(content, "trials"), _mapping(content, "search")
    if bool(trials) == bool(space):
        raise InputError("give either trials or search")
    domains(space)
    defaults = with_overrides(_base(content), _mapping(content, "options"))
    return Definition(
        kind="file",
        defaults=defaults,
        trials=tuple(_trial(name, overrides) for name, overrides in trials.items()),
        space=space,
    )


def _mapping(content: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = content.get(section) or {}
    if not isinstance(found, Mapping):
        raise InputError(f"{section} is {found!r}; give a mapping")
    return {str(name): value for name, value in found.items()}


def _base(content: Mapping[str, Any]) -> CampaignConfig:
    name = content.get("base", "places2")
    if name not in PRESETS:
        raise InputError(f"unknown base {name!r}; choose one of {', '.join(PRESETS)}")
    preset = PRESETS[name]()
    given = {field.name: getattr(preset, field.name) for field in fields(TrainConfig)}
    samples = preset.steps * preset.batch_size
    return CampaignConfig(
        **{**given, "steps": TrainConfig.steps, "output": CampaignConfig.output},
        samples_per_trial=samples,
    )


def _trial(name: str, overrides: Any) -> Trial:
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise InputError(f"trial {name!r} names a folder: give letters, digits, '.', '_' and '-'")
    if not isinstance(overrides, Mapping):
        raise InputError(f"trial {name} is {overrides!r}; give options, e.g. {{loss.l1: 10}}")
    return Trial(name=name, label=name, overrides=dict(overrides))
