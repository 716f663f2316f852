"""What differs between the settings of an earlier start and this one's, and how messages say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """List what differs between two nests of mappings: old and new value by dotted name."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found |= differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found[f"{prefix}{key}"] = (old, new)
    return found


def in_words(changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Say each difference, e.g. `--quality was 95, now 80`."""
    return [f"{key} was {_shown(old)}, now {_shown(new)}" for key, (old, new) in changes.items()]


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
