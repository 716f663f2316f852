"""Log lines: plain ones for people, or JSON that says whose they are, for whoever collects them.

`ISNET_LOG_FORMAT=json` in the environment of a process and of those that it starts (a job's
`runtime_env`, an image) turns records and progress lines into one line of JSON each:

    {"ts": "2026-11-26T09:00:47.120Z", "level": "INFO", "logger": "pipelines.training.observer",
     "message": "step 40/100 ...", "run": "first", "rank": 0, "job_id": "02000000", "step": 40, ...}

Each process says once, by `set_up`, what it works on; Ray knows the rest.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from datetime import UTC, datetime
from typing import Any

import ray
import ray.util

FORMAT_VARIABLE = "ISNET_LOG_FORMAT"

_NUMBERS = "isnet_numbers"
"""Attribute of a record with the numbers that its message was made of."""

_NOISY = ("", "ray", "ray.data", "ray.train")
"""Loggers with handlers of their own that write plain lines to the terminal."""

_subject: dict[str, Any] = {}
"""What this process works on."""


def as_json() -> bool:
    """Whether lines are to be JSON."""
    return os.environ.get(FORMAT_VARIABLE, "").lower() == "json"


def set_up(**subject: str | int) -> None:
    """Say what this process works on, e.g. `run` and `rank`; in every process that logs.

    Where lines are JSON, what would write plain ones to the terminal is replaced.
    """
    _subject.update(subject)
    if not as_json():
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter())
    for logger in map(logging.getLogger, _NOISY):
        for present in list(logger.handlers):
            if _writes_to_the_terminal(present):
                logger.removeHandler(present)
        if logger.name == "root" or not logger.propagate:
            logger.addHandler(handler)
    logging.getLogger("pipelines").setLevel(logging.INFO)


def say(logger: logging.Logger, message: str, **numbers: Any) -> None:
    """Print a line, e.g. of progress; where lines are JSON, with its numbers as keys."""
    if as_json():
        logger.info(message, extra={_NUMBERS: numbers})
    else:
        print(message, flush=True)


def warn(logger: logging.Logger, message: str) -> None:
    """Print a warning on stderr; where lines are JSON, log it with that level."""
    if as_json():
        logger.warning(message)
    else:
        print(f"warning: {message}", file=sys.stderr, flush=True)


def _writes_to_the_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(
        handler, logging.FileHandler
    )


class _JsonFormatter(logging.Formatter):
    """One line of JSON a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it; what is in it and is no JSON becomes text."""
        written = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content: dict[str, Any] = {
            "ts": written.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_subject,
            **_place(),
            **{name: _value(one) for name, one in getattr(record, _NUMBERS, {}).items()},
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def _value(value: Any) -> Any:
    """Leave out what is no number, which JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _place() -> dict[str, Any]:
    """Name the job and the node, once Ray knows them."""
    if not ray.is_initialized():
        return {}
    context = ray.get_runtime_context()
    metadata = context.worker.core_worker.get_job_config().metadata
    place = {
        "job_id": context.get_job_id(),
        "submission_id": metadata.get("job_submission_id"),
        "node": ray.util.get_node_ip_address(),
        "worker_id": context.get_worker_id(),
        "pid": os.getpid(),
    }
    return {name: value for name, value in place.items() if value is not None}
