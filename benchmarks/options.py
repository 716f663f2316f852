"""Options of benchmarks that need no Ray.

argparse and not tyro, which may be missing where these run: a machine with PyTorch and no more.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchmarks.measuring import check_output
from isnet.checkpoint import read_generator
from isnet.config import GeneratorConfig, InputError

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Where to compute, and the file to write."""

    device: str = "auto"
    """auto, cpu or cuda"""
    threads: int = 0
    """threads on a CPU; 0 takes PyTorch's choice"""
    output: str = ""
    """file to write, .md or .json"""

    def check(self) -> None:
        """Refuse, before anything is measured, what could not be."""
        check_output(self.output or None)
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"--device {self.device} must be auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch sees no GPU here; give --device cpu")
        if self.threads < 0:
            raise InputError(
                f"--threads is {self.threads}; give 1 or more, or 0 for PyTorch's choice"
            )


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(MachineOptions):
    """Which network, and where."""

    checkpoint: str = ""
    """checkpoint to compute with; without one, new orthogonal weights of seed 0"""
    channels: int = 32
    """width of a new network; 32 is the paper's"""
    blocks: int = 4
    """residual blocks of a new network; 4 are the paper's"""

    def check(self) -> None:
        """Refuse a checkpoint that cannot be read, and a new network that cannot be."""
        super().check()
        self.design()

    def design(self) -> GeneratorConfig:
        """Return the configuration of the network: the checkpoint's own, or the new one's."""
        if self.checkpoint:
            return read_generator(self.checkpoint)[1]
        return GeneratorConfig(blocks=self.blocks, channels=self.channels)


Options = TypeVar("Options", bound=MachineOptions)


@dataclass(frozen=True, kw_only=True)
class OneProcess:
    """What the process of one measurement is told beside the options."""

    one: str = ""
    """what to measure; nothing in the process that the user starts"""
    keep: str = ""
    """folder for results that are no figures"""


def read_options(
    kind: type[Options], argv: Sequence[str], *, module: str, about: str
) -> tuple[Options, OneProcess]:
    """Read a command line into a dataclass whose fields are strings and numbers.

    Args:
        kind: its fields are the options, its `check` refuses what makes no sense.
        argv: the command line.
        module: as after `python -m`.
        about: the module's docstring.

    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    texts = _docstrings(kind)
    for field in fields(kind):
        text = f"{texts[field.name]} ({field.default})".replace("%", "%%")
        parser.add_argument(
            flag_of(field.name), type=type(field.default), default=field.default, help=text
        )
    for field in fields(OneProcess):
        parser.add_argument(flag_of(field.name), default="", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(argv))
    process = OneProcess(**{field.name: given.pop(field.name) for field in fields(OneProcess)})
    config = kind(**given)
    if process.one:  # checked by the process that the user started: a checkpoint takes memory
        return config, process
    try:
        config.check()
    except InputError as error:
        parser.error(str(error))
    return config, process


def settings(
    config: MachineOptions, *, device: str, left_out: Collection[str]
) -> dict[str, str | int | float]:
    """Return what a report says of the options, on the device of this name.

    The network is described as it is, and not by what a new one would be.
    """
    said = asdict(config) | {"device": device}
    said["threads"] = config.threads or torch.get_num_threads()
    if isinstance(config, NetworkOptions):
        said |= asdict(config.design()) | {"checkpoint": config.checkpoint or "none"}
    return {name: value for name, value in said.items() if name not in left_out}


def numbers(text: str, kind: Callable[[str], Any], *, flag: str) -> list[Any]:
    """Read a list that is separated by commas; an empty one is empty."""
    try:
        return [kind(part) for part in text.split(",") if part]
    except ValueError as error:
        raise InputError(f"{flag} {text!r} must be numbers, separated by commas") from error


def flag_of(name: str) -> str:
    """Name the option that a field is read from."""
    return f"--{name.replace('_', '-')}"


def _docstrings(kind: type) -> dict[str, str]:
    """Read what stands under the fields of a dataclass and of those that it extends."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                found[field.target.id] = ast.literal_eval(text.value)
    return found
