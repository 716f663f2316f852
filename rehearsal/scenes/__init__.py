"""What is played on the cluster: one module a scene, each with a function `play`."""

from __future__ import annotations

from collections.abc import Callable

from rehearsal.outcome import Told
from rehearsal.scenes import bulk, evaluate, head, refusals, restore, serve, train, tune
from rehearsal.stage import Stage

SCENES: dict[str, Callable[[Stage], Told]] = {
    "refusals": refusals.play,
    "train": train.play,
    "tune": tune.play,
    "evaluate": evaluate.play,
    "serve": serve.play,
    "bulk": bulk.play,
    "head": head.play,
    "restore": restore.play,
}
"""In the order in which they are played."""
