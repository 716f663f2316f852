"""Means and differences of whole evaluations against sums by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.evaluation.gathering import gather
from pipelines.evaluation.results import Subject
from pipelines.evaluation.rows import PREDICTION
from tests.pipelines.evaluation.outcomes import (
    INFINITE,
    known_scores,
    make_classical,
    make_network,
    make_outcome,
    make_work,
    photographs,
)

PRA = Subject(model="net", method="PRA")
ONE_SHOT = Subject(model="net", method="one-shot")
FILL = Subject(model="mean fill", method="fill")
WORK = make_work(photographs(20), [place % 2 for place in range(20)])


def table(**psnr):
    """Scores that are given by subject, item by item; None is an error."""

    def scores(item, model, method, picture):
        value = psnr[method.replace("-", "_")][item]
        return {"error": "no"} if value is None else {"psnr": value, "ssim": 0.5, "passes": 1}

    return scores


def test_means_are_of_the_bucket_and_of_all():
    results = gather(make_outcome([make_network("net"), make_classical()], WORK))
    psnr = [known_scores(item, "net", "PRA", "composite")["psnr"] for item in range(20)]
    raw = [known_scores(item, "net", "PRA", "prediction")["psnr"] for item in range(20)]
    assert results.group(PRA).estimates["psnr"].mean == pytest.approx(np.mean(psnr))
    assert results.group(PRA, 1).estimates["psnr"].mean == pytest.approx(np.mean(psnr[1::2]))
    found = results.group(PRA, picture=PREDICTION).estimates["psnr"].mean
    assert found == pytest.approx(np.mean(raw))
    assert results.subjects == (ONE_SHOT, PRA, FILL)
    assert (results.items[None], results.items[0], results.items[3]) == (20, 10, 0)


def test_rows_may_come_in_any_order():
    outcome = make_outcome([make_network("net")], WORK)
    shuffled = replace(outcome, scores=outcome.scores.sample(frac=1, random_state=0))
    assert gather(shuffled).groups == gather(outcome).groups


def test_failed_and_infinite_items_are_counted_and_not_averaged():
    psnr = [None, INFINITE, *[20.0] * 17, 38.0]
    outcome = make_outcome([make_classical()], WORK, table(fill=psnr))
    group = gather(outcome).group(FILL)
    assert (group.count, group.failed, group.infinite) == (19, 1, 1)
    assert group.estimates["psnr"].mean == 21
    assert group.estimates["ssim"].count == 19


def test_differences_are_over_what_both_have():
    first = [None, INFINITE, *[20.0] * 18]
    second = [30.0, 30.0, None, *[19.0] * 17]
    outcome = make_outcome([make_network("net")], WORK, table(one_shot=second, PRA=first))
    results = gather(outcome)
    (difference,) = results.from_reference()
    assert (difference.subject, difference.reference) == (ONE_SHOT, PRA)
    found = difference.estimates["psnr"]
    assert (found.mean, found.count, found.left_out) == (-1, 17, 1)
    assert found.excludes_zero


def test_every_pair_is_compared_once_and_the_reference_is_the_first_pra():
    candidates = [make_network("net"), make_network("other"), make_classical()]
    results = gather(make_outcome(candidates, WORK))
    assert results.reference == PRA
    pairs = {
        frozenset((each.subject, each.reference))
        for each in results.differences
        if each.bucket is None
    }
    assert len(pairs) == 10
    assert len(results.differences) == 10 * (1 + 4)
    assert len(results.from_reference()) == 4


def test_batches_are_pooled_within_a_bucket_in_the_plans_order():
    psnr = [10.0 + item for item in range(20)]
    group = gather(make_outcome([make_classical()], WORK, table(fill=psnr)))

    def pooled(values):
        return -10 * np.log10(np.mean(10 ** (-np.array(values) / 10)))

    evens, odds = psnr[::2], psnr[1::2]
    batches = [pooled(batch) for each in (evens, odds) for batch in (each[:8], each[8:])]
    assert group.group(FILL, 1).batch_pooled_psnr == pytest.approx(np.mean(batches[2:]))
    assert group.group(FILL).batch_pooled_psnr == pytest.approx(np.mean(batches))
    assert group.group(FILL).batch_pooled_psnr != group.group(FILL).estimates["psnr"].mean
