"""Tables and pictures."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.reporting.document import Column, Table
from pipelines.reporting.grid import comparison_grid
from pipelines.reporting.markdown import markdown_table, table_to_markdown


def test_a_table_is_aligned_markdown():
    table = markdown_table(["method", "PSNR"], [["mean fill", "20.1"], ["PRA", "9.25"]])
    assert table.splitlines() == [
        "| method    | PSNR |",
        "| --------- | ---: |",
        "| mean fill | 20.1 |",
        "| PRA       | 9.25 |",
    ]


def test_names_of_users_break_no_table():
    columns = (
        Column(header="a|b\nc", cells=("x|y", "one\r\ntwo"), text=True),
        Column(header="A|B", cells=("1", "2"), published=True),
    )
    assert table_to_markdown(Table(columns=columns, caption="Both.")).splitlines() == [
        r"| a\|b c  | A\|B (published) |",
        r"| ------- | ---------------: |",
        r"| x\|y    |                1 |",
        r"| one two |                2 |",
        "",
        "Both.",
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


def _inked(grid, colour=(30, 30, 30)):
    """Where letters are at their darkest: bool (H, W)."""
    return (np.asarray(grid) == colour).all(axis=-1)


def _tiles(count):
    return [np.full((160, 160, 3), 200, dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    "name",
    [
        "isnet-places2-eq5-255000-steps-places2-table5-ema + PRA",
        "a model with a name of many short words, all of which are needed",
        "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
    ],
)
def test_long_headers_stay_in_their_columns(name):
    grid = comparison_grid([_tiles(3)], [name] * 3)
    header = _inked(grid)[: grid.height - 160 - 2 * 6 - 1]
    assert header.any()
    for left in (6, 172, 338):
        assert header[:, left : left + 160].any()
        header[:, left : left + 160] = False
    assert not header.any()


def test_headers_end_right_above_their_columns():
    """However tall the tallest of them is."""
    one = comparison_grid([_tiles(2)], ["a", "b"])
    long = comparison_grid([_tiles(2)], ["a", "word " * 40])
    assert one.height == 22 + 166 + 6
    assert (long.height - one.height) % 22 == 0
    assert np.array_equal(_inked(one)[:22, :172], _inked(long)[-166 - 6 - 22 : -166 - 6, :172])


def test_pictures_are_framed_and_empty_places_are_not():
    picture = np.full((160, 160, 3), 255, dtype=np.uint8)
    grid = np.asarray(comparison_grid([[picture, None], [None, picture]], ["", ""]))
    for top, left, framed in ((6, 6, True), (6, 172, False), (172, 6, False), (172, 172, True)):
        place = grid[top - 1 : top + 161, left - 1 : left + 161]
        edge = np.concatenate([place[0], place[-1], place[:, 0], place[:, -1]])
        assert (edge == 160).all() == framed
        assert (place[1:-1, 1:-1] == 255).all()


def test_captions_stand_under_their_pictures():
    grid = comparison_grid([_tiles(2), _tiles(2)], ["", ""], captions=[["M", ""], ["", "M"]])
    assert grid.height == 6 + 2 * (160 + 22 + 6) + 6
    inked = _inked(grid)
    places = [(166, 6, True), (166, 172, False), (354, 6, False), (354, 172, True)]
    for top, left, written in places:
        assert inked[top : top + 22, left : left + 160].any() == written
