"""How build.py of launcher/ and of grafana/ keep the files that they write from source/."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def keep(contents: Mapping[Path, str]) -> int:
    """Write the files that are not as they should be; with --check only name them, and return 1."""
    check = "--check" in sys.argv
    stale = [path for path, text in contents.items() if not path.exists() or _read(path) != text]
    for path in stale:
        if not check:
            path.write_text(contents[path], encoding="utf-8")
        print(f"{path.name}: {'stale' if check else 'written'}")
    return int(check and bool(stale))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
