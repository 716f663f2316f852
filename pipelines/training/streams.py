"""Stream a prepared data set into a training worker through Ray Data.

The order is a *plan*, a function of (seed, epoch, rank) and not a state: row groups of the shards
are permuted, the epoch's rows are dealt to the ranks in equal slices, and rows are permuted within
their row group. A worker that resumes at step k plans from there and decodes nothing twice. What is
random about a sample (its flip, its mask) is a function of (seed, epoch, key).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import ray
import ray.data
from PIL import Image
from pyarrow import fs

from isnet.config import InputError
from isnet.images import scaled
from pipelines.cluster import keep_order, quiet_data, rest_between_steps
from pipelines.reading import open_shard
from pipelines.seeding import keyed_generator
from pipelines.shards import Manifest
from pipelines.storage import join, open_filesystem, split_name
from pipelines.training.mask_bank import MaskBank

_ROWS_PER_PIPELINE = 32_768
"""Rows a rank reads before Ray Data starts anew, so that small sets do not restart each epoch."""

_UNITS_PER_TASK = 8
"""Units that a task reads: a task has a price of its own."""

_SINGLE_UNITS = 16
"""Units at the start that are a task each: the first batches are there soon."""

_UNDECODABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for damaged pictures."""

Batch = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """The unit of reading: one row group of one shard."""

    file: str
    index: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Rows low to high of a row group's permutation in an epoch."""

    file: str
    row_group: int
    epoch: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class TrainStream:
    """Batches of one rank, from any step on."""

    row_groups: Sequence[RowGroup]
    masks: ray.ObjectRef
    """A `MaskBank` in Ray's object store."""
    batch_size: int
    """Images a step over all ranks; each rank gets its equal share."""
    rank: int
    world_size: int
    seed: int
    size: int = 0
    """Side that pictures are scaled to; 0 takes them as they are."""
    crop_size: int = 0
    """Side of the random crop of each picture and its mask; 0 takes them whole."""
    variation: int = 0
    """Draws other flips, crops and masks; the order of the rows stays."""

    def batches(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield this rank's batches for steps start_step (0-based) up to, not with, stop_step.

        Each is `image` uint8 (b, H, W, 3), `hole` bool (b, H, W), `key` str (b,) and `decoded`
        bool (b,): False where a row could not be decoded and its neighbour stands in.
        """
        step = start_step
        while step < stop_step:
            units, steps = self.plan(step, stop_step)
            yield from self._read(units)
            step += steps

    def plan(self, step: int, stop_step: int) -> tuple[list[Unit], int]:
        """Plan what one pipeline reads from `step` on; return the units and their steps."""
        local = self.batch_size // self.world_size
        per_epoch = steps_per_epoch(self.row_groups, self.batch_size)
        units: list[Unit] = []
        planned = 0
        while step + planned < stop_step and planned * local < _ROWS_PER_PIPELINE:
            epoch, skipped = divmod(step + planned, per_epoch)
            steps = min(per_epoch - skipped, stop_step - step - planned)
            first = (self.rank * per_epoch + skipped) * local
            units += epoch_units(
                self.row_groups, seed=self.seed, epoch=epoch, low=first, high=first + steps * local
            )
            planned += steps
        return units, planned

    def _read(self, units: Sequence[Unit]) -> Iterator[Batch]:
        quiet_data()
        keep_order()
        rest_between_steps()
        read = partial(
            read_units,
            masks=self.masks,
            seed=self.seed,
            size=self.size,
            crop_size=self.crop_size,
            variation=self.variation,
        )
        tasks = [{"units": json.dumps([asdict(unit) for unit in task])} for task in _tasks(units)]
        dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
            read, batch_size=1
        )
        yield from dataset.iter_batches(
            batch_size=self.batch_size // self.world_size, prefetch_batches=2
        )


def _tasks(units: Sequence[Unit]) -> Iterator[Sequence[Unit]]:
    """Deal units to tasks, in order."""
    yield from ([unit] for unit in units[:_SINGLE_UNITS])
    for low in range(_SINGLE_UNITS, len(units), _UNITS_PER_TASK):
        yield units[low : low + _UNITS_PER_TASK]


def steps_per_epoch(row_groups: Sequence[RowGroup], batch_size: int) -> int:
    """Count the global batches of an epoch; an incomplete last one is left out."""
    rows = sum(group.rows for group in row_groups)
    if rows < batch_size:
        raise InputError(
            f"the training split has {rows} images, fewer than one batch of {batch_size}; "
            "prepare more (--crops-per-photo) or lower --batch-size"
        )
    return rows // batch_size


def epoch_units(
    row_groups: Sequence[RowGroup], *, seed: int, epoch: int, low: int, high: int
) -> list[Unit]:
    """Plan the rows low to high of an epoch, in the epoch's order of row groups."""
    order = keyed_generator(seed, epoch, "row groups").permutation(len(row_groups))
    units, position = [], 0
    for group in (row_groups[index] for index in order):
        begin, end = max(low - position, 0), min(high - position, group.rows)
        if begin < end:
            units.append(
                Unit(file=group.file, row_group=group.index, epoch=epoch, low=begin, high=end)
            )
        position += group.rows
    return units


def read_row_groups(data: str, manifest: Manifest, split: str) -> list[RowGroup]:
    """List the row groups of a split's image shards, from the shards' footers.

    Raises:
        InputError: a shard that is gone, cut short, or of another schema version.

    """
    groups = []
    for shard in manifest.shards("images", split):
        with open_shard(data, shard.path) as opened:
            metadata = opened.metadata
        file = join(data, shard.path)
        groups += [
            RowGroup(file=file, index=index, rows=metadata.row_group(index).num_rows)
            for index in range(metadata.num_row_groups)
        ]
    return groups


def read_units(
    batch: dict[str, Any],
    *,
    masks: ray.ObjectRef,
    seed: int,
    size: int = 0,
    crop_size: int = 0,
    variation: int = 0,
) -> Iterator[Batch]:
    """Read, decode, scale, crop, flip and mask rows unit by unit: the body of a Ray Data task."""
    bank: MaskBank = ray.get(masks)
    for unit in (Unit(**values) for values in json.loads(str(batch["units"][0]))):
        samples = list(
            unit_samples(unit, bank, seed=seed, size=size, crop_size=crop_size, variation=variation)
        )
        yield {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def unit_samples(
    unit: Unit,
    bank: MaskBank,
    *,
    seed: int,
    size: int = 0,
    crop_size: int = 0,
    variation: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield the samples of one unit in the epoch's order, ready to train on; knows no Ray."""
    rows = _read_rows(unit.file, unit.row_group)
    # By the shard's name, not its place: a copy of the data is read in the same order.
    _, name = split_name(unit.file)
    order = keyed_generator(seed, unit.epoch, name, unit.row_group).permutation(len(rows))
    for position in range(unit.low, unit.high):
        key = rows[order[position]][0]
        picture, decoded = _decode_or_neighbour(rows, order, position, bank)
        rng = keyed_generator(seed, unit.epoch, key, *([variation] if variation else []))
        augmented = _augment(scaled(picture, size), bank, rng, crop_size)
        yield augmented | {"key": np.array(key, dtype=object), "decoded": decoded}


def _augment(
    picture: Image.Image, bank: MaskBank, rng: np.random.Generator, crop_size: int
) -> dict[str, Any]:
    """Choose a hole, turn and flip it, flip the picture, cut both: all from one generator."""
    hole = np.rot90(bank.hole(int(rng.integers(len(bank)))), k=int(rng.integers(4)))
    if rng.random() < 0.5:
        hole = hole[:, ::-1]
    if rng.random() < 0.5:
        # Not as a view of the array: to copy one pixel by pixel takes half as long as to decode.
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if crop_size:
        sides = (picture.height, picture.width)
        top, left = (int(rng.integers(side - crop_size + 1)) for side in sides)
        picture = picture.crop((left, top, left + crop_size, top + crop_size))
        # Not a smaller mask: strokes are to be as wide as in whole pictures.
        hole = hole[top : top + crop_size, left : left + crop_size]
    return {"image": np.asarray(picture), "hole": hole}


def _decode_or_neighbour(
    rows: Sequence[tuple[str, bytes]], order: np.ndarray, position: int, bank: MaskBank
) -> tuple[Image.Image, np.bool_]:
    """Decode a row; where it is damaged, the next sound one stands in, so that no step shifts.

    A row group without a sound one gives grey pictures.
    """
    for offset in range(len(rows)):
        _, data = rows[order[(position + offset) % len(rows)]]
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                return picture.convert("RGB"), np.bool_(offset == 0)
        except _UNDECODABLE:
            continue
    return Image.new("RGB", (bank.width, bank.height), (128, 128, 128)), np.bool_(False)


@lru_cache(maxsize=4)
def _read_rows(file: str, row_group: int) -> list[tuple[str, bytes]]:
    """Read one row group: (key, encoded image) a row."""
    table = _open(file).read_row_group(row_group, columns=["key", "image"])
    return list(zip(table["key"].to_pylist(), table["image"].to_pylist(), strict=True))


@lru_cache(maxsize=64)
def _open(file: str) -> pq.ParquetFile:
    """Open a shard and keep it open: its footer, 0.1 MB in memory, is read once a process."""
    folder, name = split_name(file)
    filesystem, path = _open_folder(folder)
    return pq.ParquetFile(filesystem.open_input_file(f"{path}/{name}"))


@lru_cache(maxsize=2)
def _open_folder(folder: str) -> tuple[fs.FileSystem, str]:
    """Open the filesystem of all shards once a process: to an object store, one client."""
    return open_filesystem(folder)
