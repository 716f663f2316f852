"""The split by hash, and the numbers that follow from names."""

from __future__ import annotations

import hashlib

import pytest

from pipelines.preparation.splits import split_keys
from pipelines.seeding import keyed_generator, stable_hash


def keys(count: int) -> list[str]:
    return [f"photo{index}.jpg" for index in range(count)]


def divided(names: list[str], percent: float) -> dict[str, list[str]]:
    split = split_keys(names, validation_percent=percent)
    return {name: [names[row] for row in rows] for name, rows in split.items()}


def test_split_holds_every_key_once() -> None:
    split = divided(keys(500), 10)
    assert sorted(split["train"] + split["validation"]) == sorted(keys(500))


def test_split_has_about_the_share_asked_for() -> None:
    split = divided(keys(5000), 10)
    assert 430 < len(split["validation"]) < 570


def test_growing_set_moves_nothing_between_the_splits() -> None:
    before = divided(keys(500), 10)["validation"]
    after = divided(keys(1000), 10)["validation"]
    assert set(after) & set(keys(500)) == set(before)


@pytest.mark.parametrize("percent", [0.001, 5.0, 99.999])
@pytest.mark.parametrize("count", [2, 3, 16])
def test_neither_split_of_a_small_set_is_empty(count: int, percent: float) -> None:
    split = divided(keys(count), percent)
    assert split["train"]
    assert split["validation"]


def test_hashes_are_the_same_in_every_process() -> None:
    spelled_out = hashlib.blake2b(b"\x05\0\0\0split\x0a\0\0\0photo0.jpg", digest_size=16)
    expected = int.from_bytes(spelled_out.digest()[:8], "little")
    assert stable_hash("split", "photo0.jpg") == expected


def test_words_are_kept_apart() -> None:
    assert stable_hash("ab", "c") != stable_hash("a", "bc")


def test_keyed_generators_repeat_and_differ() -> None:
    first, again, other = (keyed_generator(*words).random() for words in [(1, 2), (1, 2), (1, 3)])
    assert first == again != other
