"""Made-up evaluations: scores that are known, pictures that there are none of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from isnet.config import GeneratorConfig
from pipelines.evaluation.outcome import Candidate, EvaluationOutcome, Examples, Published, Timing
from pipelines.evaluation.rows import COMPOSITE, PRA, PREDICTION, SCHEMA
from pipelines.evaluation.work import Work, WorkItem

INFINITE = float("inf")

Scores = dict[str, Any]


def make_network(name: str, *, parameters: int = 24_775_683, **config: Any) -> Candidate:
    return Candidate(
        name=name,
        location=f"runs/{name}/model",
        fingerprint="0123456789ab",
        generator=GeneratorConfig(**config),
        parameters=parameters,
        facts={"steps": "200"},
    )


def make_classical(name: str = "mean fill") -> Candidate:
    return Candidate(name=name, location=name, fingerprint="ba9876543210", facts={})


def make_work(
    images: Sequence[str], buckets: Sequence[int], *, without_masks: tuple[int, ...] = ()
) -> Work:
    items = tuple(
        WorkItem(image=image, mask=f"mask {place}", turns=0, bucket=bucket)
        for place, (image, bucket) in enumerate(zip(images, buckets, strict=True))
    )
    return Work(items=items, data_hash="d" * 64, without_masks=without_masks)


def photographs(count: int) -> list[str]:
    return [f"photographs/{number:02d}.jpg#0" for number in range(count)]


def known_scores(item: int, model: str, method: str, picture: str) -> Scores:
    """Scores with some spread, different for all."""
    seed = [item, *(sum(map(ord, text)) for text in (model, method, picture))]
    spread = np.random.default_rng(seed).normal()
    psnr = 24 + np.random.default_rng(item).normal(scale=4) + spread
    return {"psnr": psnr, "ssim": 0.85 + spread / 50, "mae": 0.02 + spread / 500, "passes": 3}


def make_outcome(
    candidates: Sequence[Candidate],
    work: Work,
    scores: Callable[[int, str, str, str], Scores] = known_scores,
    *,
    predictions: bool = True,
    published: Published = "places2",
    timings: Sequence[Timing] = (),
    warnings: tuple[str, ...] = (),
) -> EvaluationOutcome:
    """Make an outcome; what `scores` does not name is null, and an error nulls them all."""
    rows = []
    for candidate in candidates:
        pictures = [COMPOSITE, PREDICTION] if candidate.generator and predictions else [COMPOSITE]
        for method in candidate.methods:
            for picture in pictures:
                for place, item in enumerate(work.items):
                    row = dict.fromkeys(SCHEMA.names) | {
                        "item": place,
                        "image": item.image,
                        "mask": item.mask,
                        "turns": item.turns,
                        "hole_ratio": 0.15 + item.bucket / 10,
                        "bucket": item.bucket,
                        "model": candidate.name,
                        "method": method,
                        "picture": picture,
                    }
                    rows.append(row | scores(place, candidate.name, method, picture))
    nothing = np.empty((0, 16, 16, 3), dtype=np.uint8)
    return EvaluationOutcome(
        candidates=candidates,
        scores=pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas(),
        work=work,
        published=published,
        timings=timings,
        examples=Examples(
            items=(),
            ground_truth=nothing,
            valid=np.empty((0, 16, 16), dtype=bool),
            composites={},
        ),
        facts={"data": "squares of noise", "device": "one thread"},
        warnings=warnings,
    )


def make_timing(model: str, **given: Any) -> Timing:
    known: dict[str, Any] = {
        "method": PRA,
        "batch_size": 1,
        "device": "AMD EPYC 7B13, 2 threads",
        "precision": "fp32",
        "size": 256,
        "warm_up": 90.0,
        "milliseconds": (40.0, 50.0, 60.0),
    }
    return Timing(model=model, **(known | given))
