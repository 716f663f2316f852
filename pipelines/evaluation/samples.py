"""The pictures of fixed work: ground truth and valid region of each item, decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isnet.config import InputError
from isnet.images import scaled
from isnet.masks import bucket_name, bucket_of, resize_hole
from pipelines.evaluation.work import Work, WorkItem
from pipelines.reading import decode_rgb, decode_square_hole, name_errors, read_pictures
from pipelines.shards import HELD_OUT_MASKS, Manifest
from pipelines.storage import printable


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One item's pictures."""

    item: WorkItem
    rgb: np.ndarray
    """The ground truth, uint8 (H, W, 3): as floats, a large validation split fills the memory."""
    valid: Tensor
    """bool (1, H, W)."""


def load_samples(data: str, manifest: Manifest, work: Work, *, size: int = 0) -> list[Sample]:
    """Read and decode what the work names, in its order.

    Args:
        data: the prepared data set.
        manifest: its manifest.
        work: which of it.
        size: side that pictures and holes are scaled to; 0 leaves them as they are.

    Raises:
        InputError: a shard or a row that cannot be read, or a mask whose hole is not of the bucket
            it was planned for. No other row may stand in for it: the work would no longer be what
            its hash says.

    """
    images, masks = {item.image for item in work.items}, {item.mask for item in work.items}
    return decode_samples(
        data,
        manifest,
        work,
        read_pictures(data, manifest, "images", work.split, images),
        read_pictures(data, manifest, "masks", HELD_OUT_MASKS, masks),
        size=size,
    )


def decode_samples(
    data: str,
    manifest: Manifest,
    work: Work,
    images: Mapping[str, bytes],
    masks: Mapping[str, bytes],
    *,
    size: int = 0,
) -> list[Sample]:
    """Decode what the work names, as `load_samples` does, from pictures read before, by key."""
    samples = []
    for item in work.items:
        with name_errors(data, f"{work.split} image {item.image}"):
            rgb = _scaled_rgb(decode_rgb(images[item.image], manifest.size), size)
        with name_errors(data, f"{HELD_OUT_MASKS} mask {item.mask}"):
            hole = decode_square_hole(masks[item.mask], manifest.size)
        _check_bucket(hole, item, data)
        hole = np.rot90(_scaled_hole(hole, size), k=item.turns)
        samples.append(Sample(item=item, rgb=rgb, valid=torch.from_numpy(~hole)[None]))
    return samples


def _check_bucket(hole: np.ndarray, item: WorkItem, data: str) -> None:
    """Hold a mask, at the size it is stored in, to the ratio that the work was planned by."""
    ratio = float(np.float32(hole.mean()))  # as the shards keep it
    if bucket_of(ratio) != item.bucket:
        raise InputError(
            f"{HELD_OUT_MASKS} mask {item.mask} of {printable(data)} has a hole ratio of "
            f"{ratio:.3f}, but is listed for {bucket_name(item.bucket)}: it was damaged or stored "
            "with the other polarity (its hole must be white); prepare the data anew, into "
            "another folder"
        )


def _scaled_rgb(rgb: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(scaled(Image.fromarray(rgb), size))


def _scaled_hole(hole: np.ndarray, size: int) -> np.ndarray:
    return resize_hole(hole, width=size, height=size) if size else hole
