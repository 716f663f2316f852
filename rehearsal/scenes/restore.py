"""The tracking server loses its power and its disk, and comes back from a backup."""

from __future__ import annotations

from pipelines.tracking.registry import fetch_registered
from rehearsal.outcome import Told, expect
from rehearsal.runs import all_metrics
from rehearsal.stage import Stage
from rehearsal.tracking import URI


def play(stage: Stage) -> Told:
    """Back the database up, destroy it, restore it; nothing that was tracked is missing."""
    tracking = stage.cluster.tracking
    expect(stage.model, "no model")
    before = all_metrics()
    backup = tracking.backup()
    tracking.destroy()
    tracking.start(backup)
    tracking.await_up()
    after = all_metrics()
    expect(after == before, f"{len(before)} series before, {len(after)} after, not the same")
    files = fetch_registered(URI, "models:/isnet/1", stage.folder("restored"))
    expect(list(files.rglob("*.safetensors")), "the registered model's weights are gone")
    return Told(
        lost="the MLflow server's host with its disk, after a backup of the database",
        survived=f"all {len(before)} series of metrics, the registered model and the artifacts",
        facts={"series": len(before)},
    )
