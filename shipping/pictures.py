"""Draw what the card of shipped weights shows: how they learned, where they do well and badly.

    python -m shipping.pictures isnet-small --evaluation cases --data data/card

Writes NAME-curve.png, from what the weights say of their training; and NAME-cases.jpg, from an
evaluation that measured NAME and classical methods on photographs that may be shown: nobody picks
its rows, the scores do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import tyro
from PIL import Image
from pyarrow import parquet

from isnet.checkpoint import load_generator, read_about
from isnet.config import InputError, ReconstructionConfig
from isnet.images import to_tensor
from isnet.metrics import psnr
from isnet.shipped import shipped_directory
from pipelines.cli import parse, run_main
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.fills import Fill, one_shot, progressive
from pipelines.evaluation.pictures import composites, ground_truth_and_corrupted
from pipelines.evaluation.plan_file import PLAN, read_plan
from pipelines.evaluation.rows import COMPOSITE, FILL, ONE_SHOT, PRA
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.work import Work
from pipelines.models import fingerprint
from pipelines.reporting.drawing import CATEGORIES, new_figure, tidy, to_image
from pipelines.reporting.grid import comparison_grid
from pipelines.shards import read_manifest

_CPU = torch.device("cpu")

_EACH = 3
"""Rows of the best cases, as many of the worst, and as many from the middle."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """Whose pictures, from what, and where to."""

    name: Annotated[str, tyro.conf.Positional]
    """The shipped weights."""
    evaluation: str
    """Folder that pipelines/evaluate.py left, with the scores of NAME and of classical methods."""
    data: str
    """The prepared data set that was measured on."""
    output: str = "docs"
    """Folder for the pictures."""


def main(argv: Sequence[str]) -> None:
    """Parse the command line and draw."""
    config = parse(PicturesConfig, argv, description=__doc__)
    about = read_about(shipped_directory(config.name))
    output = Path(config.output)
    # Photographs: half the bytes as JPEG.
    pictures = {"curve.png": draw_curve(about["runs"]), "cases.jpg": draw_cases(config)}
    for part, picture in pictures.items():
        path = output / f"{config.name}-{part}"
        picture.convert("RGB").save(path, optimize=True, quality=90)
        print(path)


def draw_curve(runs: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Draw held-out PSNR over the steps of all runs, one after the other."""
    figure = new_figure(3.4)
    axes = figure.subplots()
    for colour, (steps, values) in zip(cycle(CATEGORIES), joined(runs), strict=False):
        axes.plot(steps, values, color=colour, marker="o", markersize=3)
    tidy(axes, x="steps; another colour is another run", y="held-out PSNR with PRA, dB")
    return to_image(figure)


def joined(runs: Sequence[Mapping[str, Any]]) -> list[tuple[list[int], list[float]]]:
    """Count each run's steps on from the last one's; runs without a validation are left out."""
    curves, before = [], 0
    for run in runs:
        if run["curve"]:
            steps = [before + step for step, _ in run["curve"]]
            curves.append((steps, [psnr for _, psnr in run["curve"]]))
        before += run["step"]
    return curves


def draw_cases(config: PicturesConfig) -> Image.Image:
    """Draw the items where the model gains least and most over the best classical method."""
    root = Path(config.evaluation)
    table = root / "scores.parquet"
    scores = pd.read_parquet(table)
    generator = load_generator(config.name)
    require_measured(table, config.name, fingerprint(generator))
    chosen = choose(find_gains(scores, config.name))
    samples = _samples(config, read_plan(str(root / PLAN)).only(chosen))
    rival = best_classical(scores)
    fills: dict[str, Fill] = {
        rival: CLASSICAL[rival],
        f"{config.name} {ONE_SHOT}": one_shot(generator),
        f"{config.name} {PRA}": progressive(generator, ReconstructionConfig()),
    }
    ground_truth, corrupted = ground_truth_and_corrupted(samples)
    with torch.no_grad():
        filled = [composites(samples, fill, device=_CPU) for fill in fills.values()]
    # Of what is shown, and not the evaluation's: a caption must be its picture's.
    found = np.stack([psnr(to_tensor(fill), to_tensor(ground_truth)) for fill in filled])
    return comparison_grid(
        [list(row) for row in zip(ground_truth, corrupted, *filled, strict=True)],
        ["ground truth", "corrupted", *fills],
        captions=[["", "", *(f"{value:.1f} dB" for value in row)] for row in found.T],
        notes=[
            f"{words}: {row[-1] - row[0]:+.1f} dB"
            for words, row in zip(chosen.values(), found.T, strict=True)
        ],
    )


def _samples(config: PicturesConfig, work: Work) -> list[Sample]:
    manifest = read_manifest(config.data)
    if manifest.hash != work.data_hash:
        raise InputError(f"{config.data} is not the data that {config.evaluation} measured on")
    return load_samples(config.data, manifest, work)


def require_measured(table: Path, name: str, weights: str) -> None:
    """Refuse scores of other weights of that name: what is shown is chosen by them."""
    about = json.loads(parquet.read_schema(table).metadata[b"isnet.evaluation"])
    found = {model["name"]: model["fingerprint"] for model in about["models"]}
    if found.get(name, weights) != weights:
        raise InputError(
            f"{table} has scores of other weights of {name} ({found[name]}) than those that are "
            f"shipped ({weights}); evaluate again"
        )


def find_gains(scores: pd.DataFrame, name: str) -> pd.Series:
    """Subtract the best classical method's PSNR from that of the model with PRA, by item.

    Raises:
        InputError: the evaluation measured no such model, or no classical method.

    """
    rival = best_classical(scores)
    ours = _psnr(scores, name, PRA)
    if ours.empty:
        raise InputError(f"the evaluation has no scores of {name}; name it among its --models")
    return (ours - _psnr(scores, rival, FILL)).replace([np.inf, -np.inf], np.nan).dropna()


def choose(gains: pd.Series) -> dict[int, str]:
    """Choose items by their gains, each once: the lowest, the middle ones and the highest."""
    order = [int(item) for item in gains.sort_values().index]
    middle = (len(order) - _EACH) // 2
    parts = {
        "the worst": order[:_EACH],
        "the middle": order[middle : middle + _EACH],
        "the best": order[-_EACH:],
    }
    chosen: dict[int, str] = {}
    for words, items in parts.items():
        for item in items:
            chosen.setdefault(item, words)
    return chosen


def best_classical(scores: pd.DataFrame) -> str:
    """Name the classical method of the highest mean PSNR; `InputError` where there is none."""
    measured = scores[(scores["method"] == FILL) & scores["model"].isin(list(CLASSICAL))]
    means = measured[np.isfinite(measured["psnr"])].groupby("model")["psnr"].mean()
    if means.empty:
        raise InputError("the evaluation measured no classical method; add telea to its --models")
    return str(means.idxmax())


def _psnr(scores: pd.DataFrame, model: str, method: str) -> pd.Series:
    chosen = (
        (scores["model"] == model) & (scores["method"] == method) & (scores["picture"] == COMPOSITE)
    )
    return scores[chosen].set_index("item")["psnr"]


if __name__ == "__main__":
    run_main(main)
