"""Patterns of pictures and archives: what is meant, what is not, and what they may reach."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.folder import Folder
from pipelines.sources.opening import Source, open_source
from pipelines.sources.patterns import Pattern
from pipelines.sources.tar import Tars
from tests.pipelines.preparation.archives import write_tar

FILES = ("a.jpg", "b.png", "cat/a.jpg", "cat/deep/er/c.jpg", "dog/a1.jpg", "dog/b.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*FILES, "../outside/secret.jpg"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(name.encode())
    return tmp_path / "root"


def opened(location: object, root: Path | None = None) -> Source:
    within = Roots((str(root),)) if root else None
    return open_source(str(location), "--input", within=within)


def listed(location: object, root: Path | None = None) -> list[str]:
    return [entry.key for entry in opened(location, root).list()]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.jpg",
        "*",
        "[!a]*.*",
        "?.jpg",
        "*/a.jpg",
        "*/*",
        "c*/**/*.jpg",
        "**/*.jpg",
        "**/a*",
        "**/deep/**/*.jpg",
        "**/**/c.jpg",
        "cat/d??p/*/*.jpg",
    ],
)
def test_a_pattern_means_what_it_means_to_python(root: Path, pattern: str) -> None:
    found = (Path(name) for name in glob.glob(f"{root}/{pattern}", recursive=True))
    fixed = root / re.match(r"([^*?\[]*/)?", pattern).group()  # type: ignore[union-attr]
    expected = sorted({str(path.relative_to(fixed)) for path in found if path.is_file()})
    assert listed(root / pattern) == expected


def test_braces_stand_for_alternatives(root: Path) -> None:
    assert listed(f"{root}/*.{{jpg,png}}") == ["a.jpg", "b.png"]
    assert listed(f"{root}/{{cat,dog}}/a{{,1}}.jpg") == ["cat/a.jpg", "dog/a1.jpg"]
    assert listed(f"{root}/{{cat/deep,dog}}/**/*.jpg") == [
        "cat/deep/er/c.jpg",
        "dog/a1.jpg",
        "dog/b.jpg",
    ]


def test_keys_are_paths_below_the_fixed_part_and_read_their_files(root: Path) -> None:
    source = opened(root / "cat" / "**" / "c.jpg")
    (entry,) = source.list()
    assert entry.key == "deep/er/c.jpg"
    assert source.read(entry) == source.head(entry) == b"cat/deep/er/c.jpg"


def test_folders_that_cannot_hold_a_match_are_not_walked() -> None:
    pattern = Pattern("c*/deep/*.{jpg,png}")
    assert [pattern.may_hold(path) for path in ("cat", "cat/deep", "cat/deep/er", "dog")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_folder_that_is_spelled_like_a_pattern_may_hold_matches(root: Path) -> None:
    (root / "cat").rename(root / "cat [1]")
    assert listed(root / "cat [1]" / "*.jpg") == ["a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*.bmp", "holds no pictures .*; check the pattern"),
        ("nowhere/*.jpg", "does not exist; check the spelling"),
        ("a.jpg/*.jpg", "is a file"),
        ("*.{jpg", "braces that do not close"),
        ("*.zip", r"end it in \.tar"),
        ("*.tgz", "decompress it first"),
        ("{1..999}.jpg", "stand for more than 100 paths"),
        ("{1..99999999}.tar", "stand for more than 100,000 paths"),
        ("{1..9999999999999999999999}.tar", "stand for more than 100,000 paths"),
        ("{{0..999}{0..999},a}.tar", "stand for more than 100,000 paths"),
        ("{a..z}" * 5 + ".tar", "stand for more than 100,000 paths"),
        ("{Z..a..1}" * 9 + ".tar", "stand for more than 100,000 paths"),
        ("{a\\},b}" * 20 + ".tar", "stand for more than 100,000 paths"),
        ("{a,b}" * 20 + ".tar", "stand for more than 100,000 paths"),
        ("{" * 2000 + "}" * 2000 + ".tar", "braces that do not close"),
    ],
)
def test_patterns_without_sense_are_refused(root: Path, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        listed(root / pattern)


def test_the_ending_tells_pictures_from_archives(root: Path) -> None:
    write_tar(root / "x-0.tar", {"a.jpg": b"a"})
    assert isinstance(opened(root / "x-*.tar"), Tars)
    assert isinstance(opened(root / "*.jpg"), Folder)


@pytest.mark.parametrize(
    "pattern",
    ["../outside/*.jpg", "../outs*/*.jpg", "link/*.jpg", "../outside/x-*.tar", "link/x-{0..1}.tar"],
)
def test_a_pattern_outside_is_refused(root: Path, pattern: str) -> None:
    (root / "link").symlink_to("../outside")
    with pytest.raises(InputError, match="lies outside the folders"):
        opened(root / pattern, root)


@pytest.mark.parametrize("pattern", ["l*/*.jpg", "**/s*.jpg", "{cat,..}/{cat,outside}/*.jpg"])
def test_a_pattern_does_not_lead_outside(root: Path, pattern: str) -> None:
    (root / "link").symlink_to("../outside")
    with pytest.raises(InputError, match="holds no pictures"):
        listed(root / pattern, root)


@pytest.mark.parametrize(
    "pattern",
    ["{cat,..}/{cat,outside}/x-0.tar", "{cat,..}/outside/x-*.tar", "link-*.tar", "{a,link-0}.tar"],
)
def test_archives_outside_are_refused(root: Path, pattern: str) -> None:
    write_tar(root.parent / "outside" / "x-0.tar", {"a.jpg": b"a"})
    for folder in ("cat/cat", "cat/outside"):
        write_tar(root / folder / "x-0.tar", {"a.jpg": b"a"})
    write_tar(root / "a.tar", {"a.jpg": b"a"})
    (root / "link-0.tar").symlink_to("../outside/x-0.tar")
    with pytest.raises(InputError, match="lies outside the folders"):
        opened(root / pattern, root)


def test_a_folder_with_an_archive_outside_is_refused(root: Path) -> None:
    write_tar(root.parent / "outside" / "x-0.tar", {"a.jpg": b"a"})
    (root / "shards").mkdir()
    (root / "shards" / "x-0.tar").symlink_to(root.parent / "outside" / "x-0.tar")
    with pytest.raises(InputError, match="lies outside the folders"):
        opened(root / "shards", root)
