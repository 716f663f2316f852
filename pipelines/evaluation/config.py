"""What an evaluation measures, on what, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from isnet.config import InputError, ReconstructionConfig
from isnet.vgg_weights import PackageNetwork
from pipelines.evaluation.outcome import Published
from pipelines.storage import absolute, require_absolute, without_secrets
from pipelines.tracking.runs import TrackingConfig
from pipelines.tracking.server import resolve_uri


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is measured on what."""

    models: tuple[str, ...]
    """Models, each as NAME=LOCATION or LOCATION: a shipped one's name; a checkpoint directory or an
    authors' .pth file, as a path or URI; models:/NAME/VERSION or models:/NAME@ALIAS;
    untrained:LOCATION for such a model as it was before training; mean-fill, telea, navier-stokes
    or biharmonic. Differences are to the first."""
    data: str
    """Prepared data set, a folder or a URI; without --split test its validation split is used."""
    split: Literal["validation", "test"] = "validation"
    """Which held-out images; both are measured under the held-out masks."""
    output: str = "evaluation"
    """Folder or URI for the scores and the report; finished scores of an earlier run are kept, its
    report is replaced."""
    images: int = 256
    """Images, spread evenly over the hole-ratio buckets 10-20 to 40-50 %, and 50-60 % where there
    are such masks."""
    seed: int = 0
    """Seed of which mask lies on which image."""
    plan: str | None = None
    """plan.json of an earlier evaluation, to measure on the same work; --split, --images and --seed
    then count for nothing."""
    untrained: bool = False
    """Also measure the first model as it was before training (needs a checkpoint of ours)."""
    min_gain: float | None = None
    """Fail, exit code 1, unless PRA of the first model beats an untrained network among the models
    by this many dB of PSNR."""
    published: Published = "places2"
    """Which figures of the paper stand beside: Table 5 (places2) or Table 6 (celeba)."""
    lpips: tuple[PackageNetwork, ...] = ("alexnet",)
    """Networks of LPIPS; VGG16 takes many times as long as AlexNet."""
    latency_images: int = 16
    """Images that prediction is timed on, alone on its device; 0 leaves Table 3 out."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where networks run; auto: on GPUs where the cluster has any."""
    actors: int | Literal["auto"] = "auto"
    """Processes that measure side by side; auto: one a GPU, or one for every CPU."""
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """The progressive reconstruction."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """MLflow: where the report is logged as well."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        if not self.models:
            raise InputError("--models names nothing; give a checkpoint, or isnet-small")
        if self.images < 1:
            raise InputError(f"images is {self.images}; it must be at least 1")
        if self.latency_images < 0:
            raise InputError(f"latency-images is {self.latency_images}; it must be at least 0")
        if self.actors != "auto" and self.actors < 1:
            raise InputError(f"actors is {self.actors}; it must be at least 1, or auto")


def resolve(config: EvaluateConfig) -> EvaluateConfig:
    """Make paths absolute, so that the record of the evaluation says where everything was."""
    require_absolute("--output", config.output)
    require_absolute("--tracking.uri", config.tracking.uri)
    return replace(
        config,
        data=absolute(config.data),
        output=absolute(config.output),
        plan=None if config.plan is None else absolute(config.plan),
        lpips=tuple(dict.fromkeys(config.lpips)),
        tracking=replace(config.tracking, uri=resolve_uri(config.tracking.uri)),
    )


def on_plan(config: EvaluateConfig, split: str, images: int) -> EvaluateConfig:
    """Put a given plan's values in the place of the options that would have made one."""
    if config.plan is None:
        return config
    return replace(config, split=split, images=images)  # type: ignore[arg-type]


def shown(config: EvaluateConfig) -> dict[str, Any]:
    """Turn a configuration into JSON-able values, without the passwords that URIs may carry."""
    params: dict[str, Any] = without_secrets(asdict(config))
    return params
