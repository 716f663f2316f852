"""Telling how far a job is while it goes on: a line every few seconds, a file every second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from isnet.config import InputError
from pipelines.bulk.metrics import JobMetrics
from pipelines.bulk.progress import LISTED_FAILURES, JobProgress, State, write_progress
from pipelines.logs import say, warn
from pipelines.progress import clock

_FILE_S, _LINE_S = 1.0, 5.0

_log = logging.getLogger(__name__)


class Reporter:
    """Counts what a job has done, and lets others know; a thread of its own writes."""

    def __init__(self, output: str, *, total: int) -> None:
        """Start with nothing done.

        Args:
            output: of the job, where the progress file is written.
            total: pictures of the job.

        """
        self._output, self._metrics = output, JobMetrics(output)
        self._lock = threading.Lock()
        self._progress = JobProgress(state="measuring", updated=time.time(), total=total)
        self._measured = 0
        self._kept = 0
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._left = threading.Event()
        self._warned = False
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)

    def measured(self, pictures: int) -> None:
        """Count pictures whose size was found."""
        with self._lock:
            self._measured += pictures
        self._metrics.measured(pictures)

    def begin(self, *, done: int, run_id: str | None) -> None:
        """Start filling; `done` pictures were filled by earlier runs."""
        with self._lock:
            self._kept = done
            self._started = time.monotonic()
            self._progress = replace(self._progress, state="filling", done=done, run_id=run_id)

    def advance(
        self, done: int, reasons: Mapping[str, int], failures: Sequence[dict[str, str]]
    ) -> None:
        """Count pictures that were tried: filled, and failed by reason; `failures` names some."""
        self._metrics.tried(done, reasons)
        with self._lock:
            progress = self._progress
            self._progress = replace(
                progress,
                done=progress.done + done,
                failed=progress.failed + sum(reasons.values()),
                failures=(*progress.failures, *failures)[:LISTED_FAILURES],
            )

    def end(self, state: State, error: str | None = None) -> None:
        """Say how the job ended."""
        with self._lock:
            self._progress = replace(self._progress, state=state, error=error)

    def leave(self) -> None:
        """Leave the file to another command, which has taken the job."""
        self._left.set()

    @property
    def progress(self) -> JobProgress:
        """How far the job is now."""
        with self._lock:
            now, progress = time.time(), self._progress
            seconds = time.monotonic() - self._started
            tried = progress.done + progress.failed - self._kept
        if progress.state == "measuring" or not tried:
            return replace(progress, updated=now)
        rate = tried / max(seconds, 1e-9)
        left = progress.total - progress.done - progress.failed
        return replace(
            progress, updated=now, images_per_second=rate, seconds_left=max(left, 0) / rate
        )

    def line(self) -> str:
        """One line, e.g. `inpaint: 40% of 720, 3 failed, 1.2 images/s, 6:00 left`."""
        progress = self.progress
        total = progress.total
        if progress.state == "measuring":
            return f"inpaint: {self._measured:,} of {total:,} pictures measured"
        tried = progress.done + progress.failed
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        rate, left = progress.images_per_second, progress.seconds_left
        speed = "" if rate is None or left is None else f", {rate:.3g} images/s, {clock(left)} left"
        return f"inpaint: {100 * tried // max(total, 1)}% of {total:,}{failed}{speed}"

    def __enter__(self) -> Self:
        """Start telling."""
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell how it ended."""
        self._ended.set()
        self._thread.join()
        self._write()
        self._metrics.close()

    def _tell(self) -> None:
        printed = time.monotonic()
        while not self._ended.wait(_FILE_S):
            self._write()
            if time.monotonic() - printed >= _LINE_S:
                printed = time.monotonic()
                self._say()

    def _say(self) -> None:
        progress = self.progress
        say(
            _log,
            self.line(),
            total=progress.total,
            done=progress.done,
            failed=progress.failed,
            images_per_second=progress.images_per_second,
            seconds_left=progress.seconds_left,
        )

    def _write(self) -> None:
        progress = self.progress
        self._metrics.left(max(0, progress.total - progress.done - progress.failed))
        self._write_file(progress)

    def _write_file(self, progress: JobProgress) -> None:
        """Write the file. A job does not end for want of it, while its results can be written."""
        if self._left.is_set():
            return
        try:
            write_progress(self._output, progress)
        except InputError as error:
            if not self._warned:
                warn(_log, str(error))
            self._warned = True
