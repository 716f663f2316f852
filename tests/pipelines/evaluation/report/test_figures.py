"""The paper's figures on fabricated examples: which are drawn, and what stands where."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from isnet.config import GeneratorConfig
from pipelines.evaluation.outcome import Candidate, Examples
from pipelines.evaluation.report import figure6
from pipelines.evaluation.report import figures as drawing
from pipelines.evaluation.report.figures import figures
from pipelines.evaluation.rows import FILL, ONE_SHOT, PRA

SIDE = 40
RATIOS = (0.15, 0.15, 0.25, 0.35, 0.35, 0.45)
"""Hole ratios of the examples."""


def _network(name):
    return Candidate(
        name=name, location=name, fingerprint="f", generator=GeneratorConfig(), facts={}
    )


def _trained(name, loss):
    return replace(_network(name), facts={"loss": loss, "steps": "200"})


def _classical(name):
    return Candidate(name=name, location=name, fingerprint="f", facts={})


A, B, TELEA = _network("A"), _network("B"), _classical("telea")


def _examples(candidates, ratios=RATIOS) -> Examples:
    """Noise; the holes are bands from the left."""
    draw = np.random.default_rng(0)
    count = len(ratios)

    def pictures():
        return draw.integers(0, 255, (count, SIDE, SIDE, 3), dtype=np.uint8)

    known = [np.arange(SIDE) >= round(ratio * SIDE) for ratio in ratios]
    return Examples(
        items=tuple(range(10, 10 + count)),
        ground_truth=pictures(),
        valid=np.broadcast_to(np.reshape(known, (count, 1, SIDE)), (count, SIDE, SIDE)).copy(),
        composites={
            (candidate.name, method): pictures()
            for candidate in candidates
            for method in candidate.methods
        },
    )


@pytest.fixture
def as_laid_out(monkeypatch):
    """Make pictures tell what they were drawn from."""
    for module in (drawing, figure6):
        monkeypatch.setattr(
            module,
            "comparison_grid",
            lambda rows, headers, **words: SimpleNamespace(rows=rows, headers=headers, **words),
        )


def _figure(number, candidates, examples, published="places2"):
    files = {picture.file: picture for picture in figures(candidates, examples, published)}
    return files[f"figure{number}.png"]


def _without(examples, *missing):
    kept = {key: value for key, value in examples.composites.items() if key not in missing}
    return Examples(
        items=examples.items,
        ground_truth=examples.ground_truth,
        valid=examples.valid,
        composites=kept,
    )


@pytest.mark.parametrize(
    ("candidates", "published", "numbers"),
    [
        ([A], "places2", "678"),
        ([A, B], "places2", "5678"),
        ([TELEA, A, B], "celeba", "5679"),
        ([TELEA], "places2", "8"),
        ([], "places2", ""),
    ],
)
def test_figures_that_apply_are_drawn(candidates, published, numbers):
    drawn = figures(candidates, _examples(candidates), published)
    assert [picture.file for picture in drawn] == [f"figure{number}.png" for number in numbers]
    assert [picture.title.partition(":")[0] for picture in drawn] == [
        f"Figure {number}" for number in numbers
    ]
    for picture in drawn:
        assert isinstance(picture.image, Image.Image)
        assert picture.photographic == (picture.file != "figure6.png")


def test_without_examples_there_are_no_figures():
    assert figures([A, B], _examples([A, B], ratios=()), "places2") == []


@pytest.mark.usefixtures("as_laid_out")
def test_figure_5_compares_networks_by_one_shot():
    examples = _examples([A, TELEA, B])
    picture = _figure(5, [A, TELEA, B], examples)
    assert picture.image.headers == ["corrupted", "A", "B", "ground truth"]
    for index, (corrupted, first, second, truth) in enumerate(picture.image.rows):
        hole = ~examples.valid[index]
        assert (corrupted[hole] == 255).all()
        np.testing.assert_array_equal(corrupted[~hole], examples.ground_truth[index][~hole])
        np.testing.assert_array_equal(first, examples.composites["A", ONE_SHOT][index])
        np.testing.assert_array_equal(second, examples.composites["B", ONE_SHOT][index])
        np.testing.assert_array_equal(truth, examples.ground_truth[index])
    assert picture.image.notes[:3] == [
        "item 10, hole 15%",
        "item 11, hole 15%",
        "item 12, hole 25%",
    ]
    assert "one-shot" in picture.caption


@pytest.mark.usefixtures("as_laid_out")
def test_figure_7_shows_the_two_highest_buckets_by_the_first_network():
    examples = _examples([TELEA, A, B])
    picture = _figure(7, [TELEA, A, B], examples)
    assert picture.image.headers == ["ground truth", "corrupted", "one-shot", "PRA"]
    assert picture.image.notes == ["item 13, hole 35%", "item 14, hole 35%", "item 15, hole 45%"]
    for index, row in zip((3, 4, 5), picture.image.rows, strict=True):
        np.testing.assert_array_equal(row[0], examples.ground_truth[index])
        np.testing.assert_array_equal(row[2], examples.composites["A", ONE_SHOT][index])
        np.testing.assert_array_equal(row[3], examples.composites["A", PRA][index])
    assert "by A (the first of the 2 networks)" in picture.caption
    assert "30-40% and 40-50%" in picture.caption


@pytest.mark.usefixtures("as_laid_out")
def test_holes_on_the_edge_of_a_bucket_belong_to_the_higher_one():
    picture = _figure(7, [A], _examples([A], ratios=(0.1, 0.2, 0.3)))
    assert picture.image.notes == ["item 11, hole 20%", "item 12, hole 30%"]
    assert "20-30% and 30-40%" in picture.caption


@pytest.mark.usefixtures("as_laid_out")
@pytest.mark.parametrize(("number", "published"), [(8, "places2"), (9, "celeba")])
def test_the_gallery_shows_every_candidate_networks_by_pra(number, published):
    examples = _examples([TELEA, A, B])
    picture = _figure(number, [TELEA, A, B], examples, published)
    assert picture.image.headers == ["corrupted", "telea", "A + PRA", "B + PRA", "ground truth"]
    assert len(picture.image.rows) == len(RATIOS)
    for index, row in enumerate(picture.image.rows):
        np.testing.assert_array_equal(row[1], examples.composites["telea", FILL][index])
        np.testing.assert_array_equal(row[3], examples.composites["B", PRA][index])
    assert f"the paper's Figure {number}" in picture.caption
    assert "left out" not in picture.caption


@pytest.mark.usefixtures("as_laid_out")
def test_who_failed_is_left_out_and_counted():
    candidates = [A, B, _network("C"), TELEA]
    examples = _without(_examples(candidates), ("B", ONE_SHOT), ("B", PRA), ("telea", FILL))
    assert _figure(5, candidates, examples).image.headers[1:-1] == ["A", "C"]
    assert _figure(5, candidates, examples).caption.endswith("1 of them failed and is left out.")
    assert _figure(8, candidates, examples).image.headers[1:-1] == ["A + PRA", "C + PRA"]
    assert _figure(8, candidates, examples).caption.endswith("2 of them failed and are left out.")


def test_a_first_network_that_failed_leaves_figures_5_and_7_out():
    examples = _without(_examples([A, B]), ("A", ONE_SHOT))
    files = [picture.file for picture in figures([A, B], examples, "places2")]
    assert files == ["figure6.png", "figure8.png"]


def test_long_names_widen_no_column():
    names = [f"isnet-places2-eq5-255000-steps-seed-{seed}-ema-0.999" for seed in range(3)]
    networks = [_network(name) for name in names]
    assert _figure(8, networks, _examples(networks)).image.width == 5 * 166 + 6


def test_figure_5_names_the_losses_that_are_known(as_laid_out):
    first, second = _trained("A", "l1 1, style 3"), _trained("C", "l1 50")
    candidates = [first, B, second]
    examples = _examples(candidates)
    caption = _figure(5, candidates, examples).caption
    assert "Loss of A: l1 1, style 3; C: l1 50." in caption
    fewer = _without(examples, ("C", ONE_SHOT))
    assert _figure(5, candidates, fewer).caption.endswith("left out. Loss of A: l1 1, style 3.")
    assert "Loss of" not in _figure(5, [A, B], _examples([A, B])).caption
