"""Where PSNR and LPIPS rank trials differently."""

from __future__ import annotations

import pytest

from pipelines.reporting.document import Picture, Table, Words
from pipelines.tuning.report.disagreement import compare
from pipelines.tuning.report.perception import perception
from tests.pipelines.tuning.campaigns import make_campaign, make_trial

BLURRED = make_trial("blurred", psnr=25.0, lpips=0.40)
FAIR = make_trial("fair", psnr=24.0, lpips=0.25)
GOOD = make_trial("good", psnr=23.0, lpips=0.20)
SHARP = make_trial("sharp", psnr=22.0, lpips=0.10)
POOR = make_trial("poor", psnr=20.0, lpips=0.50)


def words_of(*trials) -> str:
    section = perception(make_campaign("table1", *trials))
    return " ".join(block.text for block in section.blocks if isinstance(block, Words))


def test_the_pair_furthest_apart_is_named():
    words = words_of(POOR, GOOD, BLURRED, SHARP, FAIR)
    assert (
        "by PSNR, blurred (place 1, 25.00 dB) beats sharp (place 4, 22.00 dB); "
        "by LPIPS, sharp (place 1, 0.100) beats blurred (place 4, 0.400)." in words
    )


def test_pairs_in_opposite_order_are_counted():
    assert "Of 10 pairs of trials, PSNR and LPIPS put 6 in opposite order." in words_of(
        POOR, GOOD, BLURRED, SHARP, FAIR
    )


def test_trials_are_listed_by_how_far_they_move():
    section = perception(make_campaign("table1", POOR, GOOD, BLURRED, SHARP, FAIR))
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert [row[0] for row in table.rows] == ["blurred", "sharp", "fair", "good"]
    assert table.rows[0][1:3] == ("1", "4")


def test_the_images_of_the_pair_stand_next_to_its_words():
    section = perception(make_campaign("table1", GOOD, SHARP))
    files = [block.file for block in section.blocks if isinstance(block, Picture)]
    assert files == ["perception.png", "perception-images.png"]


@pytest.mark.parametrize(
    ("trials", "correlation"), [((POOR, FAIR, SHARP), 0.5), ((BLURRED, FAIR, SHARP), -1.0)]
)
def test_correlation_is_positive_where_the_scores_agree(trials, correlation: float):
    assert compare(trials).correlation == pytest.approx(correlation)


def test_equal_orders_are_said_to_be_equal():
    words = words_of(make_trial("a", psnr=22.0, lpips=0.1), POOR)
    assert "PSNR and LPIPS put none in opposite order." in words


def test_without_lpips_the_reader_is_warned():
    words = words_of(make_trial("a", psnr=22.0), make_trial("b", psnr=21.0))
    assert "LPIPS, the perceptual score, was not measured." in words
