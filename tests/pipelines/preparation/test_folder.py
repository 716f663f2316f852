"""Folders of pictures: what counts as one, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.sources import listing
from pipelines.sources.listing import Entry, Listing
from pipelines.sources.opening import Source, open_source


def folder(path: Path) -> Source:
    return open_source(str(path), "--photos")


def listed(path: Path) -> list[tuple[str, int]]:
    return [(entry.key, entry.size) for entry in folder(path).list()]


def fill(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return path


def test_pictures_are_found_at_any_depth_sorted_with_their_size(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpg", "a/x.PNG", "a/deep/y.jpeg")
    assert listed(tmp_path) == [("a/deep/y.jpeg", 13), ("a/x.PNG", 7), ("b.jpg", 5)]


def test_other_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "README.md", "._a.jpg", ".cache/b.jpg")
    assert [key for key, _ in listed(tmp_path)] == ["a.jpg"]


def test_files_with_other_endings_bring_one_warning_that_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heic = [f"deep/{index}.HEIC" for index in range(1001)]
    fill(tmp_path, "a.jpg", "c.avif", *heic)
    assert listed(tmp_path) == [("a.jpg", 5)]
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
    assert folder(fill(tmp_path, "a/b c#1.jpg")).read(Entry("a/b c#1.jpg")) == b"a/b c#1.jpg"


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
        folder(tmp_path).read(Entry("gone.jpg"))


def test_folder_that_a_node_does_not_see_is_not_a_files_problem(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    source = folder(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rmdir()
    with pytest.raises(FileNotFoundError):
        source.read(Entry("a.jpg"))


def test_listing_hash_depends_on_names_and_sizes() -> None:
    listings = [[("a", 1), ("b", 2)], [("a", 1)], [("a", 2), ("b", 2)], [("c", 1), ("b", 2)]]
    hashes = {Listing.of(Entry(*entry) for entry in listing).hash() for listing in listings}
    assert len(hashes) == 4


def test_listing_hash_does_not_depend_on_places() -> None:
    here, there = (Listing.of([Entry("a", 1, file, 512 * file)]) for file in (0, 3))
    assert here.hash() == there.hash()


def test_listing_comes_back_entry_by_entry_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "CHUNK", 3)
    entries = [Entry(f"{index}.jpg", index, index % 2, 512 * index) for index in range(10)]
    found = Listing.of(entries)
    assert list(found) == entries
    assert [found[index] for index in range(10)] == entries
    assert list(found[2:9:3]) == entries[2:9:3]
    assert len(Listing.of([])) == len(list(Listing.of([]))) == 0


@pytest.mark.parametrize("places", [(0, 9), (2, 3), (8, 9)])
def test_a_key_that_occurs_twice_is_found_anywhere(
    monkeypatch: pytest.MonkeyPatch, places: tuple[int, int]
) -> None:
    monkeypatch.setattr(listing, "CHUNK", 3)
    names = [f"{index}.jpg" for index in range(10)]
    assert Listing.of(map(Entry, names)).repeated_key() is None
    first, second = places
    names[second] = names[first]
    assert Listing.of(map(Entry, names)).repeated_key() == names[first]
