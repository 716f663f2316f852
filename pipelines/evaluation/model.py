"""The model under evaluation, from wherever it lies, and what it was before training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from isnet.checkpoint import GENERATOR_FILES, read_about, read_generator
from isnet.config import GeneratorConfig, InputError
from isnet.initialisation import new_generator
from pipelines.storage import local_copy, printable
from pipelines.tracking.registry import fetch_registered, is_registered

UNTRAINED = "untrained:"
"""Before a location: the network as it was before training."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded checkpoint."""

    location: str
    """Where it came from, fit to be printed."""
    generator: nn.Module
    """In eval mode, on the CPU."""
    config: GeneratorConfig
    about: dict[str, Any]
    """Facts that training kept beside the weights; empty for an authors' file."""


def load_model(location: str, *, tracking_uri: str) -> Model:
    """Load a checkpoint.

    Args:
        location: a checkpoint directory of ours or an authors' .pth file, as a local path or a
            URI; or a registered model; after `untrained:`, the network that it started from.
        tracking_uri: where registered models are looked up, as `resolve_uri` made it.

    Raises:
        InputError: nothing there, or no checkpoint.

    """
    if location.startswith(UNTRAINED):
        trained = load_model(location.removeprefix(UNTRAINED), tracking_uri=tracking_uri)
        return replace(
            trained, location=printable(location), generator=untrained_generator(trained)
        )
    with _fetched(location, tracking_uri) as path:
        generator, config = _read(path, location)
        about = read_about(path) if path.is_dir() else {}
    return Model(location=printable(location), generator=generator, config=config, about=about)


def untrained_generator(model: Model) -> nn.Module:
    """Build the generator that the model's training started from.

    Raises:
        InputError: the checkpoint does not tell, or that generator is gone.

    """
    run = model.about.get("config")
    if run is None:
        raise InputError(
            f"{model.location} does not say how it was initialised; leave --untrained out"
        )
    if run.get("init_from") is not None:
        generator = _initial_generator(model, run["init_from"])
    else:
        generator = new_generator(
            model.config,
            seed=run["seed"],
            initialisation=run["optimizer"]["initialisation"],
            init_std=run["optimizer"]["init_std"],
        )
    return generator.eval()


def _initial_generator(model: Model, init_from: str) -> nn.Module:
    try:
        with _files(init_from) as path:
            return _read(path, init_from)[0]
    except InputError as error:
        raise InputError(
            f"{model.location} was trained from {printable(init_from)}, which cannot be used any "
            f"more ({error}); leave --untrained out"
        ) from error


@contextmanager
def _fetched(location: str, tracking_uri: str) -> Iterator[Path]:
    """Give a checkpoint of any kind under a local path."""
    if is_registered(location):
        with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
            yield fetch_registered(tracking_uri, location, Path(folder))
    else:
        with _files(location) as path:
            yield path


def _files(location: str) -> AbstractContextManager[Path]:
    return local_copy(location, GENERATOR_FILES)


def _read(path: Path, location: str) -> tuple[nn.Module, GeneratorConfig]:
    try:
        return read_generator(path)
    except OSError as error:  # no permission, mostly
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{printable(location)} cannot be read ({reason})") from error
