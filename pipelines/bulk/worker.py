"""Filling units, as it runs on the cluster: pictures are written where they are filled."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ray
import torch
from ray import ObjectRef

from isnet.config import GeneratorConfig, InputError
from isnet.inference import InferenceGenerator
from isnet.network import generator_from_config
from pipelines import logs
from pipelines.bulk.batching import Passes
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.filling import UnitFiller
from pipelines.bulk.metrics import FillerMetrics
from pipelines.bulk.progress import LISTED_FAILURES
from pipelines.bulk.results import FAILED, Row
from pipelines.claim import Claim
from pipelines.machine import exact_float32
from pipelines.storage import printable


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every process of a job knows."""

    config: InpaintConfig
    collection: ObjectRef
    """To the `Collection` in Ray's object store."""
    generator: GeneratorConfig
    weights: ObjectRef
    """To the generator's state in Ray's object store."""
    device: str
    """cpu or cuda."""
    claim: Claim
    """This start's, to the job's own folder below the output."""


class Filler:
    """Ray Data callable: columns `unit` and `items` in, column `report` (JSON) out."""

    def __init__(self, job: Job) -> None:
        """Load the network."""
        config = job.config
        logs.set_up(bulk_job=printable(config.output))
        os.nice(config.niceness)
        torch.set_num_threads(config.cpus_per_actor)
        exact_float32()
        passes = Passes(
            generator=_load(job),
            reconstruction=config.reconstruction,
            max_batch=config.max_batch,
            max_pixels=config.max_region_pixels,
            metrics=FillerMetrics(config.output),
        )
        self._filler = UnitFiller(config, ray.get(job.collection), passes, start=job.claim.token)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Fill one unit after the other; report counts and failures of each."""
        units = zip(batch["unit"].tolist(), batch["items"], strict=True)
        reports = [_report(unit, self._filler.fill(unit, items.tolist())) for unit, items in units]
        return {"report": np.array(reports, dtype=object)}


def _load(job: Job) -> InferenceGenerator:
    """Build the network on its device.

    Raises:
        InputError: a GPU was given that PyTorch cannot use.

    """
    if job.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"Ray has given this process a GPU, but PyTorch {torch.__version__} has no CUDA; "
            "install a CUDA build of torch, or give --device cpu"
        )
    network = generator_from_config(job.generator)
    network.load_state_dict(ray.get(job.weights))
    return InferenceGenerator(
        network,
        device=job.device,
        precision=job.config.precision,
        backend=job.config.backend,
    )


def _report(unit: int, rows: Sequence[Row]) -> str:
    """Count a unit's rows and name the first failures, as JSON."""
    failed = [row for row in rows if row["status"] == FAILED]
    names = ("input", "reason", "error")
    return json.dumps(
        {
            "unit": unit,
            "done": len(rows) - len(failed),
            "failed": len(failed),
            "reasons": Counter(row["reason"] for row in failed),
            "failures": [{name: row[name] for name in names} for row in failed[:LISTED_FAILURES]],
        }
    )
