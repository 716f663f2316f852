"""What a bulk job is about to do: looked at before anything is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from isnet.inference import check_backend
from pipelines.bulk.collection import Collection, open_collection
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.output import require_apart, require_claimable, require_inside
from pipelines.bulk.results import find_parts
from pipelines.bulk.running import parse_actors
from pipelines.models import (
    Model,
    fingerprint,
    load_checkpoint,
    pinned,
    require_finite,
    require_quantisable,
)
from pipelines.storage import printable

VERSION = 2
"""Version of how results are made: another one's are not taken over."""

_DECISIVE = (
    "strategy", "scale", "format", "quality", "precision", "backend", "max_batch", "cpus_per_actor",
    "max_bytes", "max_pixels", "max_region_pixels", "mask_suffix", "mask_polarity",
    "image_column", "name_column",
)  # fmt: skip
"""Options that results follow from, beside places, model and reconstruction."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a job is about to do."""

    config: InpaintConfig
    collection: Collection
    model: Model
    version: str
    """Fingerprint of the model's weights."""

    def lines(self) -> list[str]:
        """Say what there is to do."""
        collection = self.collection
        lines = [
            f"model {self.model.location} ({self.version})"
            + (f"; {self.model.licence}" if self.model.licence else ""),
            f"{len(collection):,} pictures in {printable(self.config.input)}",
        ]
        if collection.without_mask:
            lines.append(f"{collection.without_mask:,} of them have no mask, and will fail")
        return lines

    def plan(self) -> list[str]:
        """Say what would be done; `InputError` where the output holds something else."""
        output = self.config.output
        lines = [*self.lines(), f"results would go to {printable(output)}"]
        if require_claimable(output, self.identity):
            done = sum(counts.done for counts in find_parts(output).values())
            lines.append(f"{done:,} of them are filled already, by an earlier start")
        return lines

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the results follow from, by the name a message should use."""
        config = self.config
        options = {f"--{name.replace('_', '-')}": getattr(config, name) for name in _DECISIVE}
        return {
            "version of the results": VERSION,
            "the model": self.version,
            **self.collection.identity(),
            **options,
            "--reconstruction": asdict(config.reconstruction),
        }


def survey(config: InpaintConfig) -> Survey:
    """Look at the pictures, the masks and the model; nothing is written.

    Args:
        config: resolved.

    Raises:
        InputError: one of them is missing or cannot be used.

    """
    parse_actors(config.actors)
    check_backend(config.precision, config.backend, "cuda" if config.device == "gpu" else "cpu")
    uri = config.tracking.uri
    location = pinned(config.checkpoint, tracking_uri=uri)  # the version, should the alias move
    model = load_checkpoint(location, tracking_uri=uri)
    require_quantisable(model, precision=config.precision, backend=config.backend)
    require_finite(model.generator, model.location, device="cpu")
    collection = open_collection(config)
    require_inside(config)
    require_apart(config, collection.source, collection.masks.source)
    return Survey(
        config=config,
        collection=collection,
        model=model,
        version=fingerprint(model.generator),
    )
