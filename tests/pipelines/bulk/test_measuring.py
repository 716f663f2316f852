"""Sizes of pictures: as they are displayed, from as little of the file as holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipelines.bulk.collection import Collection, open_collection
from pipelines.bulk.config import InpaintConfig, resolve
from pipelines.bulk.measuring import measure
from pipelines.sources.listing import HEAD
from tests.pipelines.bulk.pictures import config_of


@pytest.fixture
def collected(tmp_path: Path) -> Callable[[], Collection]:
    (tmp_path / "photos").mkdir()
    config: InpaintConfig = resolve(config_of(tmp_path, tmp_path, masks="alpha"))
    return lambda: open_collection(config)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif"])
def test_every_format_is_measured(ending, collected, tmp_path):
    Image.new("RGB", (48, 32)).save(tmp_path / f"photos/0{ending}")
    assert measure(collected(), 0, max_bytes=2**28) == (32, 48)


@pytest.mark.parametrize(("orientation", "size"), [(3, (32, 48)), (6, (48, 32))])
def test_a_turned_picture_is_measured_as_it_is_displayed(orientation, size, collected, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (48, 32)).save(tmp_path / "photos/0.jpg", exif=exif)
    assert measure(collected(), 0, max_bytes=2**28) == size


def test_a_header_at_the_end_of_a_large_file_is_found(collected, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    path = tmp_path / "photos/0.tif"
    Image.fromarray(noise).save(path, compression="tiff_lzw")
    data = path.read_bytes()
    assert int.from_bytes(data[4:8], "little") > HEAD, "the header lies at the beginning"
    assert measure(collected(), 0, max_bytes=2**28) == (200, 300)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_cannot_be_measured_has_no_size(data, collected, tmp_path):
    (tmp_path / "photos/0.png").write_bytes(data)
    assert measure(collected(), 0, max_bytes=2**28) == (0, 0)
