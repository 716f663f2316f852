"""Versions as the project's files write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.dockerfile import ROOT

PIN = re.compile(r"([A-Za-z][\w.-]*(?:\[\w+\])?)==([0-9][\w.]*[\w])")


def pins(text: str) -> dict[str, str]:
    """Every `name==version` of a text; names as PyPI compares them."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PIN.findall(text)}


def written_for_people_and_clusters() -> Iterator[Path]:
    """The texts that name versions, images, commands: README, docs and cluster/."""
    yield from (ROOT / "README.md", ROOT / "Makefile")
    yield from sorted((ROOT / "docs").glob("*.md"))
    yield from cluster_files()


def cluster_files() -> list[Path]:
    """Everything below cluster/ but the dashboards' JSON, and what Python leaves there."""
    files = (path for path in (ROOT / "cluster").rglob("*") if path.is_file())
    return sorted(path for path in files if path.suffix not in (".json", ".pyc"))
