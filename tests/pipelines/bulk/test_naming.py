"""Names of results: the pictures' own where they may stay, and never one name for two."""

from __future__ import annotations

import itertools
import time

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isnet.config import InputError
from pipelines.bulk.naming import name_levels, output_name, unsafe

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def levels(*keys: str) -> list[int]:
    return [int(level) for level in name_levels(pa.array(keys, pa.large_string()))]


def names(ending: str, *keys: str) -> list[str]:
    return [output_name(key, level, ending) for key, level in zip(keys, levels(*keys), strict=True)]


PARTS = ("a", "b.png", ".gif", ".png", ".jpg", ".JPG", ".jpeg", ".tiff", "/", ".", "\n", "é")
pieces = st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map("".join)


@st.composite
def adversarial_keys(draw: st.DrawFn) -> list[str]:
    """Keys made of the same few pieces, and of the names that others might get."""
    keys = draw(st.lists(pieces, min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 3))):
        victim, level = draw(st.sampled_from(keys)), draw(st.integers(0, 3))
        taken = output_name(victim, level, draw(st.sampled_from(ENDINGS)))
        keys.append(draw(st.sampled_from((taken, f"{taken}/a.jpg", f"{taken}.gif"))))
    return sorted(set(keys))


@given(keys=adversarial_keys())
@example(keys=["a.gif", output_name("a.gif", 2, ".png"), "a.gif.jpg", "a.png"])
def test_no_two_pictures_get_one_name_whatever_their_endings(keys: list[str]) -> None:
    owners: dict[str, set[str]] = {}
    for key, level in zip(keys, levels(*keys), strict=True):
        for ending in ENDINGS:
            owners.setdefault(output_name(key, level, ending), set()).add(key)
    assert [found for found in owners.values() if len(found) > 1] == []


@given(keys=adversarial_keys())
def test_no_new_name_is_that_of_a_folder(keys: list[str]) -> None:
    folders = {
        "/".join(parts[:length])
        for parts in (key.split("/") for key in keys)
        for length in range(1, len(parts))
    }
    given_names = itertools.chain.from_iterable(names(ending, *keys) for ending in ENDINGS)
    assert not folders & (set(given_names) - set(keys))


@pytest.mark.parametrize(
    ("key", "ending"),
    [("a/b.jpg", ".jpg"), ("B.JPG", ".jpg"), ("b.jpeg", ".jpg"), ("b.tif", ".tiff")],
)
def test_a_key_whose_ending_fits_is_the_name(key: str, ending: str) -> None:
    assert output_name(key, 2, ending) == key


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a/b.jpg"], ["a/b.png"]),
        (["version 1.5"], ["version 1.5.png"]),
        (["a.jpg", "a.gif", "b.gif"], ["a.jpg.png", "a.gif.png", "b.png"]),
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png"]),
        (["a.jpg", "a.png/b.jpg"], ["a.jpg.png", "a.png/b.png"]),
        (["a.jpg", "a"], ["a.jpg.png", "a.ca978112.png"]),
    ],
)
def test_a_name_shows_no_more_of_its_key_than_it_must(keys: list[str], expected: list[str]) -> None:
    assert names(".png", *keys) == expected


def test_a_level_does_not_depend_on_the_order() -> None:
    keys = ("a.jpg", "a", "b.gif", "b.gif.png", "c/d.jpg")
    assert levels(*reversed(keys)) == levels(*keys)[::-1]


def test_keys_that_leave_no_name_are_refused() -> None:
    key = "a.jpg"
    taken = [output_name(key, level, ".png") for level in range(2, 128)]
    with pytest.raises(InputError, match=r"no name is left for the result of a\.jpg"):
        levels(key, "a.gif", "a.jpg.gif", *taken)


def test_no_keys_need_no_levels() -> None:
    assert levels() == []


def test_a_million_keys_take_seconds() -> None:
    keys = pa.array((f"{n % 1000:03d}/{n:07d}.jpg" for n in range(1_000_000)), pa.large_string())
    started = time.monotonic()
    assert not name_levels(keys).any()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "key",
    [
        "/a.jpg",
        "../a.jpg",
        "a/../b.jpg",
        "./a.jpg",
        "a//b.jpg",
        "a/",
        "",
        "a\0.jpg",
        "a\\b.jpg",
        "C:/a.jpg",
        "c:a.jpg",
        ".inpaint/a.jpg",
        ".Inpaint",
        "results.parquet/a.jpg",
        "é" * 128 + "/a.jpg",
    ],
)
def test_a_key_that_leads_elsewhere_is_unsafe(key: str) -> None:
    assert unsafe(key)


@pytest.mark.parametrize(
    "key", ["a.jpg", "a/b c#1.jpg", "...jpg", "a/.inpaint/b.jpg", "éa:b.jpg", "é" * 127]
)
def test_other_keys_are_safe(key: str) -> None:
    assert unsafe(key) is None
