"""The record of a job in MLflow: a run with its settings, counts and a few of the results."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from isnet.config import InputError
from pipelines.bulk.config import shown
from pipelines.bulk.outcome import Outcome
from pipelines.bulk.output import keep_run_id, read_run_id
from pipelines.bulk.progress import JobProgress
from pipelines.bulk.reporting import Reporter
from pipelines.bulk.results import RESULTS
from pipelines.bulk.samples import draw_samples
from pipelines.bulk.survey import Survey
from pipelines.logs import warn
from pipelines.storage import join, printable, split_name
from pipelines.tracking.runs import (
    Status,
    finish_run,
    git_commit,
    log_artifact_bytes,
    log_metrics,
    open_run,
)

_log = logging.getLogger(__name__)

SAMPLES = "samples.png"


class Record:
    """A job's run; where MLflow cannot be reached it has none, and records nothing."""

    def __init__(self, found: Survey, run_id: str | None) -> None:
        """Take the run that `open_record` has opened."""
        self._found = found
        self.run_id = run_id
        self.status: Status = "FAILED"

    def close(self, outcome: Outcome, units: Sequence[np.ndarray]) -> None:
        """Record how the job ended, with a few of its pictures."""
        self.status = "FAILED" if outcome.stopped else "FINISHED"
        if self.run_id is None:
            return
        uri = self._found.config.tracking.uri
        reasons = {f"inpaint/failed/{reason}": n for reason, n in outcome.reasons.items()}
        log_metrics(uri, self.run_id, outcome.done + outcome.failed, reasons)
        samples = draw_samples(self._found.collection, self._found.config, units)
        if samples is not None:
            buffer = io.BytesIO()
            samples.save(buffer, "PNG")
            log_artifact_bytes(uri, self.run_id, buffer.getvalue(), f"inpaint/{SAMPLES}")


@contextmanager
def open_record(found: Survey, reporter: Reporter) -> Iterator[Record]:
    """Open the job's run, the same one each time it is started; leave counts, however it ends."""
    record = Record(found, _open(found))
    try:
        yield record
    except KeyboardInterrupt:
        record.status = "KILLED"
        raise
    finally:
        if record.run_id is not None:
            uri, progress = found.config.tracking.uri, reporter.progress
            tried = progress.done + progress.failed
            log_metrics(uri, record.run_id, tried, _metrics(progress))
            finish_run(uri, record.run_id, record.status)


def _open(found: Survey) -> str | None:
    config = found.config
    try:
        run_id = open_run(
            config.tracking,
            name=f"inpaint {split_name(printable(config.output))[1]}",
            params=shown(config),
            tags=_tags(found),
            run_id=read_run_id(config.output),
        )
    except InputError as error:
        warn(_log, f"not logged to MLflow: {error}")
        return None
    keep_run_id(config.output, run_id)
    return run_id


def _tags(found: Survey) -> dict[str, object]:
    return {
        "model": found.model.location,
        "model_fingerprint": found.version,
        "results": printable(join(found.config.output, RESULTS)),
        "git_commit": git_commit(Path(__file__).parent),
    }


def _metrics(progress: JobProgress) -> dict[str, float]:
    rate = progress.images_per_second
    return {
        "inpaint/total": progress.total,
        "inpaint/done": progress.done,
        "inpaint/failed": progress.failed,
        **({} if rate is None else {"inpaint/images_per_second": rate}),
    }
