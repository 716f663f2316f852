"""Measurements in processes of their own: peak memory is theirs, and one may fail alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from benchmarks.measuring import in_turn
from benchmarks.options import ROOT, MachineOptions, flag_of

Found = dict[str, Any]
"""What a process found."""

_TRACEBACK = "Traceback (most recent call last):"


class MeasurementError(RuntimeError):
    """The process of a measurement failed; says why in a line."""


def in_a_process(config: MachineOptions, *, module: str, one: str, keep: str = "") -> Found:
    """Run a measurement in a fresh process; its last line is what it found, as JSON.

    Raises:
        MeasurementError: it failed. What it said of that is printed.

    """
    command = [sys.executable, "-m", module, "--one", one, "--keep", keep]
    # One word each: a value that begins with a dash would be taken for an option.
    command += [f"{flag_of(name)}={value}" for name, value in asdict(config).items()]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    sys.stderr.write(ended.stderr)
    if ended.returncode:
        raise MeasurementError(_reason(ended.returncode, ended.stderr))
    found: Found = json.loads(ended.stdout.splitlines()[-1])
    return found


def _reason(code: int, said: str) -> str:
    """Find the line that names an error: compilers print advice below theirs."""
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}"
    _, raised, below = said.rpartition(_TRACEBACK)
    lines = [line for line in below.splitlines() if line.strip()]
    if not raised:
        return lines[-1] if lines else f"the process ended with {code}"
    return next(
        (line for line in lines if not line.startswith(" ")), f"the process ended with {code}"
    )


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What rounds over several ways to do something have found."""

    found: Mapping[str, Sequence[Found]]
    """By way, what each round measured."""
    failed: Mapping[str, str]
    """By way, why it could not be measured."""


def measured_rounds(
    names: Sequence[str],
    count: int,
    measure: Callable[[str], Found],
    *,
    rate: Callable[[Found], str],
) -> Iterator[Rounds]:
    """Measure every way in every round; yield what there is after each round.

    Args:
        names: the ways. The others are held against the first.
        count: of rounds.
        measure: measures a way.
        rate: what is printed of what it found.

    Raises:
        MeasurementError: the first way failed. Others are left out from there on: compilers refuse
            for many reasons, and the other figures are good.

    """
    found: dict[str, list[Found]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    for index, turn in groupby(in_turn(names, count), key=itemgetter(0)):
        for _, name in turn:
            if name in failed:
                continue
            try:
                found[name].append(measure(name))
            except MeasurementError as error:
                if name == names[0]:
                    raise
                failed[name] = str(error)
                del found[name]
                print(f"round {index + 1}: {name} failed: {error}", flush=True)
                continue
            print(f"round {index + 1}: {name} {rate(found[name][-1])}", flush=True)
        so_far = {name: list(measured) for name, measured in found.items()}
        yield Rounds(found=so_far, failed=dict(failed))


def failures(failed: Mapping[str, str]) -> list[str]:
    """Say under a table what is missing in it, and why."""
    return [f"{name} could not be measured: {reason}" for name, reason in failed.items()]
