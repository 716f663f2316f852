"""The published weights, against the paper's equations and tables."""

from __future__ import annotations

from collections.abc import Iterator

from isnet.config import LOSS_PRESETS, LossWeights

# l1, adversarial, style, perceptual, feature matching, copied from the paper's tables.
TABLE_1 = """
48.081212 5.412144 15.96878 40.149662 0.118075
0.604847 0.202847 44.101921 0.387274 0.488302
24.159013 66.923958 0.103212 6.038855 206.568582
13.484269 30.525771 1.034876 155.314466 32.331865
7.700032 3.438013 1.986786 22.0823 0.31213
3.229381 12.299439 6.084766 18.260382 14.062116
63.075208 0.206318 144.371788 1.288317 6.51374
1.110633 15.054847 76.107149 0.145567 0.24907
8.017214 1.670086 0.491773 95.361352 70.59277
1.74567 49.057089 1.153775 1.412379 0.189158
"""
TABLE_2 = """
1 1 0 0 0
1 1 1 0 0
1 1 1 1 0
1 1 1 1 1
1 3 1 1 0
1 10 1 1 0
1 3 3 1 0
"""


def _rows(table: str) -> Iterator[tuple[int, LossWeights]]:
    names = ("l1", "adversarial", "style", "perceptual", "feature_matching")
    for number, line in enumerate(table.split("\n")[1:-1], start=1):
        values = map(float, line.split())
        yield number, LossWeights(**dict(zip(names, values, strict=True)))


def test_presets_of_the_equations() -> None:
    assert LOSS_PRESETS["eq4"] == LossWeights(
        l1=1, adversarial=0.1, perceptual=0.1, style=250, feature_matching=10
    )
    assert LOSS_PRESETS["eq5"] == LossWeights(l1=1, adversarial=3, perceptual=1, style=3)


def test_presets_of_the_tables() -> None:
    expected = {f"table1-row{number}": weights for number, weights in _rows(TABLE_1)}
    expected |= {f"table2-row{number}": weights for number, weights in _rows(TABLE_2)}
    presets = {name: weights for name, weights in LOSS_PRESETS.items() if "table" in name}
    assert presets == expected
    assert len(expected) == 17
