"""Checkpoints: directories of our own, and the authors' published files.

A directory holds

    config.json             format, version, the generator's configuration, and what its maker added
    generator.safetensors   the generator's weights (the averaged ones, where training averages)
    training.pt             everything needed to continue training; absent in exported models
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config
from isnet.published import infer_config, our_names, read_published

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "generator.safetensors"
TRAINING_FILE = "training.pt"

_FORMAT = "isnet-checkpoint"
_VERSION = 1


def save_generator(
    directory: str | Path,
    generator: nn.Module,
    config: GeneratorConfig,
    *,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write `config.json` and `generator.safetensors` into an existing directory.

    Args:
        directory: where to write; see `new_directory` for an atomic one.
        generator: a generator built from `config`.
        config: what to build it from again.
        about: JSON-able facts to keep beside it (run, data hash, metrics).

    """
    directory = Path(directory)
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "generator": asdict(config),
        "about": dict(about or {}),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(generator).items()}
    save_file(state, directory / WEIGHTS_FILE)
    (directory / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n")


def load_generator(path_or_name: str | Path) -> nn.Module:
    """Load a generator, in eval mode on the CPU.

    Args:
        path_or_name: a checkpoint directory of ours, or a file that the paper's authors published.

    Raises:
        InputError: nothing there, not a checkpoint, or tensors that do not fit its design
            (missing and unexpected names are listed).

    """
    return read_generator(path_or_name)[0]


def read_generator(path_or_name: str | Path) -> tuple[nn.Module, GeneratorConfig]:
    """Load a generator as `load_generator` does, with the configuration it was built from."""
    path = Path(path_or_name)
    if path.is_dir():
        config = read_config(path)
        state: Mapping[str, Tensor] = _read_weights(path / WEIGHTS_FILE)
    elif path.is_file():
        state = our_names(read_published(str(path)))
        config = infer_config(state)
    else:
        raise InputError(
            f"no checkpoint at {path}: give a checkpoint directory or an authors' .pth file"
        )
    generator = generator_from_config(config)
    _load_state(generator, state, source=path)
    return generator.eval(), config


def read_config(directory: str | Path) -> GeneratorConfig:
    """Read the generator's configuration from a checkpoint directory."""
    return GeneratorConfig(**_read_config_file(Path(directory))["generator"])


def read_about(directory: str | Path) -> dict[str, Any]:
    """Read the facts that `save_generator` was asked to keep."""
    about: dict[str, Any] = _read_config_file(Path(directory))["about"]
    return about


def save_training_state(directory: str | Path, state: Mapping[str, Any]) -> None:
    """Write `training.pt`: a nest of dicts, lists, numbers, strings and tensors."""
    torch.save(dict(state), Path(directory) / TRAINING_FILE)


def load_training_state(directory: str | Path) -> dict[str, Any]:
    """Read `training.pt` on the CPU; no code in it is run.

    Raises:
        InputError: there is none, or it was cut short.

    """
    path = Path(directory) / TRAINING_FILE
    if not path.is_file():
        raise InputError(f"{directory} has no {TRAINING_FILE}: training cannot continue from it")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        raise InputError(f"{path} cannot be read ({_first_line(error)}); remove it") from error
    return state


@contextmanager
def new_directory(target: str | Path) -> Iterator[Path]:
    """Write a directory under a temporary name; it takes `target`'s place once complete."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(source: Path, target: Path) -> None:
    """Rename a directory over another; a crash in between leaves the old one as `.old`."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(source, target)
    shutil.rmtree(old, ignore_errors=True)


def _read_config_file(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if not path.is_file():
        inner = next(directory.glob(f"*/{CONFIG_FILE}"), None)
        hint = f"; did you mean {inner.parent}?" if inner else ""
        raise InputError(f"{directory} is no checkpoint: it has no {CONFIG_FILE}{hint}")
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON ({error}); is the copy complete?") from error
    if content.get("format") != _FORMAT or content.get("version") != _VERSION:
        found = f"{content.get('format')} version {content.get('version')}"
        raise InputError(f"{path} is of {found}; this release reads {_FORMAT} version {_VERSION}")
    return content


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path} is missing; is the copy of the checkpoint complete?")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read ({_first_line(error)})") from error


def _load_state(generator: nn.Module, state: Mapping[str, Tensor], *, source: Path) -> None:
    """Copy a state in, every tensor accounted for."""
    expected = _state(generator)
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    misshapen = sorted(
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    )
    problems = [
        f"{len(names)} {kind} ({_shortened(names)})"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
        )
        if names
    ]
    if problems:
        raise InputError(f"{source} does not fit its design: tensors " + "; ".join(problems))
    generator.load_state_dict(dict(state))


def _state(generator: nn.Module) -> dict[str, Tensor]:
    state: dict[str, Tensor] = generator.state_dict()
    return state


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
