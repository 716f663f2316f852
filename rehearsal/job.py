"""A job of the cluster, followed from the desk."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehearsal.waiting import wait_until


class Job:
    """One `ray job submit`, running.

    Args:
        name: its submission id.
        folder: keeps its output.
        command: what submits it and waits.
        environment: of that command.

    """

    def __init__(
        self, name: str, folder: Path, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        """Submit it."""
        self.name, self._log = name, folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def is_running(self) -> bool:
        """Whether it is still followed."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """Everything that it printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def records(self) -> list[dict[str, Any]]:
        """Read its log lines so far, wherever Ray has put something before them."""
        found = re.findall(r'\{"ts":.*\}$', self.output, re.MULTILINE)
        return [json.loads(line) for line in found]

    def wait_for(self, pattern: str, *, seconds: float = 240) -> re.Match[str]:
        """Wait until it has printed something; return the last match.

        Raises:
            RuntimeError: it ended without.
            TimeoutError: it did not in time.

        """
        found: list[re.Match[str]] = []

        def printed() -> bool:
            running = self.is_running  # before its output is read, or the end of that is missed
            found[:] = re.finditer(pattern, self.output)
            if not running and not found:
                raise RuntimeError(f"{self.name} ended without {pattern!r}: {self._tail()}")
            return bool(found)

        wait_until(f"{pattern!r} from {self.name}", printed, seconds=seconds, every=0.2)
        return found[-1]

    def finish(self, *, seconds: float = 600) -> str:
        """Wait for a good end; return all that it printed.

        Raises:
            RuntimeError: it failed.
            TimeoutError: it did not end in time.

        """
        wait_until(f"end of {self.name}", lambda: not self.is_running, seconds=seconds)
        if self._process.returncode:
            raise RuntimeError(f"{self.name} failed: {self._tail()}")
        return self.output

    def _tail(self) -> str:
        return self.output[-3000:]
