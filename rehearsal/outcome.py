"""What came of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a scene that went well has to tell."""

    lost: str
    """What was taken from the cluster, and when."""
    survived: str
    """What came of the work all the same."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What was counted, for tests."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One scene, played."""

    scene: str
    seconds: float
    error: str | None = None
    """Why it did not end as it should have; None where it did."""
    lost: str = ""
    survived: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class UnexpectedError(RuntimeError):
    """Something that a scene waited for did not come, or was not as it should be."""


def expect(condition: object, message: str) -> None:
    """Raise `UnexpectedError` unless a condition holds."""
    if not condition:
        raise UnexpectedError(message)
