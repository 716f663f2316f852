"""Scoring a trial's final generator: the same held-out work for every trial of a campaign."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import ray
import torch
from PIL import Image
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from isnet.checkpoint import GENERATOR_FILES, read_generator
from isnet.config import InputError
from isnet.lpips import SMALLEST, Lpips, build_lpips
from pipelines.evaluation.fills import Fill, one_shot, progressive
from pipelines.evaluation.pictures import composites
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.scores import score, summarise
from pipelines.evaluation.work import Work, plan_work
from pipelines.shards import read_manifest
from pipelines.storage import local_copy
from pipelines.training.building import check_device, place_network
from pipelines.training.checks import WORK_SEED
from pipelines.training.config import TrainConfig

SAMPLES = 4
"""Images of the work that every trial's composites are kept of: one from each bucket."""

_METRICS = ("psnr", "ssim", "mae", "relative_mae", "lpips", "passes")


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How a generator did."""

    progressive: Mapping[str, float]
    one_shot: Mapping[str, float]
    parameters: int
    """Trained ones of the generator."""
    samples: np.ndarray
    """Composites of the sample images by progressive reconstruction, uint8 (K, H, W, 3)."""


def campaign_work(config: TrainConfig, images: int) -> Work:
    """Plan what every trial is scored on; it depends on the data alone."""
    return plan_work(config.data, read_manifest(config.data), images=images, seed=WORK_SEED)


def load_work(config: TrainConfig, images: int, *, first: int | None = None) -> list[Sample]:
    """Load the images and masks of the work, or the first ones only."""
    work = campaign_work(config, images)
    items = work.items[:first]
    part = Work(items=items, split=work.split)
    return load_samples(config.data, read_manifest(config.data), part, size=config.size)


def lpips_for(size: int) -> tuple[Lpips | None, str]:
    """Build LPIPS for pictures of `size`, or say why it cannot be measured; and which one it is.

    On AlexNet's features: its authors' choice for measuring, and much faster than VGG16.
    """
    if size < SMALLEST["alexnet"]:
        return None, f"not measured: pictures of {size}x{size} are too small for it"
    try:
        lpips = build_lpips("alexnet")
    except InputError as error:
        return None, f"not measured: {error}"
    return lpips, lpips.source


def score_on_cluster(config: TrainConfig, model: str, images: int) -> Scoring:
    """Score a generator in a Ray task that has what a training worker has.

    Args:
        config: of the trial, placed.
        model: folder of its generator, a path or a URI.
        images: held-out images, from `campaign_work`.

    """
    gpus = config.gpus_per_worker if config.device == "gpu" else 0
    # Ray Tune would put it into the trial's own place, which has no room for it.
    anywhere = PlacementGroupSchedulingStrategy(placement_group=None)  # type: ignore[arg-type]
    task = ray.remote(
        num_cpus=config.cpus_per_worker,
        num_gpus=gpus,
        max_retries=3,
        scheduling_strategy=anywhere,
    )(score_model)
    scoring: Scoring = ray.get(task.remote(config, model, images))
    return scoring


def score_model(config: TrainConfig, model: str, images: int) -> Scoring:
    """Score a generator here: both ways of filling, on the same images under the same masks."""
    device = torch.device("cuda" if config.device == "gpu" else "cpu")
    check_device(config, device)
    torch.set_num_threads(max(1, config.threads_per_worker))
    with local_copy(model, GENERATOR_FILES) as folder:
        generator = place_network(read_generator(folder)[0], config, device)
    samples = load_work(config, images)
    lpips, _ = lpips_for(len(samples[0].rgb))
    lpips = None if lpips is None else lpips.to(device)
    fills = {
        "one_shot": one_shot(generator),
        "progressive": progressive(generator, config.reconstruction),
    }
    scores = {name: _means(samples, fill, device, lpips) for name, fill in fills.items()}
    return Scoring(
        **scores,
        parameters=sum(tensor.numel() for tensor in generator.parameters()),
        samples=composites(samples[:SAMPLES], fills["progressive"], device=device),
    )


def side_by_side(pictures: np.ndarray) -> bytes:
    """Put pictures, uint8 (K, H, W, 3), into one PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(pictures), axis=1)).save(buffer, format="PNG")
    return buffer.getvalue()


def taken_apart(data: bytes) -> np.ndarray:
    """Read back what `side_by_side` wrote; the pictures are squares."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        strip = np.asarray(picture.convert("RGB"))
    return np.stack(np.split(strip, strip.shape[1] // strip.shape[0], axis=1))


def _means(
    samples: list[Sample], fill: Fill, device: torch.device, lpips: Lpips | None
) -> dict[str, float]:
    summary = asdict(summarise(list(score(samples, fill, device=device, lpips=lpips))))
    return {name: summary[name] for name in _METRICS if summary[name] is not None}
