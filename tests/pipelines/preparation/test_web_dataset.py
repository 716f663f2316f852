"""WebDatasets: folders of shards, and patterns that stand for them. Without Ray."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pipelines.preparation.archives import content, refusal, write_tar


def shards(folder: Path) -> list[Path]:
    """A WebDataset of three shards; names of members repeat across them."""
    members = {"0.jpg": b"zero", "0.json": b"{}", "0.cls": b"7", "0.txt": b"a cat"}
    return [write_tar(folder / f"x-{index:03d}.tar", members) for index in range(3)]


@pytest.mark.parametrize("pattern", ["", "/x-*.tar", "/x-{000..002}.tar", "/x-00{0,1,2}.tar"])
def test_a_web_dataset_is_all_of_its_shards(
    tmp_path: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shards(tmp_path)
    found = content(f"{tmp_path}{pattern}")
    assert found == {f"x-{index:03d}/0.jpg": b"zero" for index in range(3)}
    assert capsys.readouterr() == ("", "")


def test_patterns_work_in_uris(tmp_path: Path) -> None:
    shards(tmp_path)
    assert list(content(f"{tmp_path.as_uri()}/x-{{000..001}}.tar")) == [
        "x-000/0.jpg",
        "x-001/0.jpg",
    ]
    assert list(content(f"{tmp_path.as_uri()}/*2.tar")) == ["x-002/0.jpg"]
    assert list(content(tmp_path.as_uri() + "/x-000.tar")) == ["0.jpg"]


def test_braces_may_span_folders(tmp_path: Path) -> None:
    shards(tmp_path / "a")
    shards(tmp_path / "b")
    found = content(f"{tmp_path}/{{a,b}}/x-00*.tar")
    assert len(found) == 6
    assert "b/x-001/0.jpg" in found


def test_a_folder_that_is_spelled_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "summer {2019} [best]"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"sun")
    assert content(folder) == {"a.jpg": b"sun"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("x-{000..004}.tar", "2 of 5 archives are missing, x-003.tar first; is the download"),
        ("y-*.tar", "matches no archive"),
        ("*/x-000.tar", "stand in the file name only"),
        ("x-{000..001}.zip", "end it in .tar"),
        ("x-{000..001}.tar.gz", "decompress it first"),
        ("x-{000.tar", "do not close|missing|does not exist"),
    ],
)
def test_patterns_that_miss_are_refused(tmp_path: Path, pattern: str, message: str) -> None:
    shards(tmp_path)
    assert re.search(message, refusal(tmp_path / pattern))
