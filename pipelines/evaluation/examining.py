"""A closer look at each candidate: its composites of the examples, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import ray
import torch
from PIL import Image
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from isnet.images import to_uint8
from pipelines.evaluation.filling import NOT_FINITE, fill_samples
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.job import Job
from pipelines.evaluation.measuring import reason_of
from pipelines.evaluation.model import UNTRAINED
from pipelines.evaluation.outcome import Candidate, Examples, Timing
from pipelines.evaluation.passes import draw_passes
from pipelines.evaluation.rows import Method
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.timing import time_fill
from pipelines.evaluation.work import Work
from pipelines.machine import cores, exact_float32

_Made = TypeVar("_Made")

_PER_BUCKET = 2
_BATCH_SIZES = (1, 8)
"""Table 3 gives one figure an image; larger batches tell what a full device takes."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a closer look gave; what failed is not there."""

    composites: Mapping[Method, np.ndarray]
    """Of the examples, uint8 (K, H, W, 3)."""
    timings: tuple[Timing, ...]
    passes: Image.Image | None
    """The composite after every pass of PRA; of the first network alone."""
    warnings: tuple[str, ...]
    """What failed, and with what."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What closer looks at all candidates gave."""

    examples: Examples
    timings: tuple[Timing, ...]
    passes: Image.Image | None
    """See `Examination`; None without a network."""
    warnings: tuple[str, ...]


def choose_examples(work: Work) -> tuple[int, ...]:
    """Take the first two items of each bucket, smaller holes first: their places in the plan."""
    by_bucket: dict[int, list[int]] = {}
    for place, item in enumerate(work.items):
        by_bucket.setdefault(item.bucket, []).append(place)
    return tuple(place for bucket in sorted(by_bucket) for place in by_bucket[bucket][:_PER_BUCKET])


def examine_all(job: Job, *, latency_images: int) -> Findings:
    """Look at each candidate, one after the other: nothing else may run while one is timed."""
    places = choose_examples(job.work)
    samples = load_samples(job.data, job.manifest, job.work.only(places))
    timed = _timed_samples(job, latency_images)
    found = {
        candidate.name: _examine_on_cluster(job, candidate, samples, timed)
        for candidate in job.candidates
    }
    examples = Examples(
        items=places,
        ground_truth=np.stack([sample.rgb for sample in samples]),
        valid=np.stack([sample.valid[0].numpy() for sample in samples]),
        composites={
            (name, method): pictures
            for name, look in found.items()
            for method, pictures in look.composites.items()
        },
    )
    return Findings(
        examples=examples,
        timings=tuple(timing for look in found.values() for timing in look.timings),
        passes=next((look.passes for look in found.values() if look.passes is not None), None),
        warnings=tuple(words for look in found.values() for words in look.warnings),
    )


def _timed_samples(job: Job, images: int) -> list[Sample]:
    """Load the first items of the plan, whose buckets take turns."""
    places = range(min(images, len(job.work.items)))
    return load_samples(job.data, job.manifest, job.work.only(places)) if places else []


def _examine_on_cluster(
    job: Job, candidate: Candidate, samples: Sequence[Sample], timed: Sequence[Sample]
) -> Examination:
    print(f"looking closer at {candidate.name}", flush=True)
    gpus = 1 if job.device_of(candidate).type == "cuda" else 0
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3)(examine)
    try:
        found: Examination = ray.get(
            task.remote(job, candidate, samples, timed if _is_timed(candidate) else [])
        )
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
        words = (
            f"{candidate.name} failed: the process that looked closer died ({reason_of(error)})."
        )
        return Examination(composites={}, timings=(), passes=None, warnings=(words,))
    return found


def _is_timed(candidate: Candidate) -> bool:
    """Table 3 is of networks; one that is not trained takes as long as the trained one."""
    return candidate.generator is not None and not candidate.location.startswith(UNTRAINED)


def examine(
    job: Job, candidate: Candidate, samples: Sequence[Sample], timed: Sequence[Sample]
) -> Examination:
    """Look at one candidate, in a process that has its device.

    Args:
        job: the evaluation.
        candidate: one of its candidates.
        samples: the examples.
        timed: what it is timed on; none to leave that out.

    """
    # Ray allows a task the threads of its CPUs; here no other of the evaluation computes.
    torch.set_num_threads(cores())
    exact_float32()
    network = job.network(candidate)
    fills = job.fills(candidate, network)
    device = job.device_of(candidate)
    tries = _Tries(candidate.name)
    composites = {
        method: tries.get(f"{method} on the examples", partial(_composites, samples, fill, device))
        for method, fill in fills.items()
    }
    timings = [
        tries.get(
            f"{method} in batches of {size}",
            partial(time_fill, timed, fill, method, size, model=candidate.name, device=device),
        )
        for size in _BATCH_SIZES
        if size <= len(timed)
        for method, fill in fills.items()
    ]
    passes = None
    if network is not None and candidate == _first_network(job):
        draw = partial(draw_passes, samples, network, job.reconstruction)
        passes = tries.get("the picture of its passes", draw)
    return Examination(
        composites={method: made for method, made in composites.items() if made is not None},
        timings=tuple(timing for timing in timings if timing is not None),
        passes=passes,
        warnings=tuple(tries.warnings),
    )


class _Tries:
    """Runs what may fail, since a model is on trial, and keeps the reasons."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.warnings: list[str] = []

    def get(self, what: str, run: Callable[[], _Made]) -> _Made | None:
        """Run something; None where it fails."""
        try:
            return run()
        except Exception as error:  # noqa: BLE001 (whatever a model fails with)
            self.warnings.append(f"{self._model} failed: {what} ({reason_of(error)}).")
            return None


def _composites(samples: Sequence[Sample], fill: Fill, device: torch.device) -> np.ndarray:
    _, filled = fill_samples(samples, fill, device)
    if not filled.image.isfinite().all():
        raise FloatingPointError(NOT_FINITE)
    return to_uint8(filled.image)


def _first_network(job: Job) -> Candidate | None:
    return next((each for each in job.candidates if each.generator is not None), None)
