"""What a bulk job fills, how, with what, and where the results go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from isnet.config import InputError, ReconstructionConfig
from isnet.inference import Backend, Precision
from isnet.inpainter import TRAINING_SCALE
from isnet.masks import Polarity
from isnet.shipped import SMALL
from isnet.strategies import Strategy
from pipelines.codec import Format
from pipelines.models import settled
from pipelines.storage import absolute, require_absolute, without_secrets
from pipelines.tracking.runs import TrackingConfig
from pipelines.tracking.server import resolve_uri

ALPHA = "alpha"
CHROMA = "chroma:"
COLUMN = "column:"
"""What `masks` may start with, where the mask is not a file of its own."""


@dataclass(frozen=True, kw_only=True)
class InpaintConfig:
    """A bulk job."""

    input: str
    """The pictures: a folder, a pattern such as photos/*.jpg, a .tar or .zip archive, a WebDataset
    (folder or pattern of .tar), or Parquet (a file, or a folder of files); a path or a URI."""
    masks: str
    """The masks: any place that --input may be, paired by name; one picture's file, for all;
    alpha (transparent pixels are missing); chroma:00ff00 (pixels of that colour are missing);
    column:NAME of a Parquet input."""
    output: str
    """Folder or URI for the results: each picture under its own name, and results.parquet. The
    same command again goes on where it was interrupted."""
    checkpoint: str = SMALL
    """The model: a shipped one's name, a checkpoint directory, an authors' .pth file, a URI of
    either, or models:/isnet@champion."""
    mask_suffix: str = ""
    """What a mask's name has after its picture's, before the ending: _mask for cat_mask.png."""
    mask_polarity: Polarity = "white-hole"
    """Which colour of a mask file marks the hole."""
    chroma_tolerance: int = 32
    """How far a channel may be from the colour of chroma:, in 8-bit levels."""
    image_column: str = "image"
    """Column of a Parquet input: bytes, {bytes, path} or paths of the pictures."""
    name_column: str | None = None
    """Column of a Parquet input with the results' names; by default the paths, else row numbers."""

    strategy: Strategy = "original"
    """original: the network sees the whole picture; crop: windows round the holes; resize: the
    picture at the scale of training, its fill enlarged."""
    scale: int = TRAINING_SCALE
    """Shorter side in pixels at which the strategy `resize` solves a picture."""
    format: Format = "same"
    """Of the results; `same` is each picture's own where it can hold it."""
    quality: int = 95
    """Of lossy formats, 1 to 100."""
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """The progressive reconstruction."""

    precision: Precision = "auto"
    """fp32, bf16, int8 (with the backend openvino, for networks of the design isnet), or auto: bf16
    where the device computes in it."""
    backend: Backend = "torch"
    """What computes: torch; compile: PyTorch's compiler, worth it for many pictures of few sizes;
    openvino: the fastest on CPUs, and for them alone, with isnet[openvino]."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the network runs; auto: on GPUs where the cluster has any, but for openvino."""
    actors: str = "auto"
    """Processes with the network: a number, MIN,MAX to grow with the cluster, or auto: one a GPU,
    or one for every --cpus-per-actor CPUs."""
    cpus_per_actor: int = 1
    """CPUs (and PyTorch threads) of each."""
    gpus_per_actor: float = 1.0
    """GPUs of each, where GPUs are used; a fraction shares one."""
    max_batch: int = 8
    """Most regions in a pass; those share one of which it computes tiles of one size."""
    max_bytes: int = 256 * 2**20
    """Largest file of a picture or a mask, in bytes; larger ones fail, unread."""
    max_pixels: int = 50_000_000
    """Largest picture, width x height; larger ones fail."""
    max_region_pixels: int = 2**21
    """Most pixels that a pass may compute of a region, tiles and padding included; larger ones
    fail."""
    max_failures: int | None = None
    """Stop, exit code 1, once more pictures than this have failed; by default none stops it."""
    niceness: int = 0
    """How far the actors give way to other processes of their machine: 0 not at all, 19 most."""
    within: tuple[str, ...] = ()
    """Folders or URIs that every file read or written must lie in, links followed; none: no
    limits."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """MLflow: where the job is a run."""

    def __post_init__(self) -> None:
        """Reject what could not run."""
        limits = ("max_batch", "max_bytes", "max_pixels", "max_region_pixels")
        for name in ("scale", "cpus_per_actor", *limits):
            if getattr(self, name) < 1:
                option = name.replace("_", "-")
                raise InputError(f"{option} is {getattr(self, name)}; it must be at least 1")
        if not 1 <= self.quality <= 100:
            raise InputError(f"quality is {self.quality}; choose 1 to 100")
        if not 0 <= self.chroma_tolerance <= 255:
            raise InputError(f"chroma-tolerance is {self.chroma_tolerance}; choose 0 to 255")
        if not 0 <= self.niceness <= 19:
            raise InputError(f"niceness is {self.niceness}; choose 0 to 19")
        if self.gpus_per_actor <= 0:
            raise InputError(f"gpus-per-actor is {self.gpus_per_actor:g}; it must be above 0")
        if self.max_failures is not None and self.max_failures < 0:
            raise InputError(f"max-failures is {self.max_failures}; it must be at least 0")


def resolve(config: InpaintConfig) -> InpaintConfig:
    """Make paths absolute, so that they mean the same in every process."""
    require_absolute("--output", config.output)
    require_absolute("--tracking.uri", config.tracking.uri)
    in_picture = config.masks == ALPHA or config.masks.startswith((CHROMA, COLUMN))
    return replace(
        config,
        checkpoint=settled(config.checkpoint),
        input=absolute(config.input),
        masks=config.masks if in_picture else absolute(config.masks),
        output=absolute(config.output),
        within=tuple(map(absolute, config.within)),
        tracking=replace(config.tracking, uri=resolve_uri(config.tracking.uri)),
    )


def shown(config: InpaintConfig) -> Mapping[str, Any]:
    """Turn a configuration into JSON-able values, without the passwords that URIs may carry."""
    params: dict[str, Any] = without_secrets(asdict(config))
    return params
