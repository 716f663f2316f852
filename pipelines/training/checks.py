"""What the driver looks at before anything starts, and would fail in the workers otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from isnet.config import SIZE_MULTIPLE, InputError
from isnet.discriminator import SMALLEST_SIDE
from isnet.losses import needs_extractor
from isnet.vgg import build_extractor
from pipelines.evaluation.work import plan_work
from pipelines.models import Model, fingerprint, load_checkpoint
from pipelines.shards import Manifest
from pipelines.storage import printable
from pipelines.tracking.runs import git_commit
from pipelines.training.config import TrainConfig
from pipelines.training.streams import RowGroup, read_row_groups, steps_per_epoch

WORK_SEED = 0
"""Of validations. Not the run's: runs with different seeds are validated on the same work."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What the driver found."""

    facts: dict[str, str]
    """Tags of the run: data hash, commit, VGG weights, design."""
    row_groups: list[RowGroup]
    """Row groups of the training images."""
    init_state: Mapping[str, Tensor] | None
    """State of the generator to start from; None for new weights."""


def inspect(config: TrainConfig, manifest: Manifest) -> Inspection:
    """Look at the data, the weights to start from, and the features of the loss.

    Raises:
        InputError: one of them is missing or does not fit.

    """
    if manifest.size % SIZE_MULTIPLE:
        raise InputError(
            f"{printable(config.data)} holds images of {manifest.size}x{manifest.size}; training "
            f"needs a size divisible by {SIZE_MULTIPLE}: prepare with another --size"
        )
    _require_no_larger("--size", config.size, config, manifest.size)
    _require_no_larger("--crop-size", config.crop_size, config, config.size or manifest.size)
    _require_judgeable(config, config.crop_size or config.size or manifest.size)
    row_groups = read_row_groups(config.data, manifest, "train")
    steps_per_epoch(row_groups, config.batch_size)
    plan_work(config.data, manifest, images=config.validation_images, seed=WORK_SEED)
    start = None if config.init_from is None else _start(config, config.init_from)
    return Inspection(
        facts={
            "data_hash": manifest.hash,
            "git_commit": git_commit(Path(__file__).parent),
            "extractor": _extractor_source(config),
            "design": config.generator.design,
            **({} if start is None else _facts(start)),
        },
        row_groups=row_groups,
        init_state=None if start is None else start.generator.state_dict(),
    )


def _require_no_larger(flag: str, side: int, config: TrainConfig, limit: int) -> None:
    if side > limit:
        raise InputError(
            f"{flag} {side} is larger than the pictures of {printable(config.data)}, "
            f"{limit}x{limit}; lower it"
        )


def _require_judgeable(config: TrainConfig, side: int) -> None:
    """Refuse pictures that the discriminator cannot judge, where the loss has a use for it."""
    weights = config.loss.weights()
    if side < SMALLEST_SIDE and (weights.adversarial or weights.feature_matching):
        raise InputError(
            f"training pictures of {side}x{side} are too small for the discriminator, which needs "
            f"{SMALLEST_SIDE}x{SMALLEST_SIDE}; raise --crop-size or --size, or train without it: "
            "--loss.adversarial 0 --loss.feature-matching 0"
        )


def _extractor_source(config: TrainConfig) -> str:
    if not needs_extractor(config.loss.weights()):
        return "none"
    return build_extractor(config.loss.extractor, config.loss.extractor_weights).source


def _start(config: TrainConfig, init_from: str) -> Model:
    model = load_checkpoint(init_from, tracking_uri=config.tracking.uri)
    if model.config != config.generator:
        raise InputError(
            f"--init-from {model.location} is {asdict(model.config)}, but the run trains "
            f"{asdict(config.generator)}; make --generator.design, .blocks and .channels agree"
        )
    return model


def _facts(start: Model) -> dict[str, str]:
    """Tell which weights training starts from, and the licence that goes with them."""
    facts = {"started_from": fingerprint(start.generator)}
    return facts if start.licence is None else facts | {"licence": start.licence}
