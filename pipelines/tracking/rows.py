"""Rows that a run logs, metrics and pictures: their names, how they are sent, and kept in files."""

from __future__ import annotations

import base64
import io
import json
import posixpath
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from isnet.config import InputError
from pipelines.tracking.server import as_input_error, connect

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

BATCH = 1000
"""Metrics that MLflow takes in one request."""

Row = dict[str, Any]
"""`key`, `step`, `timestamp` (ms since the epoch), and `value`, a float, or `image`, PIL."""


def now() -> int:
    """Return the time in ms since the epoch."""
    return time.time_ns() // 1_000_000


def safe_name(name: str) -> str:
    """Fit a name to what MLflow takes: 250 letters, digits and `_-./: `, a plain relative path."""
    allowed = re.sub(r"[^\w./: -]", "_", name.replace("%", ""), flags=re.ASCII)
    return posixpath.normpath(f"/{allowed[:250]}").lstrip("/") or "_"


def send_rows(client: MlflowClient, run_id: str, rows: Sequence[Row]) -> None:
    """Send rows in order, metrics before pictures."""
    from mlflow.entities import Metric

    metrics = [
        Metric(row["key"], row["value"], row["timestamp"], row["step"])
        for row in rows
        if "value" in row
    ]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH], synchronous=True)
    for row in rows:
        if "image" in row:
            client.log_image(
                run_id,
                row["image"],
                key=row["key"],
                step=row["step"],
                timestamp=row["timestamp"],
                synchronous=True,
            )


def logged(uri: str, run_id: str) -> set[tuple[str, int]]:
    """Ask MLflow which metrics a run has: (name, step).

    Raises:
        InputError: MLflow does not answer, or knows no such run.

    """
    client = connect(uri)
    with as_input_error(uri):
        names = client.get_run(run_id).data.metrics
        return {
            (name, metric.step)
            for name in names
            for metric in client.get_metric_history(run_id, name)
        }


def append_rows(path: Path, run_id: str, rows: Iterable[Row]) -> None:
    """Append rows to a JSON-lines file, one a line, pictures as PNG in base64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{_to_json(run_id, row)}\n" for row in rows)


def send_file(path: Path, uri: str) -> int:
    """Send what a closed tracker left in a file; sending it twice doubles no metric.

    Returns:
        The number of rows.

    Raises:
        InputError: the file cannot be read, or MLflow does not take its rows.

    """
    runs = _read_rows(path)
    client = connect(uri)
    with as_input_error(uri):
        for run_id, rows in runs.items():
            send_rows(client, run_id, rows)
    return sum(map(len, runs.values()))


def _read_rows(path: Path) -> dict[str, list[Row]]:
    """Read the rows of a file by run."""
    runs: defaultdict[str, list[Row]] = defaultdict(list)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        try:
            run_id, row = _from_json(line)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"line {number} of {path} is no row of a run") from error
        runs[run_id].append(row)
    return runs


def _to_json(run_id: str, row: Row) -> str:
    content = {"run_id": run_id, **row}
    if "image" in row:
        data = io.BytesIO()
        row["image"].save(data, format="PNG")
        content["image"] = base64.b64encode(data.getvalue()).decode("ascii")
    return json.dumps(content)


def _from_json(line: str) -> tuple[str, Row]:
    row = json.loads(line)
    if "image" in row:
        data = io.BytesIO(base64.b64decode(row["image"]))
        with Image.open(data, formats=("PNG",)) as picture:
            row["image"] = picture.convert("RGB")
    return row.pop("run_id"), row
