"""Preparing from and to an object store: a real S3 server, through URIs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from pyarrow import parquet

from isnet.config import InputError
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import main, prepare
from pipelines.shards import CONTACT_SHEET, MANIFEST, Manifest, read_manifest
from pipelines.sources.opening import open_source
from rehearsal.object_store import ObjectStore
from tests.pipelines.preparation.archives import (
    write_celeba,
    write_nvidia,
    write_places,
    write_tar,
)

pytestmark = [pytest.mark.slow, pytest.mark.ray]

ENTRY_POINT = Path(__file__).parents[3] / "pipelines/prepare.py"


def upload(store: ObjectStore, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())


def rows(store: ObjectStore, output: str, manifest: Manifest, split: str) -> dict[str, bytes]:
    found = {}
    for shard in manifest.shards("images", split):
        table = parquet.read_table(io.BytesIO(store.get(f"{output}/{shard.path}")))
        found |= dict(zip(table["key"].to_pylist(), table["image"].to_pylist(), strict=True))
    return found


@pytest.mark.usefixtures("ray_session")
def test_places_and_masks_from_tar_and_zip_to_a_bucket_and_back(
    object_store: ObjectStore, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_nvidia(write_places(tmp_path / "places", samples))
    upload(object_store, tmp_path / "places", "places")
    source, output = object_store.uri("places"), object_store.uri("sets/places")
    common = ["--masks", source, "--output", output, "--size", "32"]
    main(["places2", "--photos", source, *common])
    manifest = read_manifest(output)
    main(["inspect", output])
    printed = "".join(capsys.readouterr())
    assert object_store.secret not in printed + object_store.get(f"sets/places/{MANIFEST}").decode()
    with Image.open(io.BytesIO(object_store.get(f"sets/places/{CONTACT_SHEET}"))) as sheet:
        assert sheet.format == "PNG"
    local = str(tmp_path / "local")
    places = str(tmp_path / "places")
    main(["places2", "--photos", places, "--masks", places, "--output", local, "--size", "32"])
    assert {
        split: len(rows(object_store, "sets/places", manifest, split)) for split in manifest.images
    } == {
        "train": 8,
        "validation": 3,
        "test": 3,
    }
    assert manifest.hash == read_manifest(local).hash


@pytest.mark.usefixtures("ray_session")
def test_celeba_from_a_zip_goes_on_where_it_stopped(
    object_store: ObjectStore, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(object_store, write_celeba(tmp_path / "celeba", samples, published=True), "celeba")
    command = ["celeba", "--photos", object_store.uri("celeba"), "--size", "32"]
    command += ["--generated-masks", "8", "--output", object_store.uri("sets/celeba")]
    main(command)
    first = read_manifest(object_store.uri("sets/celeba"))
    bucket = object_store.filesystem()
    bucket.delete_file(f"isnet/sets/celeba/{MANIFEST}")
    bucket.delete_file(f"isnet/sets/celeba/{first.images['train'][0].path}")
    main(command)
    assert read_manifest(object_store.uri("sets/celeba")) == first
    assert "kept from an earlier run" in capsys.readouterr().out
    main([*command, "--seed", "1", "--overwrite"])
    second = read_manifest(object_store.uri("sets/celeba"))
    assert second.plan != first.plan
    names = {shard.path for shard in second.all_shards()}
    found = set(object_store.names("sets/celeba"))
    assert found == names | {MANIFEST, "plan.json", "rejected.jsonl"}


def test_a_process_finds_the_bucket_by_its_environment(
    object_store: ObjectStore, samples: Path, tmp_path: Path
) -> None:
    for index in range(2):
        members = {f"{number}.jpg": _jpeg(samples, 2 * index + number) for number in range(2)}
        write_tar(tmp_path / f"web/x-{index:03d}.tar", {**members, "0.json": b"{}"})
    upload(object_store, tmp_path / "web", "web")
    command = [sys.executable, ENTRY_POINT, "--photos", "s3://isnet/web/x-{000..001}.tar"]
    command += ["--output", "s3://isnet/sets/web", "--size", "32", "--generated-masks", "8"]
    environment = {**os.environ, **object_store.environment()}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr
    manifest = read_manifest(object_store.uri("sets/web"))
    found = [
        key for split in manifest.images for key in rows(object_store, "sets/web", manifest, split)
    ]
    expected = ["x-000/0.jpg#0", "x-000/1.jpg#0", "x-001/0.jpg#0", "x-001/1.jpg#0"]
    assert sorted(found) == expected


def _jpeg(samples: Path, index: int) -> bytes:
    return sorted(samples.glob("*.jpg"))[index].read_bytes()


@pytest.mark.parametrize("pattern", ["", "/x-*.tar", "/x-{000..001}.tar"])
def test_shards_in_a_bucket_are_found(
    object_store: ObjectStore, tmp_path: Path, pattern: str
) -> None:
    for index in range(2):
        write_tar(tmp_path / f"x-{index:03d}.tar", {"0.jpg": b"zero", "0.cls": b"1"})
    upload(object_store, tmp_path, "shards")
    source = open_source(object_store.uri("shards" + pattern), "--photos")
    found = {entry.key: source.read(entry) for entry in source.list()}
    assert found == {"x-000/0.jpg": b"zero", "x-001/0.jpg": b"zero"}


@pytest.mark.parametrize("name", ["cut.tar", "cut.zip"])
def test_a_cut_short_archive_in_a_bucket_is_refused_without_its_secret(
    object_store: ObjectStore, samples: Path, tmp_path: Path, name: str
) -> None:
    write_celeba(tmp_path, samples)
    archive = tmp_path / "img_align_celeba.zip"
    if name == "cut.tar":
        archive = write_tar(tmp_path / name, {"a.jpg": b"a" * 5000})
    object_store.put(name, archive.read_bytes()[:3000])
    with pytest.raises(InputError, match=rf"s3://.*{name}.* is cut short") as caught:
        open_source(object_store.uri(name), "--photos").list()
    assert object_store.secret not in str(caught.value)


def test_a_listing_takes_few_requests(object_store: ObjectStore, tmp_path: Path) -> None:
    """A tar of 20,000 members would take minutes by a request for each header."""
    members = {f"{number:05d}.jpg": b"x" * 700 for number in range(20_000)}
    object_store.put("many.tar", write_tar(tmp_path / "many.tar", members).read_bytes())
    source = open_source(object_store.uri("many.tar"), "--photos")
    start = time.monotonic()
    assert len(source.list()) == 20_000
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("nothing.tar", "does not exist"),
        ("nothing-*.tar", "matches no archive"),
        ("no-{0..1}.tar", "2 of 2 archives are missing"),
    ],
)
def test_what_is_not_in_the_bucket_is_refused(
    object_store: ObjectStore, location: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_source(object_store.uri(location), "--photos").list()
    assert object_store.secret not in str(caught.value)


def test_a_bucket_that_lets_nobody_in_is_refused(object_store: ObjectStore, samples: Path) -> None:
    wrong = object_store.uri("sets/x").replace(object_store.secret, "wrong-secret")
    with pytest.raises(InputError, match="--output") as caught:
        prepare(PrepareConfig(photos=str(samples), output=wrong))
    assert "wrong-secret" not in str(caught.value)
    with pytest.raises(InputError, match=r"--photos .* cannot be read"):
        open_source(wrong, "--photos")
    for pattern in ("shards/x-{000..001}.tar", "shards/x-*.tar"):
        photos = wrong.replace("sets/x", pattern)
        with pytest.raises(InputError, match=r"--photos .* cannot be read") as caught:
            prepare(PrepareConfig(photos=photos, output="unused"))
        assert "wrong-secret" not in str(caught.value)
