"""The campaign as one flat table, every figure to its last digit."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.reporting.published import PUBLISHED
from pipelines.storage import printable
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.ranking import HIGHER_IS_BETTER, by_psnr
from pipelines.tuning.report.trial_tables import command, in_order

_PUBLISHED_FIGURES = (*HIGHER_IS_BETTER, "parameters")


def write_csv(outcome: CampaignOutcome, path: Path) -> None:
    """Write a row a trial, scored ones first; what a trial does not have is left empty."""
    places = {trial.name: place for place, trial in enumerate(by_psnr(outcome.trials), start=1)}
    rows = [_row(outcome, trial, places.get(trial.name)) for trial in in_order(outcome)]
    names = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(["name"])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names), restval="")
        writer.writeheader()
        writer.writerows(rows)


def _row(outcome: CampaignOutcome, trial: TrialOutcome, place: int | None) -> dict[str, Any]:
    published = PUBLISHED[trial.published].figures if trial.published else {}
    return {
        "place": place,
        **{name: getattr(trial, name) for name in ("name", "label", "state", "reason")},
        "overrides": json.dumps(dict(trial.overrides), default=str),
        **{f"weight_{name}": value for name, value in asdict(trial.weights).items()},
        **{name: getattr(trial, name) for name in ("parameters", "steps", "seconds")},
        **_scores("progressive", trial.progressive),
        **_scores("one_shot", trial.one_shot),
        "published": trial.published,
        **{f"published_{name}": published.get(name) for name in _PUBLISHED_FIGURES},
        "location": printable(trial.location),
        "run_id": trial.run_id,
        "command": command(outcome.name, trial),
    }


def _scores(method: str, scores: Mapping[str, float] | None) -> dict[str, float | None]:
    return {f"{method}_{name}": (scores or {}).get(name) for name in HIGHER_IS_BETTER}
