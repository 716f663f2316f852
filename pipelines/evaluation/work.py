"""Measure generators on fixed work: which mask lies on which held-out image, seeded and hashed.

Two evaluations with the same work hash compare: same images, same masks, same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isnet import metrics
from isnet.config import InputError, ReconstructionConfig
from isnet.images import scaled, to_tensor
from isnet.lpips import Lpips
from isnet.masks import BUCKETS, bucket_of, resize_hole
from isnet.reconstruction import Reconstruction, reconstruct
from pipelines.reading import (
    decode_rgb,
    decode_square_hole,
    name_errors,
    read_column,
    read_pictures,
)
from pipelines.seeding import keyed_generator
from pipelines.shards import HELD_OUT_MASKS, Manifest

Fill = Callable[[Tensor, Tensor], Reconstruction]
"""A method under test: (corrupted image (B, 3, H, W), valid (B, 1, H, W)) -> filled images."""


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One image under one mask."""

    image: str
    """Key of the image."""
    mask: str
    """Key of the mask."""
    turns: int
    """Quarter turns of the mask."""
    bucket: int
    """Index into `isnet.masks.BUCKETS`."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A fixed list of items."""

    items: tuple[WorkItem, ...]
    split: str = "validation"
    """Split of the images."""
    without_masks: tuple[int, ...] = ()
    """Buckets that were left out, since the data set has no held-out mask for them."""

    @property
    def hash(self) -> str:
        """Identify the work: 12 hexadecimal digits."""
        lines = [f"{i.image}\t{i.mask}\t{i.turns}\t{i.bucket}" for i in self.items]
        text = "\n".join([f"split {self.split}", *lines])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One item's pictures."""

    item: WorkItem
    rgb: np.ndarray
    """The ground truth, uint8 (H, W, 3): as floats, a large validation split fills the memory."""
    valid: Tensor
    """bool (1, H, W)."""

    @property
    def ground_truth(self) -> Tensor:
        """The ground truth as float (3, H, W) in [0, 1]."""
        return to_tensor(self.rgb)


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one method did on one item; on the composite, rounded to 8 bits."""

    item: WorkItem
    psnr: float
    """dB; infinite where the composite equals the ground truth."""
    ssim: float
    mae: float
    """In [0, 1]."""
    relative_mae: float
    """A fraction, Table 2's unit; infinite where only the ground truth is black."""
    lpips: float | None
    """None where it was not measured."""
    passes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Means over items."""

    psnr: float
    """Mean of the finite values, dB; NaN where there is none."""
    ssim: float
    mae: float
    relative_mae: float
    """Mean of the finite values; NaN where there is none."""
    lpips: float | None
    """None where it was not measured."""
    passes: float
    count: int
    infinite: int
    """Items whose PSNR is infinite, counted apart."""


def plan_work(
    data: str, manifest: Manifest, *, images: int, seed: int, split: str = "validation"
) -> Work:
    """Choose `images` items from a split, under held-out masks spread evenly over the buckets.

    Buckets for which there are no masks are left out, and named in the work. Images are taken
    without repeating one until all were used; masks may repeat, turned.

    Raises:
        InputError: an empty or absent split, or no mask in any bucket.

    """
    keys = sorted(read_column(data, manifest, "images", "key", split))
    masks = _masks_by_bucket(data, manifest)
    if not keys:
        raise InputError(f"{data} has no {split} images; prepare it with more photographs")
    if not masks:
        raise InputError(
            f"{data} has no validation mask with a hole ratio in [10, 50) %; "
            "prepare it with more masks"
        )
    rng = keyed_generator(seed, "evaluation")
    rounds = -(-images // len(keys))
    chosen = np.concatenate([rng.permutation(len(keys)) for _ in range(rounds)])[:images]
    buckets = sorted(masks)
    items = []
    for position, index in enumerate(chosen):
        bucket = buckets[position % len(buckets)]
        mask = masks[bucket][int(rng.integers(len(masks[bucket])))]
        turns = int(rng.integers(4))
        items.append(WorkItem(image=keys[index], mask=mask, turns=turns, bucket=bucket))
    without_masks = tuple(bucket for bucket in range(len(BUCKETS)) if bucket not in masks)
    return Work(items=tuple(items), split=split, without_masks=without_masks)


def load_samples(data: str, manifest: Manifest, work: Work, *, size: int = 0) -> list[Sample]:
    """Read and decode what the work names, in its order.

    Args:
        data: the prepared data set.
        manifest: its manifest.
        work: which of it.
        size: side that pictures and holes are scaled to; 0 leaves them as they are.

    Raises:
        InputError: a shard or a row that cannot be read. No other row may stand in for it: the
            work would no longer be what its hash says.

    """
    wanted = {item.image for item in work.items}
    images = read_pictures(data, manifest, "images", work.split, wanted)
    wanted = {item.mask for item in work.items}
    masks = read_pictures(data, manifest, "masks", HELD_OUT_MASKS, wanted)
    samples = []
    for item in work.items:
        with name_errors(data, f"{work.split} image {item.image}"):
            rgb = _scaled_rgb(decode_rgb(images[item.image], manifest.size), size)
        with name_errors(data, f"{HELD_OUT_MASKS} mask {item.mask}"):
            hole = _scaled_hole(decode_square_hole(masks[item.mask], manifest.size), size)
        hole = np.rot90(hole, k=item.turns)
        samples.append(Sample(item=item, rgb=rgb, valid=torch.from_numpy(~hole)[None]))
    return samples


def _scaled_rgb(rgb: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(scaled(Image.fromarray(rgb), size))


def _scaled_hole(hole: np.ndarray, size: int) -> np.ndarray:
    return resize_hole(hole, width=size, height=size) if size else hole


def score(
    samples: Sequence[Sample],
    fill: Fill,
    *,
    device: torch.device,
    batch_size: int = 16,
    lpips: Lpips | None = None,
) -> Iterator[Score]:
    """Measure one method, on the composite; only the corrupted image reaches it.

    LPIPS is measured where it is given, on `device`; it takes most of the time.
    """
    for start in range(0, len(samples), batch_size):
        chunk = samples[start : start + batch_size]
        ground_truth = to_tensor(np.stack([sample.rgb for sample in chunk])).to(device)
        valid = torch.stack([sample.valid for sample in chunk]).to(device)
        corrupted = torch.where(valid, ground_truth, torch.zeros_like(ground_truth))
        yield from _compare([s.item for s in chunk], fill(corrupted, valid), ground_truth, lpips)


def _compare(
    items: Sequence[WorkItem], result: Reconstruction, ground_truth: Tensor, lpips: Lpips | None
) -> Iterator[Score]:
    """Measure one batch."""
    composite = metrics.round_to_8_bits(result.image)
    psnr = metrics.psnr(composite, ground_truth).tolist()
    ssim = metrics.ssim(composite, ground_truth).tolist()
    mae = metrics.mae(composite, ground_truth).tolist()
    relative_mae = metrics.relative_mae(composite, ground_truth).tolist()
    distance = [None] * len(items) if lpips is None else lpips(composite, ground_truth).tolist()
    for index, (item, passes) in enumerate(zip(items, result.passes.tolist(), strict=True)):
        yield Score(
            item=item,
            psnr=psnr[index],
            ssim=ssim[index],
            mae=mae[index],
            relative_mae=relative_mae[index],
            lpips=distance[index],
            passes=passes,
        )


def summarise(scores: Sequence[Score]) -> Summary:
    """Average scores; infinite PSNRs are counted apart, nothing infinite is averaged."""
    distances = [score.lpips for score in scores if score.lpips is not None]
    return Summary(
        psnr=_finite_mean([score.psnr for score in scores]),
        ssim=float(np.mean([score.ssim for score in scores])),
        mae=float(np.mean([score.mae for score in scores])),
        relative_mae=_finite_mean([score.relative_mae for score in scores]),
        lpips=float(np.mean(distances)) if distances else None,
        passes=float(np.mean([score.passes for score in scores])),
        count=len(scores),
        infinite=sum(not np.isfinite(score.psnr) for score in scores),
    )


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def one_shot(generator: torch.nn.Module) -> Fill:
    """Fill by one prediction."""
    return lambda image, valid: reconstruct(generator, image, valid, max_passes=1)


def progressive(generator: torch.nn.Module, config: ReconstructionConfig) -> Fill:
    """Fill by progressive reconstruction."""
    return lambda image, valid: reconstruct(
        generator,
        image,
        valid,
        kernel_size=config.kernel_size,
        threshold=config.threshold,
        max_passes=config.max_passes,
    )


def mean_fill(image: Tensor, valid: Tensor) -> Reconstruction:
    """Fill with the mean colour of the known pixels: what any model has to beat."""
    known = valid.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (image * valid).sum(dim=(2, 3), keepdim=True) / known
    filled = torch.where(valid, image, mean.expand_as(image))
    return Reconstruction(image=filled, passes=torch.zeros(len(image), dtype=torch.int64))


def _masks_by_bucket(data: str, manifest: Manifest) -> dict[int, list[str]]:
    keys = read_column(data, manifest, "masks", "key", HELD_OUT_MASKS)
    ratios = read_column(data, manifest, "masks", "hole_ratio", HELD_OUT_MASKS)
    found: dict[int, list[str]] = {}
    for key, ratio in sorted(zip(keys, ratios, strict=True)):
        bucket = bucket_of(ratio)
        if bucket is not None:
            found.setdefault(bucket, []).append(key)
    assert all(bucket < len(BUCKETS) for bucket in found)
    return found
