"""Generators to be used: shipped, from a checkpoint, an authors' file, or the model registry."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from isnet.checkpoint import GENERATOR_FILES, read_about, read_generator
from isnet.config import GeneratorConfig, InputError, ReconstructionConfig
from isnet.inference import Backend, InferenceGenerator, Precision
from isnet.progress import Progress, advance
from isnet.reconstruction import Generator
from isnet.shipped import SHIPPED, shipped_directory
from pipelines.storage import absolute, local_copy, printable, require_absolute
from pipelines.tracking.registry import fetch_registered, is_registered, resolve_registered


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

    @property
    def licence(self) -> str | None:
        """What the weights may be used for, where they or those they began from say so."""
        return self.about.get("licence")

    def say_licence(self) -> None:
        """Print it, where there is one."""
        if self.licence is not None:
            print(f"{self.location}: {self.licence}", flush=True)


def load_checkpoint(location: str, *, tracking_uri: str) -> Model:
    """Load a checkpoint.

    Args:
        location: a checkpoint directory of ours or an authors' .pth file, as a local path or a
            URI; a registered model; or the name of a shipped one.
        tracking_uri: where registered models are looked up, as `resolve_uri` made it.

    Raises:
        InputError: nothing there, or no checkpoint.

    """
    with _fetched(location, tracking_uri) as path:
        generator, config = _read(path, location)
        about = read_about(path) if path.is_dir() else {}
    return Model(location=printable(location), generator=generator, config=config, about=about)


def is_named(location: str) -> bool:
    """Tell the name of a registered or a shipped model from a place where one lies."""
    return is_registered(location) or location in SHIPPED


def settled(location: str) -> str:
    """Make a model's location mean the same in every process: a path absolute, a name as it is."""
    return location if is_named(location) else absolute(location)


def pinned(location: str, *, tracking_uri: str) -> str:
    """Settle a model's location for good: an alias becomes the version that it names now.

    Raises:
        InputError: no such registered model, or MLflow cannot be reached.

    """
    if is_registered(location):
        return resolve_registered(tracking_uri, location)
    return settled(location)


def require_settled(flag: str, location: str) -> None:
    """Refuse a path that a submitted job would look for in its copy of the working directory.

    Raises:
        InputError: a relative path inside such a job; a name is none.

    """
    if not is_named(location):
        require_absolute(flag, location)


def require_quantisable(model: Model, *, precision: Precision, backend: Backend) -> None:
    """Refuse int8 for a network that cannot have it, which only the network itself can tell.

    Raises:
        InputError: an activation of it has no bound.

    """
    if precision == "int8":
        InferenceGenerator(model.generator, precision=precision, backend=backend)


def require_finite(generator: Generator, location: str, *, device: torch.device | str) -> None:
    """Make a pass over a small grey picture; the first one is slower than all later ones.

    Raises:
        InputError: its pixels are not finite.

    """
    hole = np.zeros((64, 64), dtype=bool)
    hole[16:48, 16:48] = True
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    once = ReconstructionConfig(max_passes=1)
    progress = Progress(grey, hole, once, device=device)
    advance(generator, [progress])
    if not np.isfinite(progress.fill()).all():
        raise InputError(f"the model at {printable(location)} gives pixels that are not finite")


def fingerprint(network: nn.Module) -> str:
    """Hash a network's weights: 12 hexadecimal digits, alike wherever a copy lies."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()[:12]


@contextmanager
def _fetched(location: str, tracking_uri: str) -> Iterator[Path]:
    """Give a checkpoint of any kind under a local path."""
    if location in SHIPPED:
        yield shipped_directory(location)
    elif is_registered(location):
        with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
            yield fetch_registered(tracking_uri, location, Path(folder))
    else:
        with local_copy(location, GENERATOR_FILES) as path:
            yield path


def _read(path: Path, location: str) -> tuple[nn.Module, GeneratorConfig]:
    try:
        return read_generator(path)
    except OSError as error:  # no permission, mostly
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{printable(location)} cannot be read ({reason})") from error
