"""The photographs that are prepared, and what comes back out of the shards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pyarrow import parquet

from pipelines.preparation.config import PrepareConfig
from pipelines.shards import read_manifest

SIZE = 32
ORIENTATION = 0x0112

UNUSABLE = ("cut-short.jpg", "empty.png", "text.jpg")


def photo(samples: Path, index: int = 0, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A sample photograph, small."""
    with Image.open(sorted(samples.glob("*.jpg"))[index]) as picture:
        return picture.convert("RGB").resize(size)


def write_photos(folder: Path, samples: Path) -> None:
    """One file of every kind that people have, and three that nobody can read."""
    picture = photo(samples)
    (folder / "deep/er").mkdir(parents=True)
    picture.save(folder / "plain.jpg")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("L").save(folder / "grey.JPEG")
    picture.convert("P").save(folder / "palette.png")
    picture.convert("RGBA").save(folder / "alpha.png")
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "sixteen-bit.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture.save(folder / "deep/er/turned.jpg", exif=exif)
    photo(samples, 1, size=(20, 28)).save(folder / "small.webp")
    whole = (folder / "plain.jpg").read_bytes()
    (folder / "cut-short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("this is not a picture")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("left alone")


def rows(config: PrepareConfig, kind: str, split: str = "*") -> Iterator[dict[str, Any]]:
    """Every row of the shards that the manifest lists."""
    manifest = read_manifest(config.output)
    for shard in manifest.all_shards():
        if Path(shard.path).match(f"{kind}/{split}/*"):
            yield from parquet.read_table(Path(config.output) / shard.path).to_pylist()


def decode(data: bytes) -> np.ndarray:
    """RGB array of an encoded picture."""
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        return np.asarray(picture).astype(int)
