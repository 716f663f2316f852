"""Collections of small pictures with masks, in every format that is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.bulk.config import InpaintConfig
from pipelines.tracking.runs import TrackingConfig

SIZES = ((48, 32), (32, 48), (40, 40))
"""Widths and heights."""


def write_pictures(folder: Path, count: int, *, ending: str = ".png") -> list[str]:
    """Write noise of a few sizes in two folders, and return the keys, sorted."""
    rng = np.random.default_rng(0)
    keys = [f"{'ab'[index % 2]}/{index:03d}{ending}" for index in range(count)]
    for index, key in enumerate(keys):
        width, height = SIZES[index % len(SIZES)]
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return sorted(keys)


def write_masks(folder: Path, pictures: Path) -> None:
    """Write a mask for each picture of a folder: a hole of another place and size each."""
    rng = np.random.default_rng(1)
    for path in sorted(pictures.rglob("*.*")):
        with Image.open(path) as picture:
            width, height = picture.size
        hole = np.zeros((height, width), np.uint8)
        left, top = rng.integers(0, 12, 2)
        hole[top : top + rng.integers(4, 16), left : left + rng.integers(4, 16)] = 255
        target = (folder / path.relative_to(pictures)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(hole).save(target)


def config_of(folder: Path, model: Path | str, **changes: object) -> InpaintConfig:
    """A job on `folder/photos` and `folder/masks`, recorded in `folder/mlflow.db`."""
    given: dict[str, object] = {
        "checkpoint": str(model),
        "input": str(folder / "photos"),
        "masks": str(folder / "masks"),
        "output": str(folder / "out"),
        "precision": "fp32",
        "tracking": TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db"),
    }
    return InpaintConfig(**(given | changes))  # type: ignore[arg-type]


def results_of(output: Path) -> dict[str, bytes]:
    """The results of a job, by their paths below the output."""
    found = (path for path in output.rglob("*") if path.is_file())
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in found
        if ".inpaint" not in path.parts and path.suffix != ".parquet"
    }
