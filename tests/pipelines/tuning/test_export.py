"""The CSV file of a campaign."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

from pipelines.tuning.report.export import write_csv
from tests.pipelines.tuning.campaigns import make_campaign, make_trial, random_trial


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_figures_come_back_to_the_last_digit(tmp_path: Path):
    trial = random_trial(3, 21.123456789012345, 0.1 + 0.2)
    write_csv(make_campaign("table1", trial), tmp_path / "trials.csv")
    (row,) = read(tmp_path / "trials.csv")
    assert trial.progressive
    assert trial.one_shot
    for method, scores in (("progressive", trial.progressive), ("one_shot", trial.one_shot)):
        assert {name: float(row[f"{method}_{name}"]) for name in scores} == dict(scores)
    weights = asdict(trial.weights)
    assert {name: float(row[f"weight_{name}"]) for name in weights} == weights
    assert json.loads(row["overrides"]) == dict(trial.overrides)


def test_awkward_reasons_come_back(tmp_path: Path):
    reason = 'a "quoted", broken\nline'
    failed = make_trial("trial-00", state="failed", reason=reason)
    write_csv(make_campaign("table1", failed), tmp_path / "trials.csv")
    (row,) = read(tmp_path / "trials.csv")
    assert row["reason"] == reason
    assert row["progressive_psnr"] == ""


def test_the_best_trial_comes_first_and_the_paper_beside_it(tmp_path: Path):
    trials = [
        make_trial("row2", psnr=20.0, published="table1-row2"),
        make_trial("row1", psnr=21.0, published="table1-row1"),
        make_trial("row3", state="unfinished", published="table1-row3"),
    ]
    write_csv(make_campaign("table1-rows", *trials), tmp_path / "trials.csv")
    rows = read(tmp_path / "trials.csv")
    assert [(row["place"], row["name"]) for row in rows] == [
        ("1", "row1"),
        ("2", "row2"),
        ("", "row3"),
    ]
    assert rows[0]["published_psnr"] == "24.06"
