"""Masks find their pictures by path, suffix and nothing else."""

from __future__ import annotations

import pytest

from isnet.config import InputError
from pipelines.bulk.pairing import pair, without_masks
from pipelines.sources.listing import Entry, Listing


def listing(*keys: str) -> Listing:
    return Listing.of(map(Entry, keys))


def paired(pictures: Listing, masks: Listing, suffix: str = "") -> list[int]:
    found = pair(pictures, masks, suffix=suffix, name="--masks m")
    assert found.dtype == "int64"
    return [int(index) for index in found]


def test_endings_do_not_count_and_folders_do() -> None:
    pictures = listing("a/x.jpg", "b/x.JPEG", "y.tiff")
    assert paired(pictures, listing("y.png", "b/x.gif", "x.png", "a/x.PNG")) == [3, 1, 0]


def test_a_suffix_stands_before_the_ending() -> None:
    assert paired(listing("a/x.jpg"), listing("a/x.png", "a/x_mask.png"), "_mask") == [1]


def test_a_picture_without_a_mask_has_none() -> None:
    assert paired(listing("x.jpg", "y.jpg"), listing("y.png")) == [-1, 0]


def test_case_counts() -> None:
    assert paired(listing("X.jpg", "y.jpg"), listing("x.png", "y.png")) == [-1, 1]


def test_two_pictures_may_share_a_mask() -> None:
    assert paired(listing("x.jpg", "x.png"), listing("x.gif")) == [0, 0]


def test_two_masks_of_one_picture_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"--masks m has two masks .*, a\.png and a\.gif;"):
        paired(listing("a.jpg", "b.jpg"), listing("b.png", "a.png", "a.gif"))


def test_two_masks_that_no_picture_asks_for_do_no_harm() -> None:
    assert paired(listing("b.jpg"), listing("b.png", "a.png", "a.gif")) == [0]


def test_masks_of_other_pictures_altogether_are_refused_with_an_example_of_each() -> None:
    with pytest.raises(InputError, match=r"p/a\.jpg .* p/a_m with .* a\.png; .*--mask-suffix"):
        paired(listing("p/a.jpg"), listing("a.png"), "_m")


def test_no_pictures_need_no_masks() -> None:
    assert paired(listing(), listing("a.png")) == []


def test_masks_beside_their_pictures_are_no_pictures() -> None:
    found = without_masks(listing("a.jpg", "a_mask.png", "b/a_mask.png", "c.jpg"), "_mask")
    assert [entry.key for entry in found] == ["a.jpg", "b/a_mask.png", "c.jpg"]


def test_masks_beside_their_pictures_need_a_suffix() -> None:
    with pytest.raises(InputError, match="--mask-suffix is empty"):
        without_masks(listing("a.jpg"), "")
