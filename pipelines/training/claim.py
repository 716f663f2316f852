"""Which command trains a run: the one that was started last.

A driver that is killed can leave workers that train on for a while, and a command can be given
twice. Whatever has lost its claim writes no more: its steps would be in MLflow twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from pipelines.storage import exists, join, open_filesystem, printable, read_bytes, write_or_explain

_FILE = "claim"


class ClaimLostError(Exception):
    """Another command has taken the run."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One command's right to write into a run's folder."""

    run: str
    """The folder, a path or a URI."""
    token: str
    """What the folder holds while the claim is good."""

    @classmethod
    def take(cls, run: str) -> Claim:
        """Take a run from whatever trains it now; `InputError` where that cannot be written."""
        claim = cls(run=run, token=uuid.uuid4().hex)
        write_or_explain(join(run, _FILE), claim.token.encode())
        return claim

    def is_lost(self) -> bool:
        """Whether another command has taken the run since; `OSError` where that is unknown."""
        filesystem, folder = open_filesystem(self.run)
        path = f"{folder}/{_FILE}"
        return exists(filesystem, path) and read_bytes(filesystem, path).decode() != self.token

    def require(self) -> None:
        """Make sure that the run has not been taken since.

        Raises:
            ClaimLostError: it has.
            OSError: its folder cannot be read.

        """
        if self.is_lost():
            raise ClaimLostError(
                f"the run in {printable(self.run)} was taken by a command that was started later; "
                "this one has stopped, and has written nothing since"
            )
