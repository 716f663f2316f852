"""Units in this process: what is written, by whatever attempt, and storage that goes away."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import fs

from isnet.config import InputError, ReconstructionConfig
from isnet.inference import InferenceGenerator
from pipelines.bulk.attempts import Attempt
from pipelines.bulk.batching import Passes
from pipelines.bulk.collection import open_collection
from pipelines.bulk.filling import UnitFiller
from pipelines.bulk.measuring import measure
from pipelines.bulk.metrics import FillerMetrics
from pipelines.bulk.pictures import open_picture
from pipelines.bulk.results import find_parts, read_part
from pipelines.codec import CodecError
from tests.pipelines.bulk.pictures import results_of
from tests.pipelines.evaluation.checkpoints import small_generator

OpenFiller = Callable[..., UnitFiller]


@pytest.fixture
def opened(photos, configured) -> OpenFiller:
    """A process that fills twelve pictures into a folder."""
    torch.set_num_threads(1)
    passes = Passes(
        generator=InferenceGenerator(small_generator(0), precision="fp32"),
        reconstruction=ReconstructionConfig(kernel_size=5, threshold=0.01),
        max_batch=4,
        max_pixels=2**20,
        metrics=FillerMetrics("out"),
    )

    def open_filler(output: Path, **changes: object) -> UnitFiller:
        config = configured(output=str(output), **changes)
        return UnitFiller(config, open_collection(config), passes, start="now")

    return open_filler


def test_a_unit_leaves_its_rows_in_the_order_of_its_pictures(opened, tmp_path):
    rows = opened(tmp_path / "out").fill(3, [5, 0, 2])
    assert [row["input"] for row in rows] == ["a/010.png", "a/000.png", "a/004.png"]
    part = read_part(str(tmp_path / "out"), 3)
    assert [row["input"] for row in part] == [row["input"] for row in rows]
    assert find_parts(str(tmp_path / "out")) == {3: (3, 0)}
    assert results_of(tmp_path / "out").keys() == {row["output"] for row in rows}


def test_care_changes_no_byte(opened, tmp_path):
    opened(tmp_path / "out").fill(0, range(12))
    for _ in range(2):
        Attempt(fs.LocalFileSystem(), str(tmp_path / "careful"), 0, start="now")
    opened(tmp_path / "careful").fill(0, range(12))
    assert results_of(tmp_path / "careful") == results_of(tmp_path / "out")


def test_pictures_that_were_done_are_not_filled_again(opened, tmp_path):
    picture = tmp_path / "photos/a/000.png"
    whole = picture.read_bytes()
    picture.write_bytes(b"no picture".ljust(len(whole)))
    filler = opened(tmp_path / "out")
    filler.fill(0, range(12))
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    picture.write_bytes(whole)
    assert {row["status"] for row in filler.fill(0, range(12))} == {"done"}
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    assert len(written) == 11


def test_of_a_large_picture_only_what_a_pass_computes_counts(opened, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    mask = np.zeros((600, 800), np.uint8)
    mask[300:310, 400:420] = 255
    Image.fromarray(noise).save(tmp_path / "photos/a/000.png")
    Image.fromarray(mask).save(tmp_path / "masks/a/000.png")
    window = 320 * 320  # the hole, a context of 140 on each side, and the grid
    (done,) = opened(tmp_path / "out", max_region_pixels=window).fill(0, [0])
    assert done["status"] == "done"
    (failed,) = opened(tmp_path / "less", max_region_pixels=window - 1).fill(0, [0])
    assert failed["reason"] == "region_too_large"
    assert "102,400 pixels in a pass over a region of 800x600; the limit is 102,399" in str(
        failed["error"]
    )


@pytest.mark.parametrize("gone", ["photos", "masks"])
def test_storage_that_goes_away_is_no_fault_of_the_pictures(gone, opened, tmp_path):
    filler = opened(tmp_path / "out")
    shutil.rmtree(tmp_path / gone)
    with pytest.raises(InputError) as caught:
        filler.fill(0, range(12))
    flag = "--input" if gone == "photos" else "--masks"
    said = f"{flag} {tmp_path}/{gone} is not visible on {socket.gethostname()}; put the files"
    assert str(caught.value).startswith(said)
    assert not find_parts(str(tmp_path / "out"))


def test_nor_where_it_goes_away_before_they_are_measured(photos, configured):
    collection = open_collection(configured())
    shutil.rmtree(photos)
    with pytest.raises(InputError, match=f"^--input {photos} is not visible on "):
        measure(collection, 0, max_bytes=2**28)


@pytest.mark.parametrize(("kind", "name"), [("photos", "image"), ("masks", "mask")])
def test_a_file_that_is_too_large_fails_unread(kind, name, photos, configured, tmp_path):
    config = configured(max_bytes=20_000)
    (tmp_path / kind / "a/000.png").write_bytes(bytes(30_000))
    collection = open_collection(config)
    said = rf"{name}: 30,000 bytes; the limit is 20,000 \(--max-bytes\)"
    with pytest.raises(CodecError, match=said):
        open_picture(collection, collection.item(0), config)
