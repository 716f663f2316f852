"""The results as the paper's own tables have them, best first, its figures beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from isnet.config import LOSS_PRESETS, LossWeights
from pipelines.reporting import figures
from pipelines.reporting.document import MISSING, Column, Table
from pipelines.reporting.figures import Score, show_parameters
from pipelines.reporting.published import PUBLISHED
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.ranking import (
    LPIPS,
    MAE,
    PSNR,
    RELATIVE_MAE,
    WEIGHT_SYMBOLS,
    score,
    title,
)

PARAMETERS = "parameters"

_LPIPS = Score(name=LPIPS, header="LPIPS ↓", digits=3)
_NETWORKS = (figures.PSNR, figures.SSIM, figures.MAE, _LPIPS)
_SEARCH = (figures.PSNR, replace(figures.MAE, digits=3), figures.SSIM, _LPIPS)
_ABLATION = (
    figures.PSNR,
    Score(name=RELATIVE_MAE, header="MAE(%) ↓", digits=3),
    figures.SSIM,
    _LPIPS,
)

_SCORES = {
    "table1": _SEARCH,
    "table1-rows": _SEARCH,
    "table2": _ABLATION,
    "table7": _NETWORKS,
    "table8": _NETWORKS,
    "file": _NETWORKS,
}

_NOTES = {
    "table1": "In the form of Table 1, MAE in % of the full range.",
    "table1-rows": "In the form of Table 1, MAE in % of the full range.",
    "table2": "In the form of Table 2, whose MAE(%) is the sum of |x - y| over the sum of x, "
    "printed as a fraction.",
    "table7": "In the form of Table 7; an M of parameters is 2^20.",
    "table8": "In the form of Table 8; an M of parameters is 2^20.",
    "file": "The columns before the scores are the options that set the trials apart.",
}


def results_table(outcome: CampaignOutcome, ranked: Sequence[TrialOutcome]) -> Table:
    """Lay out the scored trials in the form of the campaign's table, in the order given."""
    columns = [Column(header="#", cells=tuple(str(place + 1) for place in range(len(ranked))))]
    columns += _identity(outcome, ranked)
    for shown in _SCORES[outcome.kind]:
        columns += _score_columns(shown, ranked)
    if outcome.kind != "table1" and outcome.kind != "table1-rows" and outcome.kind != "table2":
        columns += _parameter_columns(outcome, ranked)
    note = _NOTES[outcome.kind]
    if any(column.published for column in columns):
        note += " Published columns are the paper's figures, of its own data and training."
    caption = f"Best first by PSNR of PRA. {note}"
    return Table(columns=tuple(columns), caption=caption, highlight_first=True)


def _identity(outcome: CampaignOutcome, ranked: Sequence[TrialOutcome]) -> list[Column]:
    """Make the columns that say which model a row is."""
    if outcome.kind in ("table7", "table8"):
        header = "Models" if outcome.kind == "table7" else "Blocks"
        return [_words(header, ranked, _published_label)]
    trial = _words("Trial", ranked, title)
    if outcome.kind == "file":
        names = dict.fromkeys(name for planned in outcome.trials for name in planned.overrides)
        return [trial, *(_option_column(name, ranked) for name in names)]
    return [trial, *_weight_columns([each.weights for each in ranked])]


def _words(
    header: str, trials: Sequence[TrialOutcome], cell: Callable[[TrialOutcome], str]
) -> Column:
    return Column(header=header, cells=tuple(map(cell, trials)), text=True)


def _published_label(trial: TrialOutcome) -> str:
    return PUBLISHED[trial.published].label if trial.published else title(trial)


def _option_column(name: str, trials: Sequence[TrialOutcome]) -> Column:
    cells = tuple(show_option(trial.overrides.get(name)) for trial in trials)
    return Column(header=name, cells=cells)


def show_option(value: Any) -> str:
    """Print the value of a training option; a dash where a trial leaves it alone."""
    if value is None:
        return MISSING
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _weight_columns(rows: Sequence[LossWeights]) -> list[Column]:
    return [
        Column(header=symbol, cells=tuple(show_weight(getattr(row, name)) for row in rows))
        for name, symbol in WEIGHT_SYMBOLS.items()
    ]


def show_weight(value: float) -> str:
    """Print a loss weight as Table 1 does: six decimals at most."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _score_columns(shown: Score, trials: Sequence[TrialOutcome]) -> list[Column]:
    """Make the column of a score, where any trial has it, and the paper's where it prints any."""
    values = [score(trial, shown.name) for trial in trials]
    if all(value is None for value in values):
        return []
    ours = Column(header=shown.header, cells=tuple(map(shown.show, values)))
    return [ours, *_published_columns(shown.header, shown.name, trials)]


def _published_columns(header: str, name: str, trials: Sequence[TrialOutcome]) -> list[Column]:
    rows = [PUBLISHED[trial.published].figures if trial.published else {} for trial in trials]
    if not any(name in printed for printed in rows):
        return []
    cells = tuple(printed.get(name, MISSING) for printed in rows)
    return [Column(header=header, cells=cells, published=True)]


def _parameter_columns(outcome: CampaignOutcome, trials: Sequence[TrialOutcome]) -> list[Column]:
    cells = tuple(show_parameters(trial.parameters) for trial in trials)
    if outcome.kind == "file" and len(set(cells)) == 1:
        return []
    ours = Column(header="Parameters", cells=cells)
    return [ours, *_published_columns("Parameters", PARAMETERS, trials)]


def published_table1() -> Table:
    """Lay out the paper's Table 1, best first, for a search to be held against."""
    keys = [key for key in PUBLISHED if key.startswith("table1-")]
    keys.sort(key=lambda key: -float(PUBLISHED[key].figures[PSNR]))
    rows = [PUBLISHED[key] for key in keys]
    columns = [
        Column(header="Row", cells=tuple(row.label for row in rows), text=True),
        *_weight_columns([LOSS_PRESETS[key] for key in keys]),
        *(
            Column(header=header, cells=tuple(row.figures[name] for row in rows), published=True)
            for header, name in (("PSNR ↑", PSNR), ("MAE(%) ↓", MAE))
        ),
    ]
    caption = "The paper's own Table 1, best first; its data and its training are not ours."
    return Table(columns=tuple(columns), caption=caption)
