"""Units of an evaluation: one candidate on a few items, whose rows become one Parquet part.

parts/telea-3f2a53d5f2c1/00004.parquet    rows of the fifth unit of a candidate
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from pipelines.evaluation.job import ITEMS, Job
from pipelines.reading import read_column
from pipelines.shards import HELD_OUT_MASKS, Kind


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One candidate on a few items."""

    candidate: int
    """Its place among the candidates."""
    part: str
    """Path of its rows below the output."""
    items: tuple[int, ...]
    """Places in the plan."""
    image_rows: tuple[int, ...]
    """Rows of the images in their split, so that only they are read."""
    mask_rows: tuple[int, ...]
    """Rows of the masks in theirs."""

    def to_json(self) -> str:
        """Encode for the trip through Ray Data."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Unit:
        """Decode what `to_json` gave."""
        content = json.loads(text)
        lists = {name: tuple(content[name]) for name in ("items", "image_rows", "mask_rows")}
        return cls(candidate=content["candidate"], part=content["part"], **lists)


def make_units(job: Job) -> Iterator[Unit]:
    """Deal the plan's items, ordered by where the images lie, to units of every candidate."""
    items = job.work.items
    images = _rows(job, "images", job.work.split)
    masks = _rows(job, "masks", HELD_OUT_MASKS)
    places = sorted(range(len(items)), key=lambda place: images[items[place].image])
    for number, candidate in enumerate(job.candidates):
        folder = job.part_folder(candidate)
        for start in range(0, len(places), ITEMS):
            chosen = places[start : start + ITEMS]
            yield Unit(
                candidate=number,
                part=f"{folder}/{start // ITEMS:05d}.parquet",
                items=tuple(chosen),
                image_rows=tuple(images[items[place].image] for place in chosen),
                mask_rows=tuple(masks[items[place].mask] for place in chosen),
            )


def _rows(job: Job, kind: Kind, split: str) -> dict[str, int]:
    """Row of each key in its split."""
    keys = read_column(job.data, job.manifest, kind, "key", split)
    return {key: row for row, key in enumerate(keys)}
