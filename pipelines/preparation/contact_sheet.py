"""A picture of a data set: some photographs of each split, some masks, and both together."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipelines.reading import (
    decode_rgb,
    decode_square_hole,
    name_errors,
    read_first_pictures,
)
from pipelines.reporting.grid import comparison_grid
from pipelines.shards import HELD_OUT_MASKS, Manifest

COLUMNS = 8
"""Pictures of a row."""

_WHITE = 255


def draw_contact_sheet(data: str, manifest: Manifest) -> Image.Image:
    """Draw, for each split, a row of its pictures, of its masks, and of pictures with holes.

    Raises:
        InputError: a shard or a picture in it that cannot be read.

    """
    rows: list[list[np.ndarray]] = []
    notes: list[str] = []
    for split in manifest.images:
        mask_split = split if split in manifest.masks else HELD_OUT_MASKS
        pictures, holes = _pictures(data, manifest, split), _holes(data, manifest, mask_split)
        covered = [
            np.where(hole[..., None], np.uint8(_WHITE), picture)
            for picture, hole in zip(pictures, holes, strict=False)
        ]
        masks = "held-out" if mask_split == HELD_OUT_MASKS else mask_split
        rows.append(pictures)
        size = f"{manifest.size} x {manifest.size}"
        notes.append(f"{split}: {manifest.rows('images', split):,} pictures of {size}")
        if split == mask_split:  # the held-out masks are drawn once
            rows.append([_grey(hole) for hole in holes])
            ratios = ", ".join(f"{hole.mean():.0%}" for hole in holes)
            count = f"{manifest.rows('masks', mask_split):,}"
            notes.append(f"{masks}: {count} masks, white = hole; these are {ratios} hole")
        rows.append(covered)
        notes.append(f"{split} pictures under {masks} masks")
    columns = max(map(len, rows))
    padded = [[*row, *[None] * (columns - len(row))] for row in rows]
    return comparison_grid(padded, [""] * columns, notes=notes)


def _pictures(data: str, manifest: Manifest, split: str) -> list[np.ndarray]:
    """Decode some pictures: uint8 (H, W, 3)."""
    found = []
    for key, encoded in read_first_pictures(data, manifest, "images", split, COLUMNS).items():
        with name_errors(data, f"{split} image {key}"):
            found.append(decode_rgb(encoded, manifest.size))
    return found


def _holes(data: str, manifest: Manifest, split: str) -> list[np.ndarray]:
    """Decode some masks: bool (H, W), smaller holes first."""
    found = []
    for key, encoded in read_first_pictures(data, manifest, "masks", split, COLUMNS).items():
        with name_errors(data, f"{split} mask {key}"):
            found.append(decode_square_hole(encoded, manifest.size))
    return sorted(found, key=lambda hole: float(hole.mean()))


def _grey(hole: np.ndarray) -> np.ndarray:
    return np.repeat((hole * np.uint8(_WHITE))[..., None], 3, axis=2)
