"""What scenes work on: the cluster, a prepared data set in its storage, a small trained model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from rehearsal.cluster import Cluster
from rehearsal.machine import ROOT
from rehearsal.object_store import BUCKET
from rehearsal.tracking import URI

PHOTOS = 6
CHECKPOINT_EVERY = 10
"""Steps between checkpoints of training."""
SMALL = {
    "--batch-size": 6,
    "--threads-per-worker": 1,
    "--precision": "fp32",
    "--loss.extractor": "random",
    "--log-every": 1,
}
"""Options of training that make a step a fraction of a second on one core."""


def words(options: dict[str, object]) -> list[str]:
    """Write options as a command line has them."""
    return [str(word) for pair in options.items() for word in pair]


def uri(path: str) -> str:
    """URI of something in the cluster's storage."""
    return f"s3://{BUCKET}/{path}"


class Stage:
    """The cluster, and what was made on it once for all scenes.

    Args:
        cluster: one that is up.

    """

    def __init__(self, cluster: Cluster) -> None:
        """Take a cluster."""
        self.cluster = cluster

    def script(self, name: str) -> list[str]:
        """Begin a command of the project's, as a job runs it."""
        return ["python", f"pipelines/{name}.py"]

    @cached_property
    def data(self) -> str:
        """URI of sample photographs that a job has prepared: 32x32, 60 masks."""
        for photo in sorted((ROOT / "samples").glob("*.jpg"))[:PHOTOS]:
            self.cluster.store.put(f"photos/{photo.name}", photo.read_bytes())
        options = {"--photos": uri("photos"), "--output": uri("data"), "--size": 32}
        options |= {"--crops-per-photo": 12, "--generated-masks": 60, "--validation-percent": 30}
        self.cluster.submit("prepare", *self.script("prepare"), *words(options)).finish()
        return uri("data")

    @cached_property
    def model(self) -> str:
        """URI of a model after a few steps, for scenes that only use one."""
        command = self.training("model", steps=10, **{"--num-workers": 1})
        self.cluster.submit("model", *command).finish()
        return uri("runs/model/model")

    def training(self, name: str, *, steps: int, **options: object) -> list[str]:
        """Write the command that trains a narrow network on `data`; its run has that name."""
        given = SMALL | {"--generator.channels": 2, "--discriminator.channels": 2}
        given |= {"--loss.preset": "eq4", "--data": self.data, "--output": uri("runs")}
        given |= {"--name": name, "--steps": steps, "--checkpoint-every": CHECKPOINT_EVERY}
        given |= {"--validate-every": steps // 2, "--validation-images": 4}
        given |= {"--tracking.uri": URI, **options}
        return [*self.script("train"), "smoke", *words(given)]

    def folder(self, name: str) -> Path:
        """Return a folder of the desk's."""
        path = self.cluster.folder / "desk" / name
        path.mkdir(parents=True, exist_ok=True)
        return path
