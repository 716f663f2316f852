"""An evaluation on both hosts, one of which loses its power."""

from __future__ import annotations

import io

import pandas as pd

from rehearsal.outcome import Told, expect
from rehearsal.stage import Stage, uri, words
from rehearsal.tracking import URI
from rehearsal.waiting import wait_until

IMAGES = 160
_OUTPUT = "evaluation"


def play(stage: Stage) -> Told:
    """Kill `worker-2` with some scores written; every image is scored, once."""
    cluster, store = stage.cluster, stage.cluster.store
    options = {"--data": stage.data, "--output": uri(_OUTPUT), "--images": IMAGES}
    options |= {"--latency-images": 0, "--actors": 2, "--tracking.uri": URI}
    models = ["--models", f"small={stage.model}", "telea"]
    job = cluster.submit("evaluate", *stage.script("evaluate"), *models, *words(options))
    cluster.await_on_both("Measurer")
    wait_until("scores", lambda: len(store.names(f"{_OUTPUT}/parts")) >= 3, every=0.1)
    written = len(store.names(f"{_OUTPUT}/parts"))
    cluster.hosts["worker-2"].kill()
    cluster.add("worker-2")
    job.finish()
    scores = pd.read_parquet(io.BytesIO(store.get(f"{_OUTPUT}/scores.parquet")))
    parts = len(store.names(f"{_OUTPUT}/parts"))
    expect(written < parts, f"the evaluation was over before a host was lost ({parts} parts)")
    kinds = ["model", "method", "picture"]
    counts = scores.groupby(kinds).size().to_dict()
    expect(set(counts.values()) == {IMAGES}, f"rows of each kind: {counts}")
    twice = int(scores.duplicated([*kinds, "item"]).sum())
    expect(not twice, f"{twice} images were scored twice")
    return Told(
        lost=f"worker-2, without power with {written} of {parts} parts of the scores written",
        survived=f"each of the {IMAGES} images has its scores, once, under every method",
        facts={"rows": len(scores), "written": written, "parts": parts, "twice": twice},
    )
