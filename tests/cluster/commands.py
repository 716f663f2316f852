"""What each entry point makes of its words before it does anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines import health
from pipelines.bulk import config as bulk
from pipelines.cli import parse, parse_preset
from pipelines.evaluation import config as evaluation
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.inspection import InspectConfig
from pipelines.training import config as training
from pipelines.training import fit
from pipelines.tuning import definitions

Parser = Callable[[Sequence[str]], Any]


def _prepare(words: Sequence[str]) -> Any:
    if words[:1] == ["inspect"]:
        return parse(InspectConfig, words[1:], description=None)
    return parse(PrepareConfig, words, description=None)


PARSERS: Mapping[str, Parser] = {
    "evaluate.py": lambda words: evaluation.resolve(
        parse(evaluation.EvaluateConfig, words, description=None)
    ),
    "health.py": lambda words: parse(health.HealthConfig, words, description=None),
    "inpaint.py": lambda words: bulk.resolve(parse(bulk.InpaintConfig, words, description=None)),
    "prepare.py": _prepare,
    "train.py": lambda words: fit.resolve(parse_preset(training.PRESETS, words, description=None)),
    "tune.py": lambda words: fit.resolve(
        parse_preset(definitions.PRESETS, words, description=None)
    ),
}
