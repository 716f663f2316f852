"""Archives of every kind, and the public data sets with the names and members as published."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isnet.config import InputError
from pipelines.sources.opening import Source, open_source
from tests.pipelines.preparation.photographs import photo

PARTITION = {"000001.jpg": 0, "000002.jpg": 0, "000003.jpg": 0, "000004.jpg": 0}
PARTITION |= {"162771.jpg": 1, "162772.jpg": 1, "182638.jpg": 2, "182639.jpg": 2}
"""The first pictures of each of CelebA's splits."""

NVIDIA_HOLES = ((8, 8), (8, 20), (16, 16), (16, 22), (16, 28), (20, 27))
"""Sides of a hole of each range of the testing masks, (0.01, 0.1] to (0.5, 0.6], in 32nds."""


def opened(location: object) -> Source:
    return open_source(str(location), "--photos")


def content(location: object) -> dict[str, bytes]:
    source = opened(location)
    return {entry.key: source.read(entry) for entry in source.list()}


def refusal(location: object) -> str:
    with pytest.raises(InputError) as caught:
        opened(location).list()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("--photos ")
    return message


def jpeg(samples: Path, index: int = 0, size: tuple[int, int] = (48, 40)) -> bytes:
    buffer = io.BytesIO()
    photo(samples, index % 16, size).save(buffer, format="JPEG")
    return buffer.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    pairs = members.items() if isinstance(members, Mapping) else members
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in pairs:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def extract(archive: Path, *, keep: bool = False) -> None:
    """Put the folder in an archive into its place."""
    shutil.unpack_archive(archive, archive.parent)
    if not keep:
        archive.unlink()


def write_places(folder: Path, samples: Path, *, test: bool = True) -> Path:
    """Places365-Standard, small images: three archives."""
    train = {
        f"data_256/{name[0]}/{name}/{number:08d}.jpg": jpeg(samples, number + 8 * index)
        for index, name in enumerate(("airfield", "beach"))
        for number in range(1, 5)
    }
    write_tar(folder / "train_256_places365standard.tar", train)
    numbers = range(1, 4)
    validation = {f"val_256/Places365_val_{n:08d}.jpg": jpeg(samples, n + 4) for n in numbers}
    write_tar(folder / "val_256.tar", validation)
    if test:
        pictures = {f"test_256/Places365_test_{n:08d}.jpg": jpeg(samples, n + 12) for n in numbers}
        write_tar(folder / "test_256.tar", pictures)
    return folder


def write_celeba(folder: Path, samples: Path, *, published: bool = False) -> Path:
    """CelebA: one archive of aligned pictures and the partition; Img and Eval as published."""
    img, evaluation = (folder / "Img", folder / "Eval") if published else (folder, folder)
    pictures = {
        f"img_align_celeba/{name}": jpeg(samples, index, size=(178, 218))
        for index, name in enumerate(PARTITION)
    }
    write_zip(img / "img_align_celeba.zip", pictures)
    evaluation.mkdir(exist_ok=True)
    lines = "".join(f"{name} {code}\n" for name, code in PARTITION.items())
    (evaluation / "list_eval_partition.txt").write_text(lines)
    return folder


def mask_png(share: float, *, white_hole: bool, turns: int = 0, side: int = 512) -> bytes:
    """A mask picture with a hole at one edge."""
    hole = np.zeros((side, side), dtype=bool)
    hole[: round(side * share)] = True
    return _png(np.rot90(hole == white_hole, turns))


def _testing_mask(sides: tuple[int, int], *, at_border: bool) -> bytes:
    """A testing mask of 512x512, white = hole: a rectangle in a corner, or in the middle."""
    top, left = (0 if at_border else (32 - side) // 2 for side in sides)
    hole = np.zeros((32, 32), dtype=bool)
    hole[top : top + sides[0], left : left + sides[1]] = True
    return _png(hole.repeat(16, axis=0).repeat(16, axis=1))


def _png(white: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(white.astype(np.uint8) * 255).save(buffer, format="PNG")
    return buffer.getvalue()


def write_nvidia(folder: Path, *, training: bool = True, testing: bool = True) -> Path:
    """NVIDIA's irregular masks: a training set of 15 % hole, a testing set of six ranges.

    As published, of each range of the testing set half touch the border and half do not.
    """
    if training:
        masks = {
            f"irregular_mask/disocclusion_img_mask/{n:05d}.png": mask_png(
                0.15, white_hole=False, turns=n
            )
            for n in range(1, 7)
        }
        write_zip(folder / "irregular_mask.zip", masks)
    if testing:
        kinds = [(sides, at_border) for sides in NVIDIA_HOLES for at_border in (True, False)]
        masks = {
            f"mask/testing_mask_dataset/{n:05d}.png": _testing_mask(sides, at_border=at_border)
            for n, (sides, at_border) in enumerate(kinds)
        }
        write_zip(folder / "mask.zip", masks)
    return folder
