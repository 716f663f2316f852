r"""Prepare photographs and masks for training: folders in, a data set of Parquet shards out.

The sample photographs at a small size with generated masks, on a laptop (under a minute):

    python pipelines/prepare.py --photos samples --output data/demo --size 64 --crops-per-photo 48

Your own photographs with the public NVIDIA training masks, where black marks the hole:

    python pipelines/prepare.py --photos /data/photos --masks /data/irregular_mask \
        --mask-polarity black-hole --output /data/prepared

The same on a cluster; --output is a folder that every node sees, or a URI such as s3://bucket/x:

    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \
        python pipelines/prepare.py --photos /shared/photos --output /shared/prepared

An interrupted run goes on where it stopped when the same command is given again. Files that cannot
be decoded are counted and listed with the reason in OUTPUT/rejected.jsonl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace

import ray.data
from pyarrow import fs

from isnet.config import InputError
from isnet.masks import SUSPICIOUS_MEAN_RATIO
from pipelines.cli import parse, run_main
from pipelines.cluster import connect
from pipelines.preparation.output import claim, finished_manifest, remove_leftovers, require_visible
from pipelines.preparation.plan import Plan, PrepareConfig, Unit, make_plan
from pipelines.preparation.units import BUCKETS, Done, write_units
from pipelines.progress import Progress
from pipelines.shards import (
    REJECTED,
    SPLITS,
    Kind,
    Manifest,
    Shard,
    content_hash,
    write_manifest,
)
from pipelines.storage import (
    absolute,
    open_filesystem,
    printable,
    require_absolute,
    write_atomically,
)


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    config = parse(PrepareConfig, argv, description=__doc__)
    require_absolute("--output", config.output)
    print(json.dumps({**asdict(config), **_locations(config)}, indent=1))
    if config.dry_run:
        plan = make_plan(config)
        images, masks = len(plan.units["images"]), len(plan.units["masks"])
        print(f"would write {images} image shards of {plan.photos} photographs, {masks} of masks")
        return
    prepare(config)


def prepare(config: PrepareConfig) -> Manifest:
    """Make a data set, or go on with one that was interrupted.

    Raises:
        InputError: folders that are missing, empty or without one usable picture; an output that
            holds something else or cannot be written.

    """
    plan = make_plan(config)
    claim(config.output, plan, overwrite=config.overwrite)
    finished = finished_manifest(config.output, plan)
    if finished:
        where = printable(config.output)
        print(f"{where} is already prepared, hash {finished.hash[:12]}; nothing to do")
        return finished
    connect()
    done = _run(plan, config, "masks")
    _warn_of_polarity(config, done)
    done += _run(plan, config, "images")
    filesystem, folder = open_filesystem(config.output)
    _write_rejected(filesystem, folder, done)
    _require_rows(config, done)
    manifest = _manifest(config, plan, done)
    require_visible(config.output, manifest)
    remove_leftovers(config.output)
    write_manifest(filesystem, folder, manifest)
    _print_summary(config, manifest, done)
    return manifest


def _locations(config: PrepareConfig) -> dict[str, str | None]:
    """Where things are, without credentials."""
    masks = config.masks and printable(config.masks)
    return {
        "photos": printable(config.photos),
        "masks": masks,
        "output": printable(config.output),
    }


def _run(plan: Plan, config: PrepareConfig, kind: Kind) -> list[Done]:
    """Let the cluster make all shards of a kind; only counts and hashes come back."""
    units = plan.units[kind]
    # Locations are resolved here: the workers have working directories of their own.
    everywhere = replace(
        config,
        photos=absolute(config.photos),
        masks=config.masks and absolute(config.masks),
        output=absolute(config.output),
    )
    progress = Progress(kind, total=sum(len(unit.items) for unit in units))
    done = []
    for result in _stream(units, everywhere, plan.hash):
        done.append(result)
        progress.advance(result.items, rows=result.shard.rows, kept=result.kept)
    progress.finish(f"{len(done)} shards")
    return sorted(done, key=lambda result: result.shard.path)


def _stream(units: Iterable[Unit], config: PrepareConfig, plan_hash: str) -> Iterator[Done]:
    """Results in the order in which the tasks finish."""
    rows = [{"unit": unit.to_json()} for unit in units]
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        write_units,  # type: ignore[arg-type]  # Ray's annotation knows no fn_kwargs
        batch_size=1,
        fn_kwargs={"config": config, "plan_hash": plan_hash},
    )
    for row in results.iter_rows():
        yield Done.from_json(row["done"])


def _manifest(config: PrepareConfig, plan: Plan, done: Sequence[Done]) -> Manifest:
    """Sum up what the tasks have made."""
    masks = [result for result in done if result.kind == "masks"]
    return Manifest(
        size=config.size,
        seed=config.seed,
        images=_by_split(done, "images"),
        masks=_by_split(done, "masks"),
        photos=plan.photos,
        mask_files=plan.mask_files,
        rejected={kind: len(_rejected(done, kind)) for kind in plan.units},
        mean_hole_ratio=_mean_hole_ratio(masks),
        hole_ratio_histogram=tuple(
            sum(result.histogram[bucket] for result in masks) for bucket in range(BUCKETS)
        ),
        settings={**_locations(config), **plan.identity},
        plan=plan.hash,
        hash=content_hash(config.size, (result.shard for result in done if result.shard.rows)),
    )


def _by_split(done: Iterable[Done], kind: Kind) -> dict[str, tuple[Shard, ...]]:
    """Shards that have rows, in order."""
    found = [result for result in done if result.kind == kind and result.shard.rows]
    return {s: tuple(result.shard for result in found if result.split == s) for s in SPLITS}


def _mean_hole_ratio(masks: Sequence[Done]) -> float:
    return sum(r.ratio_sum for r in masks) / max(1, sum(r.shard.rows for r in masks))


def _rejected(done: Iterable[Done], kind: Kind) -> dict[str, str]:
    """Reasons by file; a photograph whose crops went to several shards counts once."""
    return {
        key: reason
        for result in done
        if result.kind == kind
        for key, reason in sorted(result.rejected.items())
    }


def _write_rejected(filesystem: fs.FileSystem, folder: str, done: Sequence[Done]) -> None:
    """List every file that could not be used."""
    lines = [
        json.dumps({"kind": kind, "file": key, "reason": reason}) + "\n"
        for kind in ("images", "masks")
        for key, reason in _rejected(done, kind).items()
    ]
    write_atomically(filesystem, f"{folder}/{REJECTED}", "".join(lines).encode())


def _require_rows(config: PrepareConfig, done: Sequence[Done]) -> None:
    """Refuse a data set that no training could use."""
    sources: tuple[tuple[Kind, str], ...] = (("images", "--photos"), ("masks", "--masks"))
    for kind, flag in sources:
        shards = _by_split(done, kind)
        if all(shards.values()):
            continue
        key, reason = next(iter(_rejected(done, kind).items()))
        if not any(shards.values()):
            location = _locations(config)["photos" if kind == "images" else "masks"]
            raise InputError(
                f"none of the files in {flag} {location} can be used; the first, {key}: {reason}"
            )
        empty = next(split for split in SPLITS if not shards[split])
        raise InputError(
            f"no file of the {empty} split can be used ({key}: {reason}); take the files in "
            f"{printable(config.output)}/{REJECTED} out of {flag} and run again with --overwrite"
        )


def _warn_of_polarity(config: PrepareConfig, masks: Sequence[Done]) -> None:
    """Say it early when the masks look read the wrong way round."""
    mean = _mean_hole_ratio(masks)
    if config.masks is None or mean <= SUSPICIOUS_MEAN_RATIO:
        return
    other = "white-hole" if config.mask_polarity == "black-hole" else "black-hole"
    _warn(
        f"the masks in {printable(config.masks)} are {mean:.0%} hole on average, read as "
        f"{config.mask_polarity}; if that is the wrong way round, run again with "
        f"--mask-polarity {other} --overwrite"
    )


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)


def _print_summary(config: PrepareConfig, manifest: Manifest, done: Sequence[Done]) -> None:
    for kind in ("images", "masks"):
        rejected = _rejected(done, kind)
        for key, reason in list(rejected.items())[:5]:
            _warn(f"{key}: {reason}")
        if rejected:
            _warn(
                f"{len(rejected)} {kind} left out, listed in {printable(config.output)}/{REJECTED}"
            )
    counts = ", ".join(
        f"{manifest.rows(kind, split)} {split} {kind}"
        for kind in ("images", "masks")
        for split in SPLITS
    )
    megabytes = sum(shard.bytes for shard in manifest.all_shards()) / 1e6
    print(
        f"prepared {printable(config.output)}: {counts} of {config.size}x{config.size}, "
        f"{megabytes:.1f} MB, mean hole ratio {manifest.mean_hole_ratio:.2f}, "
        f"hash {manifest.hash[:12]}"
    )


if __name__ == "__main__":
    run_main(main)
