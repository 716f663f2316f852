"""Checkpoints: directories of our own, and the authors' published files.

A directory holds

    config.json             format, version, the generator's configuration, and what its maker added
    generator.safetensors   the generator's weights (the averaged ones, where training averages)
    training.pt             everything needed to continue training; absent in exported models
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config
from isnet.published import first_line, infer_config, our_names, read_published
from isnet.shipped import SHIPPED, shipped_directory

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "generator.safetensors"
TRAINING_FILE = "training.pt"

GENERATOR_FILES = (WEIGHTS_FILE, CONFIG_FILE)
"""What a generator consists of; written in this order, so that the last one says it is there."""

_FORMAT = "isnet-checkpoint"
_VERSION = 1


def save_generator(
    directory: str | Path,
    generator: nn.Module,
    config: GeneratorConfig,
    *,
    about: Mapping[str, Any] | None = None,
    parameters_as: torch.dtype | None = None,
) -> None:
    """Write `config.json` and `generator.safetensors` into an existing directory.

    Args:
        directory: where to write.
        generator: a generator built from `config`.
        config: what to build it from again.
        about: JSON-able facts to keep beside it (run, data hash, metrics).
        parameters_as: type of the parameters in the file, instead of their own: bfloat16 takes half
            the bytes of float32. The vectors of the spectral norms stay as they are.

    """
    directory = Path(directory)
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "generator": asdict(config),
        "about": dict(about or {}),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(generator).items()}
    if parameters_as is not None:
        for name, _ in generator.named_parameters():
            state[name] = state[name].to(parameters_as)
    save_file(state, directory / WEIGHTS_FILE)
    (directory / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n")


def load_generator(path_or_name: str | Path) -> nn.Module:
    """Load a generator, in eval mode on the CPU.

    Args:
        path_or_name: a checkpoint directory of ours, or a file that the paper's authors published;
            or, as text, the name of weights that come with the package (`isnet.shipped.SHIPPED`).
            A folder that is called like those is a `Path`, or `./isnet-small`.

    Raises:
        InputError: nothing there, not a checkpoint, tensors that do not fit its design (missing
            and unexpected names are listed), or shipped weights that are damaged.

    """
    return read_generator(path_or_name)[0]


def read_generator(path_or_name: str | Path) -> tuple[nn.Module, GeneratorConfig]:
    """Load a generator as `load_generator` does, with the configuration it was built from."""
    if isinstance(path_or_name, str) and path_or_name in SHIPPED:
        path = shipped_directory(path_or_name)
    else:
        path = Path(path_or_name)
    if path.is_dir():
        config = read_config(path)
        state: Mapping[str, Tensor] = _read_weights(path / WEIGHTS_FILE)
    elif path.is_file():
        state = our_names(read_published(str(path)))
        config = infer_config(state)
    else:
        raise InputError(
            f"no checkpoint at {path}: give a checkpoint directory, an authors' .pth file, or "
            f"{', '.join(SHIPPED)}"
        )
    generator = generator_from_config(config)
    _load_state(generator, state, source=path)
    return generator.eval(), config


def read_config(directory: str | Path) -> GeneratorConfig:
    """Read the generator's configuration from a checkpoint directory.

    Raises:
        InputError: no checkpoint there, or one whose configuration is damaged; names the field.

    """
    given = _read_section(Path(directory), "generator")
    path = Path(directory) / CONFIG_FILE
    _require_fields(given, path)
    try:
        return GeneratorConfig(**given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _require_fields(given: Mapping[str, Any], path: Path) -> None:
    """Refuse missing and unknown fields of a generator's configuration, and wrong types."""
    default = asdict(GeneratorConfig())
    for kind, names in (
        ("lacks", default.keys() - given.keys()),
        ("has the unknown", given.keys() - default.keys()),
    ):
        if names:
            raise InputError(f"{path}: its 'generator' {kind} {_shortened(sorted(names))}")
    for name, value in given.items():
        if type(value) is not type(default[name]):
            wanted = type(default[name]).__name__
            raise InputError(f"{path}: its generator's {name} is {value!r}; it must be {wanted}")


def read_about(directory: str | Path) -> dict[str, Any]:
    """Read the facts that `save_generator` was asked to keep."""
    return _read_section(Path(directory), "about")


def save_training_state(directory: str | Path, state: Mapping[str, Any]) -> None:
    """Write `training.pt`: a nest of dicts, lists, numbers, strings and tensors."""
    torch.save(dict(state), Path(directory) / TRAINING_FILE)


def snapshot(value: Any) -> Any:
    """Copy a nest of dicts, lists, tuples, numbers, strings and tensors to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: snapshot(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(snapshot(inner) for inner in value)
    return value


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
        raise InputError(f"{path} cannot be read ({first_line(error)}); remove it") from error
    return state


def _read_section(directory: Path, name: str) -> dict[str, Any]:
    """Read one of the mappings in `config.json`."""
    section = _read_config_file(directory).get(name)
    if not isinstance(section, dict):
        raise InputError(f"{directory / CONFIG_FILE} has no mapping {name!r}; is the copy intact?")
    return section


def _read_config_file(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if not path.is_file():
        inner = next(directory.glob(f"*/{CONFIG_FILE}"), None)
        hint = f"; did you mean {inner.parent}?" if inner else ""
        raise InputError(f"{directory} is no checkpoint: it has no {CONFIG_FILE}{hint}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of the JSON, or of bytes that are no text
        raise InputError(f"{path} is not valid JSON ({error}); is the copy complete?") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a checkpoint's mapping")
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
        raise InputError(f"{path} cannot be read ({first_line(error)})") from error


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
