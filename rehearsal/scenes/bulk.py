"""A bulk job on both hosts, one of which loses its power."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from pyarrow import parquet

from rehearsal.machine import ROOT
from rehearsal.outcome import Told, expect
from rehearsal.stage import Stage, uri, words
from rehearsal.tracking import URI
from rehearsal.waiting import wait_until

SIZE = 64
_HOLE = slice(SIZE // 4, SIZE // 2)
_OUTPUT = "filled"


def play(stage: Stage) -> Told:
    """Kill `worker-2` with some pictures filled; every picture is filled, once."""
    cluster, store = stage.cluster, stage.cluster.store
    pictures = _upload(stage)
    options: dict[str, object] = {"--checkpoint": stage.model, "--input": uri("pictures")}
    options |= {
        "--masks": uri("hole.png"),
        "--output": uri(_OUTPUT),
        "--actors": 2,
        "--tracking.uri": URI,
    }
    job = cluster.submit("bulk", *stage.script("inpaint"), *words(options))
    cluster.await_on_both("Filler")
    parts = f"{_OUTPUT}/.inpaint/parts"
    wait_until("results", lambda: len(store.names(parts)) >= 2, every=0.1)
    written = len(store.names(parts))
    cluster.hosts["worker-2"].kill()
    cluster.add("worker-2")
    job.finish()
    expect(written < len(store.names(parts)), "the job was over before a host was lost")
    rows = parquet.read_table(io.BytesIO(store.get(f"{_OUTPUT}/results.parquet"))).to_pylist()
    named = sorted(row["input"] for row in rows if row["status"] == "done")
    expect(named == sorted(pictures), f"{len(named)} of {len(pictures)} pictures are in the table")
    outputs = {row["output"] for row in rows}
    expect(len(outputs) == len(pictures), "results share names")
    spoilt = [name for name, pixels in pictures.items() if not _is_filled(stage, name, pixels)]
    expect(not spoilt, f"results that are not their picture with the hole filled: {spoilt[:5]}")
    return Told(
        lost=f"worker-2, without power with {written} units of pictures done",
        survived=f"each of {len(pictures)} pictures was filled and is in the table, once",
        facts={"pictures": len(pictures), "rows": len(rows), "written": written},
    )


def _upload(stage: Stage) -> dict[str, np.ndarray]:
    """Put tiles of the sample photographs, and one mask for all, into the cluster's storage."""
    tiles = {}
    for photo in sorted((ROOT / "samples").glob("*.jpg")):
        with Image.open(photo) as image:
            pixels = np.asarray(image.convert("RGB").resize((8 * SIZE, 5 * SIZE)))
        for row in range(5):
            for column in range(8):
                area = pixels[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
                tiles[f"{photo.stem}/{row}-{column}.png"] = area
    hole = np.zeros((SIZE, SIZE), dtype=np.uint8)
    hole[_HOLE, _HOLE] = 255
    stage.cluster.store.put("hole.png", _png(hole))
    with ThreadPoolExecutor(8) as pool:
        puts = [
            pool.submit(stage.cluster.store.put, f"pictures/{name}", _png(pixels))
            for name, pixels in tiles.items()
        ]
        for done in puts:
            done.result()
    return tiles


def _is_filled(stage: Stage, name: str, pixels: np.ndarray) -> bool:
    """Whether a result is its picture, but for the hole."""
    with Image.open(io.BytesIO(stage.cluster.store.get(f"{_OUTPUT}/{name}"))) as image:
        filled = np.asarray(image)
    changed = (filled != pixels).any(axis=2)
    inside = changed[_HOLE, _HOLE].sum()
    return bool(inside) and inside == changed.sum()


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
