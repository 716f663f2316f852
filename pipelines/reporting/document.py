"""What a report is made of, whatever it is written as: sections of words, tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from PIL import Image

MISSING = "–"  # noqa: RUF001 (a dash, as tables print what is not there)


@dataclass(frozen=True, kw_only=True)
class Words:
    """A paragraph; a warning stands out."""

    kind: ClassVar[str] = "words"
    text: str
    tone: Literal["plain", "lead", "warning"] = "plain"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    header: str
    cells: tuple[str, ...]
    published: bool = False
    """The paper's figures rather than ours."""
    text: bool = False
    """Words, set to the left; else figures, to the right."""

    @property
    def title(self) -> str:
        """The header, saying whose figures they are."""
        return f"{self.header} (published)" if self.published else self.header


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of equal length, and what they say."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    caption: str
    highlight_first: bool = False
    """The first row is the winner's."""
    file: str = ""
    """Name of a CSV file that holds it, too; empty for none."""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells row by row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in a file of its own beside the report."""

    kind: ClassVar[str] = "picture"
    file: str
    image: Image.Image
    title: str
    caption: str
    """How to read it."""
    photographic: bool = False


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Commands to copy, one a trial."""

    kind: ClassVar[str] = "commands"
    title: str
    entries: tuple[tuple[str, str], ...]
    """Trial and command."""
    open: bool = False


Block = Words | Table | Picture | Commands


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands under it."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]

    @property
    def blocks(self) -> list[Block]:
        """All blocks, in order."""
        return [block for section in self.sections for block in section.blocks]

    def pictures(self) -> list[Picture]:
        """All pictures, in order."""
        return [block for block in self.blocks if isinstance(block, Picture)]

    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [block for block in self.blocks if isinstance(block, Table)]
