"""Rank correlations of a search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipelines.reporting.document import Table, Words
from pipelines.tuning.report.ranking import dimensions, spearman
from pipelines.tuning.report.search import search
from tests.pipelines.tuning.campaigns import make_campaign, make_trial, random_trial


@pytest.mark.parametrize("levels", [1000, 4], ids=["distinct", "with ties"])
def test_correlation_is_scipys(levels: int):
    rng = np.random.default_rng(levels)
    first, second = rng.integers(0, levels, (2, 30)).tolist()
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_a_flat_list_has_no_correlation():
    assert spearman([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]) is None


def test_each_weight_is_correlated_with_each_score():
    trials = [random_trial(number, 20.0 + number, 0.3 - number / 100) for number in range(12)]
    section = search(make_campaign("table1", *trials))
    assert section
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert [column.header for column in table.columns[1:]] == [
        "PSNR ↑", "SSIM ↑", "MAE ↓", "LPIPS ↓"
    ]  # fmt: skip
    styles = [trial.weights.style for trial in trials]
    expected = spearmanr(styles, range(12)).statistic
    (row,) = [row for row in table.rows if row[0] == "L_style"]
    assert row[1:] == (
        f"{expected:+.2f}",
        f"{expected:+.2f}",
        f"{-expected:+.2f}",
        f"{-expected:+.2f}",
    )


@pytest.mark.parametrize(("count", "warned"), [(8, True), (10, False)])
def test_few_trials_are_warned_of(count: int, warned: bool):
    trials = [random_trial(number, 20.0 + number) for number in range(count)]
    section = search(make_campaign("table1", *trials))
    assert section
    warnings = [
        block for block in section.blocks if isinstance(block, Words) and block.tone == "warning"
    ]
    assert bool(warnings) == warned
    assert not warned or "8 trials are few" in warnings[0].text


def test_a_campaign_file_is_searched_over_its_numbers_only():
    trials = [
        make_trial(
            f"t{number}",
            psnr=20.0 + number,
            overrides={
                "optimizer.generator_lr": 10.0**-number,
                "generator.blocks": number,
                "generator.design": "isnet" if number % 2 else "base",
                "channels_last": number % 2 == 0,
                "seed": 7,
            },
        )
        for number in range(1, 5)
    ]
    names = [dimension.name for dimension in dimensions("file", trials)]
    assert names == ["optimizer.generator_lr", "generator.blocks"]


def test_a_campaign_of_networks_is_no_search():
    trials = [
        make_trial(f"blocks-{blocks}", psnr=20.0, overrides={"generator.blocks": blocks})
        for blocks in (1, 2)
    ]
    assert search(make_campaign("table8", *trials)) is None
