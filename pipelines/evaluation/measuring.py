"""Measuring one method on a few samples: the rows of the per-image table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from isnet.config import InputError
from isnet.lpips import Lpips
from isnet.masks import hole_ratio
from pipelines.evaluation.filling import NOT_FINITE, fill_samples
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.rows import COMPOSITE, PICTURES, PREDICTION, Method, Picture
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.scores import measure

Row = dict[str, Any]
"""A row of `pipelines.evaluation.rows.SCHEMA`, but for the model and the place in the plan."""


def measure_samples(
    samples: Sequence[Sample],
    method: Method,
    fill: Fill,
    *,
    device: torch.device,
    lpips: Mapping[str, Lpips],
) -> list[list[Row]]:
    """Measure a method: the composite and, of networks, the raw prediction.

    Only what is known reaches the method. Where it fails on the samples together, each has its own
    try; a sample on which it fails, and a picture that is not finite, has the error in place of
    scores.

    Args:
        samples: one or more, of one size.
        method: how the fill is called in the rows.
        fill: the method.
        device: where it computes.
        lpips: networks of LPIPS on that device, by the name of their column.

    Returns:
        The rows of each sample.

    Raises:
        InputError: nothing to do with a sample, such as a library that is not installed.

    """
    found = _measure_together(samples, method, fill, device, lpips)
    if not isinstance(found, str):
        return found
    if len(samples) == 1:
        lost = {"error": found}
        return [[{**_about(samples[0], method, name), **lost} for name in PICTURES[method]]]
    apart = [measure_samples([each], method, fill, device=device, lpips=lpips) for each in samples]
    return [rows for (rows,) in apart]


def _measure_together(
    samples: Sequence[Sample],
    method: Method,
    fill: Fill,
    device: torch.device,
    lpips: Mapping[str, Lpips],
) -> list[list[Row]] | str:
    """Measure samples as one batch, or say why that failed; a batch that did has left no memory."""
    try:
        ground_truth, filled = fill_samples(samples, fill, device)
        pictures = {COMPOSITE: filled.image, PREDICTION: filled.prediction}
        made = {name: _scores(pictures[name], ground_truth, lpips) for name in PICTURES[method]}
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a model fails with is told in its rows)
        return reason_of(error)
    passes = filled.passes.tolist()
    return [
        [
            {**_about(sample, method, name), "passes": passes[index], **scores[index]}
            for name, scores in made.items()
        ]
        for index, sample in enumerate(samples)
    ]


def _scores(images: Tensor, ground_truth: Tensor, lpips: Mapping[str, Lpips]) -> list[Row]:
    """Measure pictures, each on its own: scores, or what is wrong with it."""
    whole = images.flatten(1).isfinite().all(dim=1).tolist()
    values = measure(images.nan_to_num(), ground_truth, lpips)
    return [
        {name: column[index] for name, column in values.items()}
        if whole[index]
        else {"error": NOT_FINITE}
        for index in range(len(images))
    ]


def reason_of(error: Exception) -> str:
    """Say in one line what a model failed with."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _about(sample: Sample, method: Method, picture: Picture) -> Row:
    item = sample.item
    return {
        "image": item.image,
        "mask": item.mask,
        "turns": item.turns,
        "hole_ratio": hole_ratio(sample.valid[None]).item(),
        "bucket": item.bucket,
        "method": method,
        "picture": picture,
    }
