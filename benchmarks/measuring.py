"""What every benchmark does with its figures: medians, paired ratios, the table, the file."""

from __future__ import annotations

import json
import math
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from isnet.config import InputError
from pipelines.machine import cores, processor
from pipelines.reporting.markdown import markdown_table

SUFFIXES = (".md", ".json")
"""What `--output` can be."""


def median(values: Sequence[float]) -> float:
    """Middle of the values."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """Smallest of the values that 95 % of them do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over rounds of ours / theirs: what disturbs a round disturbs both its sides."""
    return median([one / other for one, other in zip(ours, theirs, strict=True)])


def in_turn(names: Sequence[str], rounds: int) -> list[tuple[int, str]]:
    """Order rounds so that no side always goes first: a b, b a, a b, ..."""
    return [
        (index, name)
        for index in range(rounds)
        for name in (names if index % 2 == 0 else list(reversed(names)))
    ]


def machine() -> str:
    """Say in one line where this runs."""
    packages = [f"{name} {found}" for name in ("torch", "ray") if (found := _version(name))]
    parts = [f"{cores()} cores ({processor()})", f"Python {platform.python_version()}", *packages]
    return ", ".join(parts)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, kw_only=True)
class Report:
    """A benchmark's table, and the figures that it was made from."""

    title: str
    machine: str
    settings: Mapping[str, Any]
    """The resolved options."""
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Cells of the table."""
    figures: Mapping[str, Any]
    """Every single measurement, JSON-able."""
    notes: Sequence[str] = ()
    """Sentences under the table."""

    def markdown(self) -> str:
        """Lay it out as Markdown."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        table = markdown_table(list(self.headers), [list(row) for row in self.rows])
        lines = [f"## {self.title}", "", f"{self.machine}; {settings}.", "", table.rstrip("\n")]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)]) + "\n"

    def publish(self, output: str | None) -> None:
        """Print the table, and write it where `output` says: Markdown, or JSON with all figures."""
        print(self.markdown(), flush=True)
        if output is not None:
            self.write(output)

    def write(self, output: str) -> None:
        """Write Markdown, or JSON with all figures; what was there stays until it is whole."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        scratch = Path(f"{output}.part")
        scratch.write_text(text if output.endswith(".json") else self.markdown())
        scratch.replace(output)


def check_output(output: str | None) -> None:
    """Refuse, before anything is measured, a file that could not be written at the end."""
    if output is not None:
        _check_file("--output", output, SUFFIXES)


def check_figure(figure: str) -> None:
    """Refuse, before anything is measured, a picture that could not be written at the end."""
    if figure:
        _check_file("--figure", figure, (".png",))


def _check_file(flag: str, file: str, suffixes: Sequence[str]) -> None:
    if Path(file).suffix not in suffixes:
        raise InputError(f"{flag} {file} must end in {' or '.join(suffixes)}")
    if not Path(file).absolute().parent.is_dir():
        raise InputError(f"{flag} {file}: there is no such folder; make it first")
