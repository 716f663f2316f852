"""The size of every picture, from its header: pictures of one size then share passes."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa
import ray
from pyarrow import parquet
from ray import ObjectRef
from ray.data import TaskPoolStrategy

from isnet.config import InputError
from pipelines.bulk.collection import Collection, unanswered
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.reporting import Reporter
from pipelines.bulk.results import FOLDER, find_parts
from pipelines.bulk.running import Pool
from pipelines.codec import CodecError, displayed_size
from pipelines.storage import exists, join, open_filesystem, printable, read_bytes, write_or_explain

SIZES = f"{FOLDER}/sizes.parquet"
"""Path below the output: once there, a job that goes on need not read every header again."""

_CHUNK = 512
"""Pictures of a task."""

_READERS = 8
"""Threads of a task: a header is little work and, on an object store, much waiting."""


def measure_all(
    collection: Collection,
    reference: ObjectRef,
    config: InpaintConfig,
    pool: Pool,
    reporter: Reporter,
) -> np.ndarray:
    """Find the sizes of all pictures, or read those that an earlier run has found.

    Args:
        collection: of the job.
        reference: to it, in Ray's object store.
        config: of the job.
        pool: that fills afterwards; measuring takes no more CPUs.
        reporter: shows how far this is.

    Returns:
        int32 (N, 2): height and width in display orientation; 0, 0 of what cannot be measured,
        which the filling will say why.

    """
    output = config.output
    filesystem, folder = open_filesystem(output)
    if exists(filesystem, f"{folder}/{SIZES}"):
        return _decode(read_bytes(filesystem, f"{folder}/{SIZES}"))
    if find_parts(output):
        raise InputError(
            f"{SIZES} is gone from --output {printable(output)}, and with it which pictures are "
            "done; name another folder, or delete that one"
        )
    sizes = np.zeros((len(collection), 2), np.int32)
    starts = list(range(0, len(collection), _CHUNK))
    chunks = ray.data.from_items([{"start": s} for s in starts], override_num_blocks=len(starts))
    measured = chunks.map_batches(
        measure_chunk,  # type: ignore[arg-type]
        batch_size=1,
        compute=TaskPoolStrategy(size=pool.most * pool.cpus),
        num_cpus=1,
        fn_kwargs={"reference": reference, "config": config},
    )
    for row in measured.iter_rows():
        found = np.asarray(row["sizes"], np.int32).reshape(-1, 2)
        sizes[row["start"] : row["start"] + len(found)] = found
        reporter.measured(len(found))
    write_or_explain(join(output, SIZES), _encode(sizes))
    return sizes


def measure_chunk(
    batch: dict[str, np.ndarray], *, reference: ObjectRef, config: InpaintConfig
) -> dict[str, np.ndarray]:
    """Ray Data callable: column `start` in; the same and `sizes`, height, width, ..., out."""
    os.setpriority(os.PRIO_PROCESS, 0, config.niceness)  # the process may come here again
    collection: Collection = ray.get(reference)
    (start,) = batch["start"].tolist()
    indices = range(start, min(start + _CHUNK, len(collection)))
    with ThreadPoolExecutor(_READERS) as readers:
        measured = partial(measure, collection, max_bytes=config.max_bytes)
        sizes = list(readers.map(measured, indices))
    return {"start": batch["start"], "sizes": np.array(sizes, np.int32).reshape(1, -1)}


def measure(collection: Collection, index: int, *, max_bytes: int) -> tuple[int, int]:
    """Find a picture's height and width in display orientation; 0, 0 where that cannot be.

    Raises:
        InputError: the storage does not answer.

    """
    entry = collection.listing[index]
    try:
        head = collection.source.head(entry)
        try:
            return displayed_size(head)
        except CodecError:  # a header that is longer, or elsewhere, as TIFF's may be
            if entry.size > max_bytes:  # which will be refused
                return 0, 0
            return displayed_size(collection.source.read(entry))
    except InputError:
        return 0, 0
    except OSError as error:
        raise unanswered(entry.key, error) from error


def _encode(sizes: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    columns = {"height": sizes[:, 0], "width": sizes[:, 1]}
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _decode(data: bytes) -> np.ndarray:
    table = parquet.read_table(io.BytesIO(data))
    return np.stack([table[name].to_numpy() for name in ("height", "width")], axis=1)
