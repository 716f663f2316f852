"""Preparing again: what is finished stays, what is missing is made, what differs is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isnet.config import InputError
from isnet.mask_generator import FORMULA
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import prepare
from pipelines.shards import MANIFEST, Manifest, read_manifest
from tests.pipelines.preparation.photographs import photo, rows

pytestmark = pytest.mark.ray

ENTRY_POINT = Path(__file__).parents[3] / "pipelines/prepare.py"


def written(config: PrepareConfig) -> dict[str, int]:
    """When each shard was written."""
    root = Path(config.output)
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*.parquet")}


def test_finished_data_set_is_left_as_it_is(
    config: PrepareConfig, manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(config)
    assert prepare(config) == manifest
    assert written(config) == before
    assert "already prepared" in capsys.readouterr().out


@pytest.mark.parametrize("with_manifest", [False, True])
def test_interrupted_run_makes_only_what_is_missing(
    copy: PrepareConfig, manifest: Manifest, with_manifest: bool
) -> None:
    root = Path(copy.output)
    missing, cut_short = (root / manifest.images["train"][index].path for index in (0, 1))
    missing.unlink()
    cut_short.write_bytes(cut_short.read_bytes()[:-7])
    if not with_manifest:
        (root / MANIFEST).unlink()
    before = written(copy)
    assert prepare(copy).hash == manifest.hash
    changed = {path for path, time in written(copy).items() if before.get(path) != time}
    assert changed == {str(missing), str(cut_short)}


def test_leftovers_of_killed_tasks_are_removed(copy: PrepareConfig, manifest: Manifest) -> None:
    leftover = Path(copy.output) / f"images/train/.{'0a' * 16}.tmp"
    leftover.write_bytes(b"half a shard")
    (Path(copy.output) / MANIFEST).unlink()
    prepare(copy)
    assert not leftover.exists()


def test_shards_of_another_plan_are_not_kept(copy: PrepareConfig, manifest: Manifest) -> None:
    (Path(copy.output) / MANIFEST).unlink()
    (Path(copy.output) / "plan.json").unlink()
    shutil.rmtree(Path(copy.output) / "masks")
    shutil.move(Path(copy.output) / "images", Path(copy.output).parent / "images")
    other = prepare(replace(copy, seed=1, output=str(Path(copy.output).parent / "other")))
    assert other.hash != manifest.hash


def test_overwrite_replaces_a_data_set(copy: PrepareConfig) -> None:
    stale = Path(copy.output) / "images/train/99999.parquet"
    stale.touch()
    manifest = prepare(replace(copy, size=48, overwrite=True))
    assert manifest == read_manifest(copy.output)
    assert manifest.size == 48
    assert not stale.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["tar", *(pytest.param(kind, marks=pytest.mark.extended) for kind in ("folder", "zip"))]
)
def test_killed_process_loses_and_doubles_nothing(
    config: PrepareConfig, tmp_path: Path, kind: str
) -> None:
    source = config.photos if kind == "folder" else _packed(Path(config.photos), tmp_path, kind)
    killed = replace(config, photos=source, output=str(tmp_path / "killed"), crops_per_photo=400)
    _kill_halfway(killed)
    assert not (tmp_path / "killed" / MANIFEST).exists()
    manifest = prepare(killed)
    undisturbed = prepare(replace(killed, output=str(tmp_path / "undisturbed")))
    assert manifest.hash == undisturbed.hash
    keys = [row["key"] for row in rows(killed, "images")]
    assert len(keys) == len(set(keys)) == 7 * killed.crops_per_photo + 1


def _packed(folder: Path, tmp_path: Path, kind: str) -> str:
    """The photographs in an archive."""
    return shutil.make_archive(str(tmp_path / "photos"), kind, folder)


def _kill_halfway(config: PrepareConfig) -> None:
    """Start a preparation, and kill it when two shards are there."""
    names = ("photos", "output", "size", "crops_per_photo", "generated_masks", "validation_percent")
    argv = [f"--{name.replace('_', '-')}={getattr(config, name)}" for name in names]
    process = subprocess.Popen([sys.executable, ENTRY_POINT, *argv], stdout=subprocess.DEVNULL)
    images = Path(config.output) / "images/train"
    while process.poll() is None and len(list(images.glob("0*.parquet"))) < 2:
        time.sleep(0.02)
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 48}, "--size was 32, now 48"),
        ({"seed": 3, "crops_per_photo": 5}, "--crops-per-photo was 4, now 5; --seed was 0, now 3"),
    ],
)
def test_another_data_set_in_the_output_is_refused(
    copy: PrepareConfig, change: dict[str, Any], message: str
) -> None:
    before = written(copy)
    with pytest.raises(InputError, match=f"{re.escape(message)}.*--overwrite"):
        prepare(replace(copy, **change))
    assert written(copy) == before


def test_masks_of_an_earlier_formula_are_not_taken_for_todays(
    copy: PrepareConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.preparation.splits.FORMULA", FORMULA + 1)
    message = f"--masks was generated by formula {FORMULA}, now generated by formula {FORMULA + 1};"
    with pytest.raises(InputError, match=re.escape(message)):
        prepare(copy)


def test_changed_photographs_are_noticed(
    copy: PrepareConfig, photos: Path, samples: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    photo(samples, 2).save(tmp_path / "photos/one-more.jpg")
    with pytest.raises(InputError, match=r"--photos was 11 files, .* now 12 files"):
        prepare(replace(copy, photos=str(tmp_path / "photos")))
