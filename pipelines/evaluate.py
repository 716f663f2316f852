"""Measure a checkpoint on held-out images under seeded masks: a table and a picture.

    python pipelines/evaluate.py --checkpoint runs/demo/model --data data/demo --untrained
    python pipelines/evaluate.py --checkpoint runs/faces/model --data data/celeba --split test

The checkpoint is a directory of ours or an authors' .pth file, as a local path or a URI (s3://...),
or a registered model (models:/isnet/1). One-shot and progressive reconstruction stand beside
filling the hole with the mean of the known pixels, which any model has to beat; --untrained adds
the network as it was before training, and --min-gain makes a check of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from isnet.config import InputError, ReconstructionConfig
from isnet.masks import bucket_name
from pipelines.cli import parse, run_main
from pipelines.evaluation.fills import Fill, mean_fill, one_shot, progressive
from pipelines.evaluation.model import Model, load_model, untrained_generator
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.scores import Score, score, summarise
from pipelines.evaluation.tables import Scores, bucket_table, buckets_of, draw_passes, in_bucket
from pipelines.evaluation.work import Work, plan_work
from pipelines.shards import Manifest, read_manifest
from pipelines.storage import absolute, is_uri, printable, require_absolute
from pipelines.tracking.runs import (
    TrackingConfig,
    finish_run,
    git_commit,
    log_artifacts,
    open_run,
)
from pipelines.tracking.server import resolve_uri
from pipelines.tracking.tracker import Tracker

TABLE = "evaluation.md"
PICTURE = "evaluation.png"

MEAN_FILL, UNTRAINED, ONE_SHOT, PRA = "mean fill", "untrained, one-shot", "one-shot", "PRA"
"""The methods, as the table names them."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is measured on what."""

    checkpoint: str
    """Checkpoint directory or an authors' .pth file, a path or URI; or models:/NAME/VERSION."""
    data: str
    """Prepared data set, a folder or a URI; without --split test its validation split is used."""
    split: Literal["validation", "test"] = "validation"
    """Which held-out images; both are measured under the held-out masks."""
    output: str = "evaluation"
    """Local folder for the table and the picture."""
    images: int = 256
    """Images, spread evenly over the hole-ratio buckets 10-20, 20-30, 30-40 and 40-50 %."""
    seed: int = 0
    """Seed of which mask lies on which image."""
    untrained: bool = False
    """Also measure the network as it was before training (needs a checkpoint of ours)."""
    min_gain: float | None = None
    """Fail, exit code 1, unless PRA beats the untrained network by this many dB of PSNR."""
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """The progressive reconstruction."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """MLflow: where the table and the picture are logged as well."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        if self.images < 1:
            raise InputError(f"images is {self.images}; it must be at least 1")
        if self.min_gain is not None and not self.untrained:
            raise InputError("--min-gain compares with the untrained network; add --untrained")


def main(argv: Sequence[str]) -> int:
    """Parse the command line, measure, write and log the outcome; 1 where the gain is too small."""
    config = resolve(parse(EvaluateConfig, argv, description=__doc__))
    manifest = read_manifest(config.data)
    model = load_model(config.checkpoint, tracking_uri=config.tracking.uri)
    methods = _methods(config, model)
    work = plan_work(
        config.data, manifest, images=config.images, seed=config.seed, split=config.split
    )
    samples = load_samples(config.data, manifest, work)
    scores = _measure(samples, methods)
    report = _report(config, model, scores, manifest, work)
    print(report)
    _write(config, model, samples, report)
    _track(config, model, scores, {"data_hash": manifest.hash, "work_hash": work.hash})
    print(f"table:    {Path(config.output) / TABLE}")
    print(f"picture:  {Path(config.output) / PICTURE}")
    return _verdict(config, scores)


def resolve(config: EvaluateConfig) -> EvaluateConfig:
    """Make paths absolute, so that the record of the evaluation says where everything was."""
    require_absolute("--output", config.output)
    require_absolute("--tracking.uri", config.tracking.uri)
    if is_uri(config.output):
        raise InputError(f"--output {printable(config.output)} is a URI; give a local folder")
    return replace(
        config,
        data=absolute(config.data),
        output=absolute(config.output),
        tracking=replace(config.tracking, uri=resolve_uri(config.tracking.uri)),
    )


def _methods(config: EvaluateConfig, model: Model) -> dict[str, Fill]:
    methods: dict[str, Fill] = {MEAN_FILL: mean_fill}
    if config.untrained:
        methods[UNTRAINED] = one_shot(untrained_generator(model))
    methods[ONE_SHOT] = one_shot(model.generator)
    methods[PRA] = progressive(model.generator, config.reconstruction)
    return methods


def _measure(samples: Sequence[Sample], methods: dict[str, Fill]) -> Scores:
    scores: dict[str, list[Score]] = {}
    for name, fill in methods.items():
        print(f"measuring {name} on {len(samples)} images", flush=True)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        scores[name] = list(score(samples, fill, device=device))
    return scores


def _report(
    config: EvaluateConfig, model: Model, scores: Scores, manifest: Manifest, work: Work
) -> str:
    left_out = ", ".join(bucket_name(bucket) for bucket in work.without_masks)
    return (
        f"# {model.location}\n\n{bucket_table(scores)}\n"
        "Columns are hole ratios, with the number of images. Measured on the composite, rounded "
        "to 8 bits, per image, then averaged. "
        + (f"Left out, for want of held-out masks: {left_out}. " if left_out else "")
        + f"Data {manifest.hash[:12]}, {work.split} split, work {work.hash} (seed {config.seed}); "
        f"trained on features of: {model.about.get('extractor', 'unknown')}.\n"
    )


def _write(config: EvaluateConfig, model: Model, samples: Sequence[Sample], report: str) -> None:
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).write_text(report)
    draw_passes(samples, model.generator, config.reconstruction).save(folder / PICTURE)


def _track(config: EvaluateConfig, model: Model, scores: Scores, hashes: dict[str, str]) -> None:
    """Log to a run of its own, shown under the run that trained the model where MLflow has it."""
    uri = config.tracking.uri
    trained = model.about.get("mlflow", {})
    same_server = trained.get("uri") in (uri, printable(uri))
    try:
        run_id = open_run(
            config.tracking,
            name=f"evaluate {model.location}",
            params={**_params(config), **hashes},
            tags={"evaluated": model.location, "git_commit": git_commit(Path(__file__).parent)},
            parent_run_id=trained["run_id"] if same_server else None,
        )
    except InputError as error:
        print(f"warning: not logged to MLflow: {error}")
        return
    status = "FAILED"
    try:
        for file in (TABLE, PICTURE):
            log_artifacts(uri, run_id, Path(config.output) / file, "evaluation")
        with Tracker(uri, run_id, unsent_folder=Path(config.output)) as tracker:
            tracker.metrics(0, _metrics(scores))
        status = "FINISHED"
    finally:
        finish_run(uri, run_id, status)  # type: ignore[arg-type]


def _params(config: EvaluateConfig) -> dict[str, Any]:
    """List the resolved configuration without the passwords that its URIs may carry."""
    params = asdict(config)
    params |= {name: printable(params[name]) for name in ("checkpoint", "data")}
    params["tracking"]["uri"] = printable(config.tracking.uri)
    return params


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


def _verdict(config: EvaluateConfig, scores: Scores) -> int:
    """Say what training brought; return the exit code."""
    if not config.untrained:
        return 0
    psnr = {name: summarise(entries).psnr for name, entries in scores.items()}
    gain = psnr[PRA] - psnr[UNTRAINED]
    print(
        f"PSNR: mean fill {psnr[MEAN_FILL]:.2f} dB, untrained {psnr[UNTRAINED]:.2f} dB, "
        f"PRA {psnr[PRA]:.2f} dB: {gain:+.2f} dB over untrained, "
        f"{psnr[PRA] - psnr[MEAN_FILL]:+.2f} dB over mean fill",
        flush=True,
    )
    if config.min_gain is None or gain >= config.min_gain:
        return 0
    print(
        f"failed: PRA is {gain:+.2f} dB over the untrained network, "
        f"and --min-gain asks for {config.min_gain:g} dB",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    run_main(main)
