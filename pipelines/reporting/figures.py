"""How reports print figures: scores to the digits of the paper's tables, parameters, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.reporting.document import MISSING, Column, Table

_MILLION = 2**20
"""As Tables 7 and 8 count."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a table prints a score."""

    name: str
    header: str
    digits: int
    scale: int = 1

    def show(self, value: float | None) -> str:
        """Print a value, or a dash where there is none."""
        return MISSING if value is None else f"{value * self.scale:.{self.digits}f}"


PSNR = Score(name="psnr", header="PSNR ↑", digits=2)
SSIM = Score(name="ssim", header="SSIM ↑", digits=3)
MAE = Score(name="mae", header="MAE(%) ↓", digits=2, scale=100)


def show_parameters(count: int) -> str:
    """Print a number of parameters as Tables 7 and 8 do."""
    return f"{count / _MILLION:.2f}M"


def one_line(text: str, longest: int) -> str:
    """Put a text on one line, cut to `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def facts_table(facts: Mapping[str, str], caption: str) -> Table:
    """Lay out facts, one a row."""
    columns = (
        Column(header="Fact", cells=tuple(facts), text=True),
        Column(header="Value", cells=tuple(facts.values()), text=True),
    )
    return Table(columns=columns, caption=caption)
