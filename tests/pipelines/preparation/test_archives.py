"""Archives read in place: what is listed, what is read, what is refused. Without Ray."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from isnet.config import InputError
from tests.pipelines.preparation.archives import content, opened, refusal, write_tar, write_zip

MEMBERS = {"set/b.jpg": b"bee" * 400, "set/a.png": b"a", "set/deep/c.JPEG": b"sea" * 300}


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_members_are_read_in_the_order_of_the_archive(tmp_path: Path, write) -> None:
    suffix = ".tar" if write is write_tar else ".zip"
    found = content(write(tmp_path / f"x{suffix}", MEMBERS))
    assert list(found.items()) == list(MEMBERS.items())


@pytest.mark.parametrize("options", [("--format=gnu",), ("--format=pax",), ("--format=v7",)])
def test_a_tar_of_the_command_line_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    import subprocess

    name = "n" * 60 + ".jpg" if "v7" in options[0] else "n" * 120 + "\u00e9.jpg"
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(b"pixels")
    command = ["tar", *options, "-cf", tmp_path / "x.tar", "-C", tmp_path / "set", "."]
    subprocess.run(command, check=True)
    assert content(tmp_path / "x.tar") == {name: b"pixels"}


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_names_that_begin_with_the_folder_itself_are_read(tmp_path: Path, write) -> None:
    path = tmp_path / ("x.tar" if write is write_tar else "x.zip")
    members = {f"./{name}": data for name, data in MEMBERS.items()}
    assert content(write(path, members)) == MEMBERS
    members["set/b.jpg"] = b""
    assert "holds set/b.jpg twice" in refusal(write(path, members))


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_hidden_members_are_left_alone(
    tmp_path: Path, write, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = {
        "__MACOSX/set/._b.jpg": b"",
        "set/._b.jpg": b"",
        ".cache/b.jpg": b"",
        ".DS_Store": b"",
    }
    path = tmp_path / ("x.tar" if write is write_tar else "x.zip")
    assert content(write(path, {**hidden, **MEMBERS})) == MEMBERS
    assert capsys.readouterr() == ("", "")


def test_links_in_a_tar_bring_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tarfile.TarInfo("set/d.jpg")
    link.type, link.linkname = tarfile.LNKTYPE, "set/b.jpg"
    with tarfile.open(write_tar(tmp_path / "x.tar", MEMBERS), "a") as archive:
        archive.addfile(link)
    assert content(tmp_path / "x.tar") == MEMBERS
    assert "(links 1) is not read" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [1, 300, 512, 700, 512 + 1200, 512 + 1536, 512 + 1536 + 512 + 1])
def test_a_tar_that_is_cut_short_anywhere_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path) == f"--photos {path} is cut short; download it again"


def test_a_tar_without_the_blocks_at_its_end_is_cut_short(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    end = sum(512 + -(-len(data) // 512) * 512 for data in MEMBERS.values())
    data = path.read_bytes()
    path.write_bytes(data[: end - 200])  # the padding of the last member
    assert "is cut short; download it again" in refusal(path)
    path.write_bytes(data[:end])
    assert "is cut short; download it again" in refusal(path)
    path.write_bytes(data[: end + 1024])
    assert content(path) == MEMBERS


def test_a_tar_whose_rest_never_arrived_is_refused(tmp_path: Path) -> None:
    """Some programs reserve the whole file first, so that the rest is zeros."""
    path = write_tar(tmp_path / "x.tar", {**MEMBERS, "last.jpg": bytes(3_000_000)})
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    assert "download it again" in refusal(path)


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    data = bytearray(path.read_bytes())
    data[2048 + 10] ^= 0xFF  # name of the second member
    path.write_bytes(data)
    assert "is damaged at byte 2,048; download it again" in refusal(path)


def test_a_damaged_header_after_a_long_name_is_not_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"a.jpg": b"a", "n" * 200 + ".jpg": b"b"})
    data = bytearray(path.read_bytes())
    data[2048 + 10] ^= 0xFF  # of the header that the long name stands before
    path.write_bytes(data)
    assert "is damaged at byte " in refusal(path)


@pytest.mark.parametrize("kept", [0, 100, -30, -1])
def test_a_zip_that_is_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_zip(tmp_path / "x.zip", MEMBERS)
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path) == f"--photos {path} is cut short; download it again"


@pytest.mark.parametrize(
    ("name", "what"), [("x.tar", "no tar archive"), ("x.zip", "no zip archive")]
)
def test_other_files_are_no_archives(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"<html>please sign in</html>" * 100)
    assert what in refusal(tmp_path / name)


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar.bz2", "tar.xz", "tar.zst"])
def test_compressed_tars_name_the_fix(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"x.{ending}").write_bytes(b"")
    assert "decompress it first (gunzip" in refusal(tmp_path / f"x.{ending}")


def test_a_compressed_tar_under_a_plain_name_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "gunzip" in refusal(path)


def test_a_key_that_occurs_twice_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [*MEMBERS.items(), ("set/a.png", b"other")])
    assert "holds set/a.png twice" in refusal(tmp_path / "x.tar")
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(write_zip(tmp_path / "x.zip", MEMBERS), "a") as archive,
    ):
        archive.writestr("set/b.jpg", b"other")
    assert "holds set/b.jpg twice" in refusal(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["x.tar", "x.zip"])
def test_pictures_beside_archives_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").touch()
    (write_tar if name == "x.tar" else write_zip)(tmp_path / "sub" / name, MEMBERS)
    assert "holds both pictures and archives" in refusal(tmp_path)
    shutil.move(tmp_path / "sub" / name, tmp_path / name)
    assert "name the folder that holds the pictures" in refusal(tmp_path)


@pytest.mark.parametrize("names", [["x.zip"], ["x.zip", "y.tar"], ["x.zip", "y.tar.gz"]])
def test_a_folder_of_zips_asks_for_one(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_zip(tmp_path / name, MEMBERS)
    assert "name one, such as x.zip" in refusal(tmp_path)


def test_a_folder_of_compressed_tars_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").touch()
    assert "decompress it first" in refusal(tmp_path)


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_an_archive_without_pictures_is_refused(tmp_path: Path, write) -> None:
    path = tmp_path / ("x.tar" if write is write_tar else "x.zip")
    assert "holds no pictures" in refusal(write(path, {"a.heic": b""}))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", MEMBERS)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted; unpack it" in refusal(path)


def test_a_corrupt_member_of_a_zip_is_that_members_problem(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.jpg", b"a" * 100)
        archive.writestr("b.jpg", b"b" * 100)
    data = bytearray(path.read_bytes())
    data[data.index(b"aaa")] ^= 1
    path.write_bytes(data)
    source = opened(path)
    first, second = source.list()
    with pytest.raises(InputError, match="cannot be read from the archive: Bad CRC-32"):
        source.read(first)
    assert source.read(second) == b"b" * 100


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_an_archive_that_a_node_does_not_see_is_not_a_members_problem(
    tmp_path: Path, write
) -> None:
    source = opened(write(tmp_path / ("x.tar" if write is write_tar else "x.zip"), MEMBERS))
    (entry, *_) = source.list()
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(FileNotFoundError):
        source.read(entry)


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path, write) -> None:
    path = tmp_path / ("x.tar" if write is write_tar else "x.zip")
    content(write(path, MEMBERS))
    path.unlink()
    other = {"other.jpg": b"", **MEMBERS}
    assert content(write(path, other)) == other


def test_headers_are_read_as_one_stream_where_seeking_is_dear(tmp_path: Path, monkeypatch) -> None:
    """As on an object store: the same entries, from reads that only go forwards."""
    from pipelines.sources import tar

    path = write_tar(tmp_path / "x.tar", MEMBERS)
    local = list(opened(path).list())
    monkeypatch.setattr(tar, "is_local", lambda filesystem: False)
    assert list(opened(path).list()) == local
    path.write_bytes(path.read_bytes()[:1000])
    assert "is cut short" in refusal(path)
