"""The prepared data set: Parquet shards of pictures and masks, and the manifest that lists them.

manifest.json       written last: a folder without it is not finished
plan.json           what was to be made; lets an interrupted run continue
rejected.jsonl      one line per file that could not be used, with the reason
images/{train,validation,test}/00000.parquet ...   key string, image binary (JPEG); test is optional
masks/{train,validation}/00000.parquet ...         key string, mask binary (1-bit PNG, white =
                                                   hole), hole_ratio float32; the held-out masks
                                                   serve the validation and the test images
contact-sheet.png                                  drawn by `prepare.py inspect`
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import Any, Literal

import pyarrow as pa
from pyarrow import fs, parquet

from isnet.config import InputError
from pipelines.storage import exists, open_filesystem, printable, read_bytes, write_atomically

Kind = Literal["images", "masks"]

SCHEMA_VERSION = 2
"""Version of the columns, the manifest and the plan; a reader refuses any other."""

SPLITS = ("train", "validation", "test")
"""Splits of the images, in order; `test` is there only where the sources have one."""

HELD_OUT_MASKS = "validation"
"""Split of the masks that the validation and the test images are measured under."""

ROW_GROUP = 64
"""Rows of a row group, the unit that training reads and resumes by."""

MANIFEST = "manifest.json"
PLAN = "plan.json"
REJECTED = "rejected.jsonl"
CONTACT_SHEET = "contact-sheet.png"

SCHEMAS: dict[Kind, pa.Schema] = {
    "images": pa.schema([("key", pa.string()), ("image", pa.binary())]),
    "masks": pa.schema([("key", pa.string()), ("mask", pa.binary()), ("hole_ratio", pa.float32())]),
}
"""Columns of the shards, by kind."""

_VERSION_KEY = b"isnet.schema_version"
_NOTE_KEY = b"isnet.note"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One Parquet file."""

    path: str
    """Path below the data set's folder, e.g. `images/train/00000.parquet`."""
    rows: int
    """Rows in it."""
    bytes: int
    """Its size."""
    sha256: str
    """Its hash, in hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a finished data set holds."""

    size: int
    """Side of the pictures and masks, in pixels."""
    seed: int
    """Seed of the crops, the order and the generated masks."""
    images: dict[str, tuple[Shard, ...]]
    """Image shards by split."""
    masks: dict[str, tuple[Shard, ...]]
    """Mask shards by split."""
    photos: int
    """Photographs that were found."""
    mask_files: int
    """Mask files that were found; 0 when the masks were generated."""
    rejected: dict[str, int]
    """Files that could not be used, by kind; `rejected.jsonl` gives names and reasons."""
    mean_hole_ratio: float
    """Mean hole ratio of the masks, in [0, 1]."""
    hole_ratio_histogram: tuple[int, ...]
    """Masks by hole ratio: ten buckets of 10 %."""
    settings: dict[str, Any]
    """The options of the run that made it."""
    plan: str
    """Hash of the plan: the settings, and the names and sizes of the input files."""
    hash: str
    """Hash of the content: the size and the hash of every shard. Tags the runs trained on it."""

    def shards(self, kind: Kind, split: str) -> tuple[Shard, ...]:
        """Shards of a kind and split; `InputError` where there is no such split."""
        found: dict[str, tuple[Shard, ...]] = getattr(self, kind)
        if split not in found:
            raise InputError(f"the data set has no split {split!r}; it has {', '.join(found)}")
        return found[split]

    def all_shards(self) -> tuple[Shard, ...]:
        """Every shard of every kind and split."""
        return tuple(chain(*self.images.values(), *self.masks.values()))

    def rows(self, kind: Kind, split: str) -> int:
        """Rows of a kind and split."""
        return sum(shard.rows for shard in self.shards(kind, split))


def shard_path(kind: Kind, split: str, index: int) -> str:
    """Path of a shard below the data set's folder."""
    return f"{kind}/{split}/{index:05d}.parquet"


def content_hash(size: int, shards: Iterable[Shard]) -> str:
    """Hash the size of the pictures and every shard's path and hash, in hexadecimal."""
    lines = sorted(f"{shard.path} {shard.sha256}" for shard in shards)
    return hashlib.sha256("\n".join([f"size {size}", *lines]).encode()).hexdigest()


def encode_shard(kind: Kind, columns: Mapping[str, list[Any]], note: Mapping[str, Any]) -> bytes:
    """Encode rows as a Parquet file.

    Args:
        kind: which schema.
        columns: the values of each column.
        note: stored as JSON in the file's metadata; `read_note` gives it back.

    """
    metadata = {_VERSION_KEY: str(SCHEMA_VERSION), _NOTE_KEY: json.dumps(note, sort_keys=True)}
    table = pa.table(dict(columns), schema=SCHEMAS[kind].with_metadata(metadata))
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP,
        compression="none",  # JPEG and PNG are compressed already
        use_dictionary=False,
        write_statistics=["key"],
    )
    return sink.getvalue().to_pybytes()


def read_note(data: bytes) -> dict[str, Any]:
    """Read the note that `encode_shard` stored in a Parquet file; {} for any other file."""
    try:
        metadata = parquet.read_schema(pa.BufferReader(data)).metadata or {}
    except pa.ArrowInvalid:  # not Parquet, or cut short: not one of ours
        return {}
    if metadata.get(_VERSION_KEY) != str(SCHEMA_VERSION).encode():
        return {}
    note: dict[str, Any] = json.loads(metadata[_NOTE_KEY])
    return note


def check_shard_schema(metadata: parquet.FileMetaData, path: str) -> None:
    """Refuse a Parquet file that is no shard of this program's schema version.

    Args:
        metadata: the file's footer.
        path: named in the message.

    Raises:
        InputError: another version, or none.

    """
    found = (metadata.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if found != str(SCHEMA_VERSION):
        raise InputError(
            f"{printable(path)} has schema version {found}, this program reads {SCHEMA_VERSION}; "
            "prepare the data set again with pipelines/prepare.py"
        )


def write_manifest(filesystem: fs.FileSystem, folder: str, manifest: Manifest) -> None:
    """Write `manifest.json`, which marks the data set as finished."""
    content = {"schema_version": SCHEMA_VERSION, **asdict(manifest)}
    data = json.dumps(content, indent=1).encode()
    write_atomically(filesystem, f"{folder}/{MANIFEST}", data)


def read_manifest(location: str) -> Manifest:
    """Read the manifest of a prepared data set.

    Args:
        location: the data set's folder, a local path or a URI.

    Raises:
        InputError: no such folder, not finished, damaged, or of another schema version.

    """
    filesystem, folder = open_filesystem(location)
    if not exists(filesystem, f"{folder}/{MANIFEST}"):
        raise InputError(_missing(printable(location), filesystem, folder))
    try:
        content = json.loads(read_bytes(filesystem, f"{folder}/{MANIFEST}"))
        version = content.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{printable(location)}/{MANIFEST} has schema version {version}, this program "
                f"reads {SCHEMA_VERSION}; prepare the data set again with pipelines/prepare.py"
            )
        return _manifest(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{printable(location)}/{MANIFEST} is damaged ({type(error).__name__}); delete "
            "it and run the same pipelines/prepare.py command again"
        ) from error


def _missing(location: str, filesystem: fs.FileSystem, folder: str) -> str:
    if exists(filesystem, f"{folder}/{PLAN}"):
        return (
            f"the data set {location} is not finished; run the same pipelines/prepare.py command "
            "again, it goes on where it stopped"
        )
    what = "holds no prepared data set" if exists(filesystem, folder) else "does not exist"
    return f"{location} {what}; run pipelines/prepare.py --photos FOLDER --output {location}"


def _manifest(content: dict[str, Any]) -> Manifest:
    """Build the dataclass from parsed JSON."""
    names = {field.name for field in fields(Manifest)}
    given = {name: content[name] for name in names}
    for kind in SCHEMAS:
        given[kind] = {
            split: tuple(Shard(**shard) for shard in shards)
            for split, shards in content[kind].items()
        }
    given["hole_ratio_histogram"] = tuple(content["hole_ratio_histogram"])
    return Manifest(**given)
