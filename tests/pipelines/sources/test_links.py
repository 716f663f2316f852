"""Links below a folder whose files must lie in given roots."""

from __future__ import annotations

from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.folder import Folder
from pipelines.sources.listing import Entry
from pipelines.sources.opening import Source, open_source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("root/a.jpg", "root/inside/b.jpg", "outside/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "root"


def confined(folder: Path, root: Path) -> Source:
    return open_source(str(folder), "--input", within=Roots((str(root),)))


def keys(source: Source) -> list[str]:
    return [entry.key for entry in source.list()]


def listed(folder: Path, root: Path) -> list[str]:
    return keys(confined(folder, root))


def test_folders_outside_are_not_entered(root: Path) -> None:
    (root / "link").symlink_to("../outside")
    assert listed(root, root) == ["a.jpg", "inside/b.jpg"]


def test_folders_inside_are_entered_by_links_too(root: Path) -> None:
    (root / "link").symlink_to("inside")
    assert listed(root, root) == ["a.jpg", "inside/b.jpg", "link/b.jpg"]


def test_links_that_lead_back_are_not_entered(root: Path) -> None:
    (root / "inside" / "up").symlink_to("..")
    (root / "inside" / "here").symlink_to(".")
    assert listed(root, root) == ["a.jpg", "inside/b.jpg"]
    assert keys(open_source(str(root), "--input")) == ["a.jpg", "inside/b.jpg"]


def test_links_between_two_folders_end(root: Path) -> None:
    (root / "other").mkdir()
    (root / "other" / "x").symlink_to("../inside")
    (root / "inside" / "y").symlink_to("../other")
    found = ["a.jpg", "inside/b.jpg", "inside/y/x/b.jpg", "other/x/b.jpg"]
    assert listed(root, root) == found
    assert keys(open_source(str(root), "--input")) == found


def test_a_file_outside_is_refused_when_it_is_read(root: Path) -> None:
    (root / "link.jpg").symlink_to("../outside/c.jpg")
    source = confined(root, root)
    assert [entry.key for entry in source.list()] == ["a.jpg", "inside/b.jpg", "link.jpg"]
    for take in (source.read, source.head):
        assert take(Entry("a.jpg")) == b"root/a.jpg"
        with pytest.raises(InputError, match="link out of the folders that may be used"):
            take(Entry("link.jpg"))


@pytest.mark.parametrize("name", ["outside", "root/../outside", "root/link"])
def test_a_source_outside_is_refused(root: Path, name: str) -> None:
    (root / "link").symlink_to("../outside")
    with pytest.raises(InputError, match=r"--input .* lies outside the folders"):
        confined(root.parent / name, root)


@pytest.mark.parametrize("location", ["s3://bucket", "file:///etc", "/etc"])
def test_a_folder_outside_gives_no_file(root: Path, location: str) -> None:
    folder = Folder(name="--masks", location=location, within=Roots((str(root),)))
    with pytest.raises(InputError, match=r"lies outside|link out of"):
        folder.read(Entry("a.png"))


def test_without_roots_links_lead_anywhere(root: Path) -> None:
    (root / "link").symlink_to("../outside")
    source = open_source(str(root), "--input")
    assert source.read(Entry("link/c.jpg")) == b"outside/c.jpg"
    assert "link/c.jpg" in [entry.key for entry in source.list()]
