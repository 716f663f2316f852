r"""Prepare photographs and masks for training: pictures in, a data set of Parquet shards out.

The sample photographs at a small size with generated masks, on a laptop (under a minute):

    python pipelines/prepare.py --photos samples --output data/first --size 64 --crops-per-photo 48

Your own photographs: a folder, a .tar or .zip, or a WebDataset; a path or a URI such as s3://:

    python pipelines/prepare.py --photos 's3://bucket/photos-{000..099}.tar' --output s3://bucket/x

Places2 and CelebA as they are published, archives or folders, with NVIDIA's masks beside them:

    python pipelines/prepare.py places2 --photos /data/places --masks /data/nvidia --output /data/p
    python pipelines/prepare.py celeba --photos /data/celeba --masks /data/nvidia --output /data/c

What is in a data set, and how it looks (draws DATA/contact-sheet.png):

    python pipelines/prepare.py inspect data/demo

The same on a cluster; --output is a folder that every node sees, or a URI:

    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \
        python pipelines/prepare.py --photos /shared/photos.tar --output /shared/prepared

Archives are read in place. An interrupted run goes on where it stopped when the same command is
given again. Files that cannot be decoded are counted and listed with the reason in
OUTPUT/rejected.jsonl.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import ray.data

from isnet.config import InputError
from pipelines.cli import parse, program, run_main
from pipelines.cluster import connect
from pipelines.preparation.config import LOCATIONS, PrepareConfig, everywhere, shown
from pipelines.preparation.inspection import InspectConfig, inspect
from pipelines.preparation.layouts import LAYOUTS, resolve_masks
from pipelines.preparation.output import claim, finished_manifest, remove_leftovers, require_visible
from pipelines.preparation.plan import Plan, make_plan
from pipelines.preparation.summary import (
    make_manifest,
    print_summary,
    require_rows,
    warn_of_polarity,
    write_rejected,
)
from pipelines.preparation.units import Done, write_units
from pipelines.preparation.work import Origin, Unit
from pipelines.progress import Progress
from pipelines.shards import Kind, Manifest, write_manifest
from pipelines.storage import open_filesystem, printable, require_absolute


def main(argv: Sequence[str]) -> None:
    """Run the command line: `inspect DATA`, or options with or without a layout's name before."""
    word = argv[0] if argv and not argv[0].startswith("-") else None
    if word == "inspect":
        if not argv[1:]:
            raise InputError("inspect what? name the prepared data set: inspect data/demo")
        inspect(parse(InspectConfig, argv[1:], description=None, prog=f"{program()} inspect"))
        return
    if word is not None and word not in LAYOUTS:
        names = ", ".join([*LAYOUTS, "inspect"])
        raise InputError(f"unexpected argument {word!r}; options start with --, or name {names}")
    config = _read_options(word, argv)
    require_absolute("--output", config.output)
    print(json.dumps(shown(config), indent=1))
    if config.dry_run:
        plan = make_plan(config)
        images, masks = len(plan.units["images"]), len(plan.units["masks"])
        print(f"would write {images} image shards of {plan.photos} photographs, {masks} of masks")
        return
    prepare(config)


def _read_options(layout: str | None, argv: Sequence[str]) -> PrepareConfig:
    """Parse the options; put plain ones in the place of a layout, and print which."""
    if layout is None:
        given = parse(PrepareConfig, argv, description=__doc__)
        config = resolve_masks(given)
    else:
        prog = f"{program()} {layout}"
        given = parse(PrepareConfig, argv[1:], description=LAYOUTS[layout].__doc__, prog=prog)
        config = LAYOUTS[layout](given)
    _print_resolved(layout or "nvidia", given, config)
    return config


def _print_resolved(layout: str, given: PrepareConfig, config: PrepareConfig) -> None:
    """Print the plain options that a layout stands for."""
    polarities = {"masks": "mask_polarity", "heldout_masks": "heldout_mask_polarity"}
    for name in LOCATIONS:
        if getattr(config, name) == getattr(given, name):
            continue
        for option in filter(None, (name, polarities.get(name))):
            print(f"{layout}: --{option.replace('_', '-')} {shown(config)[option]}")


def prepare(config: PrepareConfig) -> Manifest:
    """Make a data set, or go on with one that was interrupted.

    Raises:
        InputError: sources that are missing, empty, damaged or without one usable picture; an
            output that holds something else or cannot be written.

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
    warn_of_polarity(plan, done)
    done += _run(plan, config, "images")
    filesystem, folder = open_filesystem(config.output)
    write_rejected(filesystem, folder, done)
    require_rows(config, plan, done)
    manifest = make_manifest(config, plan, done)
    require_visible(config.output, manifest)
    remove_leftovers(config.output)
    write_manifest(filesystem, folder, manifest)
    print_summary(config, manifest, done)
    return manifest


def _run(plan: Plan, config: PrepareConfig, kind: Kind) -> list[Done]:
    """Let the cluster make all shards of a kind; only counts and hashes come back."""
    units = plan.units[kind]
    progress = Progress(kind, total=sum(len(unit.items) for unit in units))
    done = []
    for result in _stream(units, everywhere(config), plan.origins[kind], plan.hash):
        done.append(result)
        progress.advance(result.items, rows=result.shard.rows, kept=result.kept)
    progress.finish(f"{len(done)} shards")
    return sorted(done, key=lambda result: result.shard.path)


def _stream(
    units: Iterable[Unit], config: PrepareConfig, origins: Mapping[str, Origin], plan_hash: str
) -> Iterator[Done]:
    """Results in the order in which the tasks finish."""
    rows = [{"unit": unit.encode()} for unit in units]
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        write_units,  # type: ignore[arg-type]  # Ray's annotation knows no fn_kwargs
        batch_size=1,
        fn_kwargs={"config": config, "origins": origins, "plan_hash": plan_hash},
    )
    for row in results.iter_rows():
        yield Done.from_json(row["done"])


if __name__ == "__main__":
    run_main(main)
