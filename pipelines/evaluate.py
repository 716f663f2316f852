"""Measure a checkpoint on held-out images under seeded masks: a table and a picture.

    python pipelines/evaluate.py --checkpoint runs/demo/model --data data/demo

The checkpoint is a directory of ours, an authors' .pth file, or a registered model
(models:/isnet/1). One-shot and progressive reconstruction stand beside filling the hole with the
mean of the known pixels, which any model has to beat; --untrained adds the network as it was
before training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isnet.checkpoint import read_about, read_generator
from isnet.config import GeneratorConfig, InputError, ReconstructionConfig
from isnet.initialisation import new_generator
from isnet.masks import bucket_name
from pipelines.cli import parse, run_main
from pipelines.evaluation.tables import Scores, bucket_table, buckets_of, draw_passes, in_bucket
from pipelines.evaluation.work import (
    Fill,
    Sample,
    Score,
    load_samples,
    mean_fill,
    one_shot,
    plan_work,
    progressive,
    score,
    summarise,
)
from pipelines.shards import read_manifest
from pipelines.storage import require_absolute
from pipelines.tracking.registry import fetch_registered, is_registered
from pipelines.tracking.runs import TrackingConfig, finish_run, log_artifacts, open_run
from pipelines.tracking.server import resolve_uri
from pipelines.tracking.tracker import Tracker

TABLE = "evaluation.md"
PICTURE = "evaluation.png"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is measured on what."""

    checkpoint: str
    """Checkpoint directory, an authors' .pth file, or models:/NAME/VERSION."""
    data: str
    """Prepared data set; its validation split is used."""
    output: str = "evaluation"
    """Local folder for the table and the picture."""
    images: int = 256
    """Images, spread evenly over the hole-ratio buckets 10-20, 20-30, 30-40 and 40-50 %."""
    seed: int = 0
    """Seed of which mask lies on which image."""
    untrained: bool = False
    """Also measure the network as it was before training (needs a checkpoint of ours)."""
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """The progressive reconstruction."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """MLflow: where the table and the picture are logged as well."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        if self.images < 1:
            raise InputError(f"images is {self.images}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded checkpoint."""

    location: str
    generator: nn.Module
    config: GeneratorConfig
    about: dict[str, Any]
    """Facts that training kept beside the weights; empty for an authors' file."""


def main(argv: Sequence[str]) -> None:
    """Parse the command line, measure, write and log the outcome."""
    config = parse(EvaluateConfig, argv, description=__doc__)
    require_absolute("--output", config.output)
    require_absolute("--tracking.uri", config.tracking.uri)
    manifest = read_manifest(config.data)
    work = plan_work(config.data, manifest, images=config.images, seed=config.seed)
    samples = load_samples(config.data, manifest, work)
    model = _load(config)
    scores = _measure(samples, _methods(config, model))
    report = _report(config, model, scores, (manifest.hash, work.hash))
    print(report)
    _write(config, model, samples, report)
    _track(config, model, scores)
    print(f"table:    {Path(config.output).absolute() / TABLE}")
    print(f"picture:  {Path(config.output).absolute() / PICTURE}")


def _load(config: EvaluateConfig) -> Model:
    location = config.checkpoint
    if is_registered(location):
        path = fetch_registered(config.tracking.uri, location)
    else:
        path = Path(location)
    generator, generator_config = read_generator(path)
    about = read_about(path) if path.is_dir() else {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Model(
        location=location, generator=generator.to(device), config=generator_config, about=about
    )


def _methods(config: EvaluateConfig, model: Model) -> dict[str, Fill]:
    methods: dict[str, Fill] = {"mean fill": mean_fill}
    if config.untrained:
        methods["untrained, one-shot"] = one_shot(_untrained(model))
    methods["one-shot"] = one_shot(model.generator)
    methods["PRA"] = progressive(model.generator, config.reconstruction)
    return methods


def _untrained(model: Model) -> nn.Module:
    run = model.about.get("config")
    if run is None:
        raise InputError(
            f"{model.location} does not say how it was initialised; leave --untrained away"
        )
    generator = new_generator(
        model.config,
        seed=run["seed"],
        initialisation=run["optimizer"]["initialisation"],
        init_std=run["optimizer"]["init_std"],
    )
    return generator.eval().to(next(model.generator.parameters()).device)


def _measure(samples: Sequence[Sample], methods: dict[str, Fill]) -> Scores:
    scores: dict[str, list[Score]] = {}
    for name, fill in methods.items():
        print(f"measuring {name} on {len(samples)} images", flush=True)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        scores[name] = list(score(samples, fill, device=device))
    return scores


def _report(config: EvaluateConfig, model: Model, scores: Scores, hashes: tuple[str, str]) -> str:
    data_hash, work_hash = hashes
    return (
        f"# {model.location}\n\n{bucket_table(scores)}\n"
        "Columns are hole ratios, with the number of images. Measured on the composite, rounded "
        "to 8 bits, per image, then averaged. "
        f"Data {data_hash[:12]}, work {work_hash} (seed {config.seed}); trained on features of: "
        f"{model.about.get('extractor', 'unknown')}.\n"
    )


def _write(config: EvaluateConfig, model: Model, samples: Sequence[Sample], report: str) -> None:
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).write_text(report)
    draw_passes(samples, model.generator, config.reconstruction).save(folder / PICTURE)


def _track(config: EvaluateConfig, model: Model, scores: Scores) -> None:
    """Log to the run that trained the model where MLflow has it, else to a run of its own."""
    uri = resolve_uri(config.tracking.uri)
    trained = model.about.get("mlflow", {})
    try:
        run_id = open_run(
            config.tracking,
            name=f"evaluate {model.location}",
            params={},
            tags={"evaluated": model.location},
            run_id=trained["run_id"] if trained.get("uri") == uri else None,
        )
    except InputError as error:
        print(f"warning: not logged to MLflow: {error}")
        return
    for file in (TABLE, PICTURE):
        log_artifacts(uri, run_id, Path(config.output) / file, "evaluation")
    with Tracker(uri, run_id, unsent_folder=Path(config.output)) as tracker:
        tracker.metrics(0, _metrics(scores))
    finish_run(uri, run_id, "FINISHED")


def _metrics(scores: Scores) -> dict[str, float]:
    """Name the means for MLflow: evaluation/METHOD/BUCKET/psnr."""
    values: dict[str, float] = {}
    for method, entries in scores.items():
        groups = {bucket_name(bucket): in_bucket(entries, bucket) for bucket in buckets_of(entries)}
        for group, members in {**groups, "all": entries}.items():
            summary = summarise(members)
            for name in ("psnr", "ssim", "mae"):
                values[f"evaluation/{method}/{group}/{name}"] = getattr(summary, name)
    return values


if __name__ == "__main__":
    run_main(main)
