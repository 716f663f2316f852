"""Which command works in a folder: the one that was started last.

A driver that is killed can leave workers that go on for a while, and a command can be given twice.
Whatever has lost its claim writes no more: its steps would be in MLflow twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from pipelines.storage import exists, join, open_filesystem, printable, read_bytes, write_or_explain

_FILE = "claim"


class ClaimLostError(Exception):
    """Another command has taken the folder."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One command's right to write into a folder."""

    folder: str
    """A path or a URI."""
    token: str
    """What the folder holds while the claim is good."""

    @classmethod
    def take(cls, folder: str) -> Claim:
        """Take a folder from whatever works in it; `InputError` where that cannot be written."""
        claim = cls(folder=folder, token=uuid.uuid4().hex)
        write_or_explain(join(folder, _FILE), claim.token.encode())
        return claim

    def is_lost(self) -> bool:
        """Whether another command has taken it since; `OSError` where that is unknown."""
        filesystem, folder = open_filesystem(self.folder)
        path = f"{folder}/{_FILE}"
        return exists(filesystem, path) and read_bytes(filesystem, path).decode() != self.token

    def require(self) -> None:
        """Make sure that it has not been taken since.

        Raises:
            ClaimLostError: it has.
            OSError: the folder cannot be read.

        """
        if self.is_lost():
            raise ClaimLostError(
                f"{printable(self.folder)} was taken by a command that was started later; this one "
                "has stopped"
            )
