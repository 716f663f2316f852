"""What a search draws its trials from: ranges in plain words, as Ray Tune's domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ray import tune
from ray.tune.search.sample import Domain
from ray.tune.search.variant_generator import generate_variants

from isnet.config import InputError
from pipelines.tuning.trials import Trial

_RANGES = {"uniform": tune.uniform, "log_uniform": tune.loguniform, "integer": tune.randint}
_FORMS = (
    "{uniform: [LOW, HIGH]}, {log_uniform: [LOW, HIGH]}, {integer: [LOW, HIGH]} "
    "or {choice: [VALUE, ...]}"
)


def domains(space: Mapping[str, Any]) -> dict[str, Domain]:
    """Turn a space into Ray Tune's domains, by option.

    Raises:
        InputError: what an option is drawn from is none of the known forms; names the option.

    """
    return {name: _domain(name, given) for name, given in space.items()}


def has_range(space: Mapping[str, Any]) -> bool:
    """Whether an option is drawn from a range of real numbers, so that no draw comes twice."""
    return any({"uniform", "log_uniform"} & set(given) for given in space.values())


def drawn(space: Mapping[str, Any], *, trials: int, seed: int) -> tuple[Trial, ...]:
    """Draw trials at random, by Ray Tune's own generator.

    The same seed gives the same trials, and more trials start with the same ones.
    """
    random = np.random.RandomState(seed)
    spec = {"config": domains(space)}
    found = []
    for number in range(1, trials + 1):
        _, variant = next(generate_variants(spec, random_state=random))
        found.append(Trial(name=f"trial-{number:02d}", overrides=dict(variant["config"])))
    return tuple(found)


def _domain(name: str, given: Any) -> Domain:
    form: Any = None
    values: Any = None
    if isinstance(given, Mapping) and len(given) == 1:
        form, values = next(iter(given.items()))
    if form == "choice" and isinstance(values, list) and values:
        return tune.choice(values)
    if form not in _RANGES or not _is_range(values):
        raise InputError(f"search: {name} is drawn from {given!r}; give {_FORMS}")
    low, high = values
    if form == "log_uniform" and low <= 0:
        raise InputError(f"search: {name} is log_uniform from {low}; give a LOW above 0")
    # Ray Tune's integers end below the high one.
    return _RANGES[form](low, high + 1 if form == "integer" else high)


def _is_range(values: Any) -> bool:
    numbers = isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return numbers and len(values) == 2 and values[0] < values[1]
