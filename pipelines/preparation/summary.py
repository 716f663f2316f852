"""What came of a preparation: the manifest, the list of files left out, and what to say of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence

from pyarrow import fs

from isnet.config import InputError
from isnet.masks import SUSPICIOUS_MEAN_RATIO
from pipelines.logs import warn
from pipelines.preparation.config import LOCATIONS, PrepareConfig, shown
from pipelines.preparation.plan import Plan
from pipelines.preparation.units import BUCKETS, Done
from pipelines.preparation.work import Origin
from pipelines.shards import REJECTED, Kind, Manifest, Shard, content_hash
from pipelines.storage import printable, write_atomically

_log = logging.getLogger(__name__)

_KINDS: tuple[Kind, ...] = ("images", "masks")


def make_manifest(config: PrepareConfig, plan: Plan, done: Sequence[Done]) -> Manifest:
    """Sum up what the tasks have made."""
    masks = [result for result in done if result.kind == "masks"]
    locations = {name: value for name, value in shown(config).items() if name in LOCATIONS}
    return Manifest(
        size=config.size,
        seed=config.seed,
        images=_by_split(plan, done, "images"),
        masks=_by_split(plan, done, "masks"),
        photos=plan.photos,
        mask_files=plan.mask_files,
        rejected={kind: len(_rejected(done, kind)) for kind in plan.units},
        mean_hole_ratio=_mean_hole_ratio(masks),
        hole_ratio_histogram=tuple(
            sum(result.histogram[bucket] for result in masks) for bucket in range(BUCKETS)
        ),
        settings={**locations, **plan.identity},
        plan=plan.hash,
        hash=content_hash(config.size, (result.shard for result in done if result.shard.rows)),
    )


def _by_split(plan: Plan, done: Iterable[Done], kind: Kind) -> dict[str, tuple[Shard, ...]]:
    """Shards that have rows, in order."""
    found = [result for result in done if result.kind == kind and result.shard.rows]
    return {
        split: tuple(result.shard for result in found if result.split == split)
        for split in plan.origins[kind]
    }


def _mean_hole_ratio(masks: Sequence[Done]) -> float:
    return sum(r.ratio_sum for r in masks) / max(1, sum(r.shard.rows for r in masks))


def _rejected(done: Iterable[Done], kind: Kind) -> dict[tuple[str, str], str]:
    """Reasons by split and file; a photograph whose crops went to several shards counts once."""
    return {
        (result.split, key): reason
        for result in done
        if result.kind == kind
        for key, reason in sorted(result.rejected.items())
    }


def write_rejected(filesystem: fs.FileSystem, folder: str, done: Sequence[Done]) -> None:
    """List every file that could not be used."""
    lines = [
        json.dumps({"kind": kind, "split": split, "file": key, "reason": reason}) + "\n"
        for kind in _KINDS
        for (split, key), reason in _rejected(done, kind).items()
    ]
    write_atomically(filesystem, f"{folder}/{REJECTED}", "".join(lines).encode())


def require_rows(config: PrepareConfig, plan: Plan, done: Sequence[Done]) -> None:
    """Refuse a data set that no training could use."""
    for kind in _KINDS:
        shards = _by_split(plan, done, kind)
        empty = [split for split in shards if not shards[split]]
        if not empty:
            continue
        origin = plan.origins[kind][empty[0]]
        name = origin.source.name if origin.source else origin.flag
        reasons = _rejected(done, kind)
        (_, key), reason = next(item for item in reasons.items() if item[0][0] == empty[0])
        if _alone(plan.origins[kind], empty, origin):
            raise InputError(f"none of the files in {name} can be used; the first, {key}: {reason}")
        raise InputError(
            f"no file of the {empty[0]} split can be used ({key}: {reason}); take the files in "
            f"{printable(config.output)}/{REJECTED} out of {origin.flag} and run again with "
            "--overwrite"
        )


def _alone(origins: dict[str, Origin], empty: Sequence[str], origin: Origin) -> bool:
    """Whether every split of an origin is empty."""
    return all(split in empty for split, other in origins.items() if other.flag == origin.flag)


def warn_of_polarity(plan: Plan, masks: Sequence[Done]) -> None:
    """Say it early when masks look read the wrong way round, for each source of them."""
    for origin in {origin.flag: origin for origin in plan.origins["masks"].values()}.values():
        splits = [s for s, other in plan.origins["masks"].items() if other.flag == origin.flag]
        mean = _mean_hole_ratio([result for result in masks if result.split in splits])
        if origin.source is None or mean <= SUSPICIOUS_MEAN_RATIO:
            continue
        other = "white-hole" if origin.polarity == "black-hole" else "black-hole"
        flag = origin.flag.removesuffix("s") + "-polarity"
        location = origin.source.name.partition(" ")[2]
        warn(
            _log,
            f"the masks in {location} are {mean:.0%} hole on average, read as "
            f"{origin.polarity}; if that is the wrong way round, run again with "
            f"{flag} {other} --overwrite",
        )


def print_summary(config: PrepareConfig, manifest: Manifest, done: Sequence[Done]) -> None:
    """Print what was left out, and what was made."""
    for kind in _KINDS:
        rejected = _rejected(done, kind)
        for (_, key), reason in list(rejected.items())[:5]:
            warn(_log, f"{key}: {reason}")
        if rejected:
            where = f"{printable(config.output)}/{REJECTED}"
            warn(_log, f"{len(rejected)} {kind} left out, listed in {where}")
    megabytes = sum(shard.bytes for shard in manifest.all_shards()) / 1e6
    print(
        f"prepared {printable(config.output)}: {', '.join(_counts(manifest))} of "
        f"{config.size}x{config.size}, {megabytes:.1f} MB, mean hole ratio "
        f"{manifest.mean_hole_ratio:.2f}, hash {manifest.hash[:12]}"
    )


def _counts(manifest: Manifest) -> Iterator[str]:
    for kind in _KINDS:
        for split in getattr(manifest, kind):
            yield f"{manifest.rows(kind, split)} {split} {kind}"
