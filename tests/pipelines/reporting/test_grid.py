"""Tables and pictures."""

from __future__ import annotations

import numpy as np

from pipelines.reporting.grid import comparison_grid
from pipelines.reporting.markdown import markdown_table


def test_a_table_is_aligned_markdown():
    table = markdown_table(["method", "PSNR"], [["mean fill", "20.1"], ["PRA", "9.25"]])
    assert table.splitlines() == [
        "| method    | PSNR |",
        "| --------- | ---: |",
        "| mean fill | 20.1 |",
        "| PRA       | 9.25 |",
    ]


def test_a_grid_shows_every_picture_unchanged_in_its_place():
    rng = np.random.default_rng(0)
    rows = [[rng.integers(0, 255, (200, 200, 3), dtype=np.uint8) for _ in "abc"] for _ in "12"]
    grid = np.asarray(comparison_grid(rows, ["a", "b", "c"], notes=["one", "two"]))
    found = [
        (top, left)
        for row in rows
        for picture in row
        for top in range(grid.shape[0] - 199)
        for left in range(6, grid.shape[1] - 199, 206)
        if np.array_equal(grid[top : top + 200, left : left + 200], picture)
    ]
    assert len(found) == 6
    assert found == sorted(found)


def test_small_pictures_are_enlarged_without_smoothing():
    picture = np.zeros((16, 16, 3), dtype=np.uint8)
    picture[8:] = 255
    grid = np.asarray(comparison_grid([[picture]], ["x"]))
    assert set(np.unique(grid[30:150, 20:150])) == {0, 255}
