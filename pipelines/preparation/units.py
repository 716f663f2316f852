"""The work of preparing, as it runs on the cluster: one task makes one shard."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from isnet.config import InputError
from isnet.images import Box, centre_square, encode_jpeg, open_image, square_crop, to_rgb
from isnet.mask_generator import random_hole
from isnet.masks import encode_hole, hole_from_mask, resize_hole
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.work import Item, Origin, Unit
from pipelines.seeding import keyed_generator
from pipelines.shards import Kind, Shard, encode_shard, read_note, shard_path
from pipelines.storage import (
    exists,
    open_filesystem,
    printable,
    read_bytes,
    write_atomically,
)

BUCKETS = 10
"""Buckets of the histogram of hole ratios."""

Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a unit: all that travels back to the driver."""

    kind: Kind
    split: str
    items: int
    """Items of the unit."""
    shard: Shard
    rejected: dict[str, str]
    """Reason by key of each file that could not be used."""
    ratio_sum: float = 0.0
    """Sum of the masks' hole ratios."""
    histogram: tuple[int, ...] = (0,) * BUCKETS
    """Masks by hole ratio."""
    kept: bool = False
    """Whether an earlier run had made the shard."""

    def to_json(self) -> str:
        """Encode for the trip through Ray Data."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Done:
        """Decode what `to_json` gave."""
        content = json.loads(text)
        content["shard"] = Shard(**content["shard"])
        content["histogram"] = tuple(content["histogram"])
        return cls(**content)


def write_units(
    batch: dict[str, np.ndarray],
    *,
    config: PrepareConfig,
    origins: Mapping[str, Origin],
    plan_hash: str,
) -> dict[str, np.ndarray]:
    """Ray Data callable: column `unit` (encoded) in, column `done` (JSON) out."""
    units = map(Unit.decode, batch["unit"])
    done = [make_shard(unit, config, origins[unit.split], plan_hash) for unit in units]
    return {"done": np.array([result.to_json() for result in done], dtype=object)}


def make_shard(unit: Unit, config: PrepareConfig, origin: Origin, plan_hash: str) -> Done:
    """Write the shard of a unit, unless an earlier run of the same plan has.

    Args:
        unit: what goes into the shard.
        config: with absolute locations.
        origin: where the unit's files are.
        plan_hash: tells this plan's shards from another's.

    Raises:
        InputError: the output cannot be written, or the source cannot be read from here.

    """
    filesystem, folder = open_filesystem(config.output)
    path = shard_path(unit.kind, unit.split, unit.index)
    if exists(filesystem, f"{folder}/{path}"):
        data = read_bytes(filesystem, f"{folder}/{path}")
        note = read_note(data)
        if note.get("plan") == plan_hash:
            return _done(unit, path, data, note, kept=True)
    data, note = _encode(unit, config, origin, plan_hash)
    try:
        write_atomically(filesystem, f"{folder}/{path}", data)
    except OSError as error:
        raise InputError(
            f"cannot write {folder}/{path}: {str(error).splitlines()[0]}; make room or give "
            "access, and run the same command again: finished shards are kept"
        ) from error
    return _done(unit, path, data, note, kept=False)


def _done(unit: Unit, path: str, data: bytes, note: dict[str, Any], *, kept: bool) -> Done:
    digest = hashlib.sha256(data).hexdigest()
    return Done(
        kind=unit.kind,
        split=unit.split,
        items=len(unit.items),
        shard=Shard(path=path, rows=note["rows"], bytes=len(data), sha256=digest),
        rejected=note["rejected"],
        ratio_sum=note["ratio_sum"],
        histogram=tuple(note["histogram"]),
        kept=kept,
    )


def _encode(
    unit: Unit, config: PrepareConfig, origin: Origin, plan_hash: str
) -> tuple[bytes, dict[str, Any]]:
    """Make the rows of a unit, and the note that a later run needs in their place."""
    rows: list[Row] = []
    rejected: dict[str, str] = {}
    make = image_rows if unit.kind == "images" else mask_rows
    for item in unit.items:
        try:
            rows.extend(make(item, config, origin))
        except InputError as error:
            rejected[item.entry.key] = " ".join(str(error).split())
        except FileNotFoundError as error:
            raise InputError(
                f"{error} is not visible on {socket.gethostname()}; put the files where every "
                "node of the cluster sees them"
            ) from error
        except OSError as error:
            raise InputError(
                f"{origin.flag}: {item.entry.key} cannot be read on {socket.gethostname()}: "
                f"{printable(str(error).splitlines()[0])}; run the same command again: finished "
                "shards are kept"
            ) from error
    order = keyed_generator(config.seed, "rows", unit.kind, unit.split, unit.index)
    rows = [rows[index] for index in order.permutation(len(rows))]
    ratios = [row[2] for row in rows] if unit.kind == "masks" else []
    note = {
        "plan": plan_hash,
        "rows": len(rows),
        "rejected": rejected,
        "ratio_sum": float(sum(ratios)),
        "histogram": np.histogram(ratios, bins=BUCKETS, range=(0, 1))[0].tolist(),
    }
    names = ("key", "image") if unit.kind == "images" else ("key", "mask", "hole_ratio")
    columns = {name: [row[column] for row in rows] for column, name in enumerate(names)}
    return encode_shard(unit.kind, columns, note), note


def image_rows(item: Item, config: PrepareConfig, origin: Origin) -> list[Row]:
    """Cut an item's crops: rows (key, JPEG), the key `path#crop`.

    Raises:
        InputError: a file that cannot be decoded; says why in one line.

    """
    assert origin.source is not None
    image = open_image(origin.source.read(item.entry))
    photo = Image.fromarray(to_rgb(image))
    rows = []
    for crop, box in _boxes(photo, item, config):
        rgb = square_crop(photo, box=box, size=config.size)
        rows.append((f"{item.entry.key}#{crop}", encode_jpeg(rgb)))
    return rows


def _boxes(photo: Image.Image, item: Item, config: PrepareConfig) -> Iterator[tuple[int, Box]]:
    """Number and box of each crop; number 0 is the centred square."""
    short = min(photo.size)
    for crop in range(item.first, item.first + item.crops):
        if crop == 0:
            yield crop, centre_square(photo)
        elif short > config.size:
            rng = keyed_generator(config.seed, "crop", item.entry.key, crop)
            side = int(rng.integers(config.size, short + 1))
            left = int(rng.integers(0, photo.width - side + 1))
            top = int(rng.integers(0, photo.height - side + 1))
            yield crop, (left, top, left + side, top + side)


def mask_rows(item: Item, config: PrepareConfig, origin: Origin) -> list[Row]:
    """Make one mask: rows (key, PNG, hole ratio).

    Raises:
        InputError: a file that cannot be decoded, or a mask that is all hole or has none.

    """
    hole = _hole(item, config, origin)
    ratio = float(hole.mean())
    if ratio in (0.0, 1.0):
        what = "everything is hole" if ratio else "there is no hole"
        raise InputError(f"{what} (read as {origin.polarity})")
    return [(item.entry.key, encode_hole(hole), ratio)]


def _hole(item: Item, config: PrepareConfig, origin: Origin) -> np.ndarray:
    """Read or generate a hole, bool (size, size)."""
    if origin.source is None:
        return random_hole(
            keyed_generator(config.seed, "mask", item.entry.key),
            height=config.size,
            width=config.size,
            ratio_range=config.hole_ratio_range,
        )
    mask = open_image(origin.source.read(item.entry))
    hole = hole_from_mask(mask, polarity=origin.polarity)
    left, top, right, bottom = centre_square(mask)
    return resize_hole(hole[top:bottom, left:right], width=config.size, height=config.size)
