"""Nothing outside of the roots is reached, however it is spelled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isnet.config import InputError
from pipelines.confinement import Roots, lies_in

BUCKET = "s3://key:secret@bucket/jobs?endpoint_override=store:9000"
OUTSIDE = r"--input .* lies outside the folders that may be used \("


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file, beside a folder that is none."""
    for folder in ("root/inside", "root-too", "outside"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.jpg").write_bytes(b"a")
    return tmp_path / "root"


def resolve(location: object, *roots: object) -> str:
    return Roots(tuple(map(str, roots))).resolve(str(location), "--input")


def refused(location: object, *roots: object) -> str:
    with pytest.raises(InputError, match=OUTSIDE) as caught:
        resolve(location, *roots)
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "inside", "inside/a.jpg", "new/folder", "photos/*.jpg"])
def test_a_root_and_what_is_below_it_may_be_used(root: Path, below: str) -> None:
    assert resolve(root / below, root) == str(root / below)


@pytest.mark.parametrize(
    "above",
    ["..", "../outside", "../root-too/a.jpg", "inside/../../outside", "new/../../outside/new"],
)
def test_what_is_beside_or_above_a_root_may_not(root: Path, above: str) -> None:
    refused(f"{root}/{above}", root)


def test_a_relative_path_starts_at_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert resolve("inside", root) == str(root / "inside")
    refused("../outside", root)


def test_there_may_be_several_roots(root: Path) -> None:
    assert resolve(root.parent / "outside", root, root.parent / "outside")


def test_without_roots_nothing_may_be_used(root: Path) -> None:
    assert "there are none" in refused(root)


def test_all_may_be_below_the_topmost_root() -> None:
    assert resolve("/etc", "/") == "/etc"


@pytest.mark.parametrize("target", ["outside", "outside/new", "root-too"])
def test_a_link_out_of_a_root_leads_nowhere(root: Path, target: str) -> None:
    (root / "link").symlink_to(root.parent / target)
    refused(root / "link", root)
    refused(root / "link" / "new.jpg", root)


def test_a_link_inside_a_root_is_followed(root: Path) -> None:
    (root / "link").symlink_to("inside")
    assert resolve(root / "link" / "a.jpg", root) == str(root / "inside" / "a.jpg")


def test_a_root_may_be_a_link_itself(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert resolve(root.parent / "link" / "inside", root.parent / "link") == str(root / "inside")
    assert resolve(root / "inside", root.parent / "link") == str(root / "inside")


def test_a_file_that_is_a_link_out_is_refused(root: Path) -> None:
    (root / "out.jpg").symlink_to(root.parent / "outside" / "a.jpg")
    (root / "in.jpg").symlink_to(root / "inside" / "a.jpg")
    roots = Roots((str(root),))
    roots.require(str(root / "in.jpg"))
    with pytest.raises(InputError, match="link out of the folders that may be used"):
        roots.require(str(root / "out.jpg"))


def test_a_file_uri_is_a_path(root: Path) -> None:
    assert resolve(f"file://{root}/inside", root) == str(root / "inside")
    assert resolve(root / "inside", f"file://{root}") == str(root / "inside")
    refused(f"file://{root}/../outside", root)
    refused(f"file://{root}/%2e%2e/outside", root)
    refused("FILE:///etc/passwd", root)


@pytest.mark.parametrize("location", ["", "a\0b", "s3://bucket/a\0b"])
def test_what_is_no_path_is_refused(location: str) -> None:
    with pytest.raises(InputError, match="--input is empty or has a NUL"):
        resolve(location, "/", BUCKET)


@pytest.mark.parametrize("below", ["", "/", "/a", "/a b/c.jpg", "/x-{000..009}.tar", "/a/*.jpg"])
def test_a_uri_is_opened_as_its_root_is(below: str) -> None:
    opened = f"s3://key:secret@bucket/jobs{below}?endpoint_override=store:9000"
    assert resolve(f"s3://bucket/jobs{below}", BUCKET) == opened
    assert resolve(opened, BUCKET) == opened


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket",
        "s3://bucket/jobs-too",
        "s3://bucket/Jobs",
        "s3://other/jobs",
        "gs://bucket/jobs",
        "s3://bucket//jobs",
        "s3://bucket/jobs/../a",
        "s3://bucket/jobs/a/../../b",
        "s3://bucket/jobs/%2e%2E/a",
        "s3://bucket/jobs/a%2f..%2f../b",
        "s3://bucket/jobs/./a",
        "s3://bucket:80/jobs",
        "s3://x@other/jobs",
        "file:///jobs",
        "s3:///bucket/jobs",
    ],
)
def test_other_uris_are_refused(uri: str, root: Path) -> None:
    message = refused(uri, BUCKET, root)
    assert "secret" not in message


@pytest.mark.parametrize(
    "uri",
    [
        "s3://mine:own@bucket/jobs/a",
        "s3://key@bucket/jobs/a",
        "s3://bucket/jobs/a?endpoint_override=elsewhere",
        "s3://bucket/jobs/a?",
        "s3://bucket/jobs/a#b",
    ],
)
def test_a_uri_brings_no_options_or_credentials_of_its_own(uri: str) -> None:
    with pytest.raises(InputError, match="brings options or credentials of its own") as caught:
        resolve(uri, BUCKET)
    assert "own@" not in str(caught.value)


def test_a_root_without_credentials_gives_none() -> None:
    assert resolve("s3://bucket/jobs/a", "s3://bucket/jobs/") == "s3://bucket/jobs/a"


STEPS = ("a.jpg", "..", ".", "", "in", "out", "up", "inside", "%2e%2e", "~", "*", "{in,..}")


@given(steps=st.lists(st.sampled_from(STEPS), max_size=8))
def test_what_is_resolved_lies_in_the_root_as_the_system_sees_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    base = tmp_path_factory.getbasetemp() / "links"
    if not base.exists():
        (base / "root" / "inside").mkdir(parents=True)
        for name, target in (("in", "inside"), ("out", ".."), ("up", ".")):
            (base / "root" / name).symlink_to(target)
    root = os.path.realpath(base / "root")
    try:
        found = resolve("/".join([str(base / "root"), *steps]), root)
    except InputError:
        return
    assert found == os.path.realpath(found)
    assert os.path.commonpath([found, root]) == root


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("s3://bucket/jobs", "s3://bucket/jobs/"),
        ("s3://key:secret@bucket/jobs/a?region=x", "S3://bucket/jobs?endpoint_override=y"),
        ("s3://bucket/j%6Fbs/a", "s3://bucket/jobs"),
        ("s3://bucket/jobs/../a", "s3://bucket/jobs"),  # a key like any other in a store
    ],
)
def test_spelling_does_not_hide_where_a_uri_lies(location: str, folder: str) -> None:
    assert lies_in(location, folder)


@pytest.mark.parametrize("location", ["s3://bucket/jobs-too", "s3://other/jobs", "/jobs"])
def test_what_lies_elsewhere_is_told_from_it(location: str) -> None:
    assert not lies_in(location, "s3://bucket/jobs")


def test_links_and_file_uris_do_not_hide_where_a_path_lies(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    for folder in (root, root.parent / "link", root.as_uri()):
        for location in (root / "new", root.parent / "link" / "new", f"{root.as_uri()}/new"):
            assert lies_in(str(location), str(folder))
        assert not lies_in(f"{root}-too", str(folder))
