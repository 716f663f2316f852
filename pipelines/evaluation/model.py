"""The model under evaluation, from wherever it lies, and what it was before training."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from isnet.config import InputError
from isnet.initialisation import new_generator
from pipelines.models import Model, fingerprint, load_checkpoint
from pipelines.storage import printable

UNTRAINED = "untrained:"
"""Before a location: the network as it was before training."""


def load_model(location: str, *, tracking_uri: str) -> Model:
    """Load a checkpoint as `load_checkpoint` does; after `untrained:`, what it started from."""
    if not location.startswith(UNTRAINED):
        return load_checkpoint(location, tracking_uri=tracking_uri)
    trained = load_checkpoint(location.removeprefix(UNTRAINED), tracking_uri=tracking_uri)
    return replace(
        trained,
        location=printable(location),
        generator=untrained_generator(trained, tracking_uri=tracking_uri),
    )


def untrained_generator(model: Model, *, tracking_uri: str) -> nn.Module:
    """Build the generator that the model's training started from.

    Raises:
        InputError: the checkpoint does not tell, or that generator is gone.

    """
    first, *_ = model.about.get("runs", [model.about])  # of shipped weights, several
    run = first.get("config")
    if run is None:
        raise InputError(
            f"{model.location} does not say how it was initialised; leave --untrained out"
        )
    if run.get("init_from") is not None:
        generator = _initial_generator(model, run["init_from"], tracking_uri)
    else:
        generator = new_generator(
            model.config,
            seed=run["seed"],
            initialisation=run["optimizer"]["initialisation"],
            init_std=run["optimizer"]["init_std"],
        )
    return generator.eval()


def _initial_generator(model: Model, init_from: str, tracking_uri: str) -> nn.Module:
    try:
        generator = load_checkpoint(init_from, tracking_uri=tracking_uri).generator
        _require_same(generator, model.about.get("started_from"))
    except InputError as error:
        raise InputError(
            f"{model.location} was trained from {printable(init_from)}, which cannot be used any "
            f"more ({error}); leave --untrained out"
        ) from error
    return generator


def _require_same(generator: nn.Module, expected: str | None) -> None:
    """Refuse other weights than training said that it began from, where it said so."""
    found = fingerprint(generator)
    if expected not in (None, found):
        raise InputError(f"it holds other weights by now: {found}, not {expected}")
