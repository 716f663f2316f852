"""Reading single rows of a prepared data set."""

from __future__ import annotations

import pytest

from pipelines.reading import read_column, read_pictures, read_pictures_at
from pipelines.shards import read_manifest

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(("kind", "split"), [("images", "train"), ("masks", "validation")])
def test_rows_of_a_split_are_found_by_their_number(prepared, kind, split):
    manifest = read_manifest(prepared)
    keys = read_column(prepared, manifest, kind, "key", split)
    rows = [len(keys) - 1, 0, len(keys) // 2, 0]
    expected = read_pictures(prepared, manifest, kind, split, {keys[row] for row in rows})
    assert read_pictures_at(prepared, manifest, kind, split, rows) == expected
    assert len(expected) == 3
