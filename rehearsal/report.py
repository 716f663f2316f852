"""What is printed and kept of a rehearsal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rehearsal.outcome import Outcome

OUTCOMES = "outcomes.json"
_WIDTH = 100


def write(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write all that scenes told, for programs."""
    content = [asdict(outcome) for outcome in outcomes]
    (folder / OUTCOMES).write_text(json.dumps(content, indent=2), encoding="utf-8")


def read(folder: Path) -> list[Outcome]:
    """Read what `write` wrote."""
    content = json.loads((folder / OUTCOMES).read_text(encoding="utf-8"))
    return [Outcome(**outcome) for outcome in content]


def summary(outcomes: Sequence[Outcome]) -> str:
    """Say for people what was lost in each scene, and what survived."""
    blocks = [line for outcome in outcomes for line in (_block(outcome), "")]
    good = sum(outcome.error is None for outcome in outcomes)
    return "\n".join([*blocks, f"{good} of {len(outcomes)} scenes went well"])


def _block(outcome: Outcome) -> str:
    head = f"{outcome.scene} ({outcome.seconds:.0f} s)"
    if outcome.error is not None:
        return f"{head}\n{_indented('FAILED', textwrap.shorten(outcome.error, 400))}"
    lost, survived = _indented("lost", outcome.lost), _indented("survived", outcome.survived)
    return f"{head}\n{lost}\n{survived}"


def _indented(label: str, text: str) -> str:
    first = f"  {label + ':':<10}"
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * 12)
