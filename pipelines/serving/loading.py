"""The model that a replica serves, from its location to a network that is ready to fill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch

from isnet.inference import Backend, InferenceGenerator, Precision
from pipelines.models import Model, fingerprint, load_checkpoint, pinned, require_finite
from pipelines.storage import printable
from pipelines.tracking.registry import is_registered
from pipelines.tracking.server import resolve_uri


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model that is ready."""

    version: str
    """Name and fingerprint, ASCII: each answer carries it in a header."""
    generator: InferenceGenerator
    place: str
    """Where it lies, an alias resolved; not for clients: a URI may carry a password."""
    description: dict[str, Any]
    """Version, location, licence, design, size, device, precision and backend, for `/v1/model`."""


def load_served(
    location: str, *, tracking_uri: str, precision: Precision, backend: Backend
) -> ServedModel:
    """Load a model on the best device for its backend, and make one pass to see that it works.

    Args:
        location: as for `load_checkpoint`; an alias stands for the version that it names now.
        tracking_uri: where registered models are looked up.
        precision: as for `InferenceGenerator`.
        backend: as for `InferenceGenerator`.

    Raises:
        InputError: no model there, one whose output is not finite, or no such backend here.

    """
    uri = resolve_uri(tracking_uri)
    place = pinned(location, tracking_uri=uri)
    model = load_checkpoint(place, tracking_uri=uri)
    device = "cuda" if torch.cuda.is_available() and backend != "openvino" else "cpu"
    generator = InferenceGenerator(
        model.generator, device=device, precision=precision, backend=backend
    )
    require_finite(generator, location, device=generator.device)
    version = f"{_plain(_name(place))}:{fingerprint(model.generator)}"
    return ServedModel(
        version=version,
        generator=generator,
        place=place,
        description=_description(model, generator, version, location),
    )


def _description(
    model: Model, generator: InferenceGenerator, version: str, location: str
) -> dict[str, Any]:
    return {
        "version": version,
        "location": printable(location),
        "design": model.config.design,
        "blocks": model.config.blocks,
        "channels": model.config.channels,
        "licence": model.licence,
        "parameters": sum(tensor.numel() for tensor in model.generator.parameters()),
        "device": str(generator.device),
        "precision": generator.precision,
        "backend": generator.backend,
    }


def _name(place: str) -> str:
    """Name a model after its registered version, or the end of its path."""
    if is_registered(place):
        return place.removeprefix("models:/")
    path = printable(place).partition("?")[0]
    return "/".join([part for part in path.split("/") if part][-2:])


def _plain(text: str) -> str:
    """Replace what a header cannot carry."""
    return re.sub(r"[^!-~]", "?", text)
