"""Sources: what counts as a picture, and the split by hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.preparation.sources import Folder, listing_hash, split_keys
from pipelines.seeding import keyed_generator, stable_hash


def folder(path: Path) -> Folder:
    return Folder(location=str(path), flag="--photos")


def fill(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return path


def test_pictures_are_found_at_any_depth_sorted_with_their_size(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpg", "a/x.PNG", "a/deep/y.jpeg")
    assert folder(tmp_path).list() == [("a/deep/y.jpeg", 13), ("a/x.PNG", 7), ("b.jpg", 5)]


def test_other_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "README.md", "._a.jpg", ".cache/b.jpg")
    assert [key for key, _ in folder(tmp_path).list()] == ["a.jpg"]


def test_files_with_other_endings_bring_one_warning_that_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heic = [f"deep/{index}.HEIC" for index in range(1001)]
    fill(tmp_path, "a.jpg", "c.avif", *heic)
    assert folder(tmp_path).list() == [("a.jpg", 5)]
    assert capsys.readouterr().err == (
        f"warning: --photos {tmp_path}: 1,002 files with other endings (.heic 1,001, .avif 1) "
        "are not read\n"
    )


def test_a_readme_and_hidden_files_bring_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(fill(tmp_path, "a.jpg", "README.md", "._a.heic")).list()
    assert capsys.readouterr() == ("", "")


def test_a_folder_of_other_files_only_is_refused_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 file with other endings \(\.heic 1\) is not read"):
        folder(fill(tmp_path, "a.heic")).list()


def test_key_reads_its_file(tmp_path: Path) -> None:
    assert folder(fill(tmp_path, "a/b c#1.jpg")).read("a/b c#1.jpg") == b"a/b c#1.jpg"


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--photos .*nowhere does not exist"):
        folder(tmp_path / "nowhere").list()


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a file; give the folder"):
        folder(fill(tmp_path, "a.jpg") / "a.jpg").list()


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        folder(tmp_path).list()


def test_file_that_has_gone_is_that_files_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        folder(tmp_path).read("gone.jpg")


def test_folder_that_a_node_does_not_see_is_not_a_files_problem(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folder(tmp_path / "elsewhere").read("a.jpg")


def test_listing_hash_depends_on_names_and_sizes() -> None:
    listings = [[("a", 1), ("b", 2)], [("a", 1)], [("a", 2), ("b", 2)], [("c", 1), ("b", 2)]]
    assert len({listing_hash(listing) for listing in listings}) == 4


def keys(count: int) -> list[str]:
    return [f"photo{index}.jpg" for index in range(count)]


def test_split_holds_every_key_once() -> None:
    split = split_keys(keys(500), validation_percent=10)
    assert sorted(split["train"] + split["validation"]) == sorted(keys(500))


def test_split_has_about_the_share_asked_for() -> None:
    split = split_keys(keys(5000), validation_percent=10)
    assert 430 < len(split["validation"]) < 570


def test_growing_set_moves_nothing_between_the_splits() -> None:
    before = split_keys(keys(500), validation_percent=10)["validation"]
    after = split_keys(keys(1000), validation_percent=10)["validation"]
    assert set(after) & set(keys(500)) == set(before)


@pytest.mark.parametrize("percent", [0.001, 5.0, 99.999])
@pytest.mark.parametrize("count", [2, 3, 16])
def test_neither_split_of_a_small_set_is_empty(count: int, percent: float) -> None:
    split = split_keys(keys(count), validation_percent=percent)
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
