"""Order of trials by a score, what a campaign searched over, and rank correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from pipelines.tuning.outcome import TrialOutcome

PSNR, SSIM, MAE, RELATIVE_MAE, LPIPS = "psnr", "ssim", "mae", "relative_mae", "lpips"
HIGHER_IS_BETTER = {PSNR: True, SSIM: True, MAE: False, RELATIVE_MAE: False, LPIPS: False}

WEIGHT_SYMBOLS = {
    "l1": "L_l1",
    "adversarial": "L_D",
    "style": "L_style",
    "perceptual": "L_perc",
    "feature_matching": "L_FM",
}
"""The loss weights in the order of the columns of Tables 1 and 2, and how the paper writes them."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One number that a campaign searched over."""

    name: str
    """A loss weight's symbol, or a dotted training option."""
    values: tuple[float, ...]
    """One for each trial."""


def score(trial: TrialOutcome, name: str) -> float | None:
    """Take a finite score of PRA, or None where there is none."""
    return finite((trial.progressive or {}).get(name))


def finite(value: float | None) -> float | None:
    """Replace what is no number by None."""
    return None if value is None or not math.isfinite(value) else value


def by_psnr(trials: Sequence[TrialOutcome]) -> list[TrialOutcome]:
    """Take the trials that finished with a PSNR, best first."""
    finished = [(score(trial, PSNR), trial) for trial in trials if trial.state == "finished"]
    scored = [(value, trial) for value, trial in finished if value is not None]
    return [trial for _, trial in sorted(scored, key=lambda pair: -pair[0])]


def title(trial: TrialOutcome) -> str:
    """What to call a trial."""
    return trial.label or trial.name


def dimensions(kind: str, trials: Sequence[TrialOutcome]) -> list[Dimension]:
    """List the numbers that a campaign of a kind searches over and that vary among trials."""
    if kind in ("table1", "table1-rows"):
        weights = [asdict(trial.weights) for trial in trials]
        columns = {
            symbol: [row[name] for row in weights] for name, symbol in WEIGHT_SYMBOLS.items()
        }
    elif kind == "file":
        names = dict.fromkeys(name for trial in trials for name in trial.overrides)
        columns = {name: [trial.overrides.get(name) for trial in trials] for name in names}
    else:
        columns = {}
    return [
        Dimension(name=name, values=tuple(map(float, values)))
        for name, values in columns.items()
        if all(map(_is_number, values)) and len(set(values)) > 1
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def ranks(values: Sequence[float], *, higher_is_better: bool) -> list[int]:
    """Give places from 1, the best; equal values share the better place."""
    series = pd.Series(values, dtype=float)
    return series.rank(method="min", ascending=not higher_is_better).astype(int).tolist()


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Correlate the ranks of two lists; None for fewer than three pairs or a list that is flat."""
    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    places = [pd.Series(values, dtype=float).rank().to_numpy() for values in (first, second)]
    return float(np.corrcoef(*places)[0, 1])


def chance_level(count: int) -> float:
    """Size that a rank correlation of unrelated lists passes once in twenty, roughly."""
    return min(1.0, 1.96 / math.sqrt(count - 1))


def shared_scores(trials: Sequence[TrialOutcome], *names: str) -> list[list[float]] | None:
    """Take scores of all trials, a list for each name; None where any trial lacks one."""
    lists: list[list[float]] = []
    for name in names:
        values = [score(trial, name) for trial in trials]
        present = [value for value in values if value is not None]
        if len(present) < len(values):
            return None
        lists.append(present)
    return lists
