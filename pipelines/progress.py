"""One progress line per interval: how far, how fast, how long yet."""

from __future__ import annotations

import logging
import time

from pipelines.logs import say

_log = logging.getLogger(__name__)


class Progress:
    """Counts work done in an entry point and prints a line every few seconds.

    Args:
        label: what is being made.
        total: items of work in all.
        interval: seconds between lines.

    """

    def __init__(self, label: str, *, total: int, interval: float = 5.0) -> None:
        """Start the clock."""
        self.label, self.total, self.interval = label, total, interval
        self.done = self.kept = self.rows = 0
        self.started = self.printed = time.monotonic()

    def advance(self, items: int, *, rows: int, kept: bool) -> None:
        """Count finished items; kept ones were made by an earlier run and say nothing of speed."""
        self.done += items
        self.rows += rows
        self.kept += items if kept else 0
        if time.monotonic() - self.printed >= self.interval:
            self.printed = time.monotonic()
            say(_log, self.line(), done=self.done, total=self.total, rows=self.rows)

    def line(self) -> str:
        """State of the work, e.g. `images: 40% of 720, 288 rows, 61/s, 0:07 left`."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self.kept) / seconds
        left = clock((self.total - self.done) / rate) if rate else "unknown time"
        share = 100 * self.done // max(self.total, 1)
        return (
            f"{self.label}: {share}% of {self.total}, {self.rows} rows, {rate:.0f}/s, {left} left"
        )

    def finish(self, note: str) -> None:
        """Print the last line."""
        seconds = time.monotonic() - self.started
        kept = f", {self.kept} of {self.total} kept from an earlier run" if self.kept else ""
        line = f"{self.label}: {self.rows} rows, {note}, {seconds:.1f} s{kept}"
        say(_log, line, total=self.total, rows=self.rows, seconds=seconds)


def clock(seconds: float) -> str:
    """Write a duration as `h:mm:ss` or `m:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
