"""Send a run's metrics and pictures to MLflow from a training process, without waiting for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipelines.storage import first_line, printable
from pipelines.tracking.rows import BATCH, Row, append_rows, now, safe_name, send_rows
from pipelines.tracking.server import connect

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_log = logging.getLogger(__name__)

_MAX_IMAGES = 64
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Tracker:
    """Sends what rank 0 logs from a thread of its own; training neither waits nor fails for it.

    Rows wait until they are committed. A training loop that writes `pending()` into each
    checkpoint, seals, and commits what it sealed once the checkpoint is safe, logs every step
    exactly once: rows of steps that a resumed run repeats were never sent, and rows that may have
    been sent are sent again unchanged, which MLflow ignores. Pictures are handed over in the same
    way, but are not part of `pending()`.

    As a context manager it commits and closes; after an exception it closes without committing.
    """

    def __init__(
        self,
        uri: str,
        run_id: str,
        *,
        unsent_folder: Path,
        pending: Iterable[Row] = (),
        known: Collection[tuple[str, int]] = (),
    ) -> None:
        """Start the sender.

        Args:
            uri: tracking URI, as `resolve_uri` made it.
            run_id: the run, as `open_run` returned it.
            unsent_folder: local folder for what the server has not taken when the tracker closes.
            pending: rows in the checkpoint that training resumes from.
            known: metrics, by name and step, that MLflow has of steps that will be repeated; they
                and pictures of those steps are not kept again.

        """
        self._uri, self._run_id, self._unsent_folder = uri, run_id, unsent_folder
        self.know(known)
        self._rows: list[Row] = []
        self._images: deque[Row] = deque()
        self._sealed: deque[Row] = deque()
        # The lock guards what threads share: the sealed rows, the outboxes and `_closing`.
        self._changed = threading.Condition()
        self._row_outbox: deque[Row] = deque(pending)
        self._image_outbox: deque[Row] = deque()
        self._dropped_images = 0
        self._closing = False
        self._given_up = threading.Event()
        self._away = False
        self._sender = threading.Thread(target=self._send_all, name="mlflow-sender", daemon=True)
        self._sender.start()

    def know(self, known: Collection[tuple[str, int]]) -> None:
        """Learn which metrics, by name and step, MLflow has already: they are not kept again."""
        self._known = frozenset(known)
        self._known_step = max((step for _, step in self._known), default=-1)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step. MLflow stores NaN, and an infinity as the largest float."""
        timestamp = now()
        self._rows += [
            {"key": safe_name(key), "step": step, "timestamp": timestamp, "value": float(value)}
            for key, value in values.items()
            if (safe_name(key), step) not in self._known
        ]

    def image(self, key: str, step: int, image: np.ndarray | Image.Image) -> None:
        """Keep a copy of a picture, uint8 (H, W, 3) or PIL; beyond 64 the oldest give way."""
        if step <= self._known_step:
            return
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        row = {"key": safe_name(key).replace(":", "_"), "step": step, "timestamp": now()}
        self._images.append({**row, "image": picture.convert("RGB").copy()})
        self._drop_oldest_images()

    def seal(self) -> None:
        """Set apart everything kept so far, for `commit_sealed`."""
        with self._changed:
            self._sealed.extend([*self._rows, *self._images])
        self.discard()

    def commit_sealed(self) -> None:
        """Hand what was sealed to the sender; any thread may call it."""
        with self._changed:
            self._row_outbox.extend(row for row in self._sealed if "value" in row)
            self._image_outbox.extend(row for row in self._sealed if "image" in row)
            self._sealed.clear()
            self._changed.notify_all()

    def commit(self) -> None:
        """Hand everything kept so far to the sender."""
        self.seal()
        self.commit_sealed()

    def discard(self) -> None:
        """Forget what was kept since the last seal: of steps that will be repeated."""
        self._rows.clear()
        self._images.clear()

    def drop(self) -> None:
        """Forget everything that was not committed: no checkpoint that is complete covers it."""
        self.discard()
        with self._changed:
            self._sealed.clear()

    def pending(self) -> list[Row]:
        """Return the rows that the server has not confirmed, oldest first, ready for JSON."""
        with self._changed:
            sealed = [row for row in self._sealed if "value" in row]
            return [*self._row_outbox, *sealed, *self._rows]

    def close(self, timeout: float = 60.0) -> None:
        """Commit, go on sending for at most `timeout` seconds, and write the rest into a file."""
        if self._given_up.is_set():
            return
        self.commit()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._sender.join(timeout)
        self._given_up.set()
        self._save_unsent()

    def __enter__(self) -> Tracker:
        """Return the tracker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; what was not committed before an exception belongs to steps to be repeated."""
        if kind is not None:
            self.drop()
        self.close()

    def _drop_oldest_images(self) -> None:
        with self._changed:
            while len(self._image_outbox) + len(self._images) > _MAX_IMAGES:
                (self._image_outbox or self._images).popleft()
                self._dropped_images += 1

    def _send_all(self) -> None:
        """Send until closed: the body of the thread."""
        client: MlflowClient | None = None
        pause = _FIRST_PAUSE
        while self._wait_for_work():
            try:
                client = client or connect(self._uri)
                self._send_oldest(client)
            except Exception as error:  # noqa: BLE001 (training goes on, rows are kept)
                self._note_away(error)
                self._pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._note_back()
                pause = _FIRST_PAUSE

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._row_outbox or self._image_outbox or self._closing,
            )
            left = bool(self._row_outbox or self._image_outbox)
        return left and not self._given_up.is_set()

    def _send_oldest(self, client: MlflowClient) -> None:
        """Send the oldest rows, or a picture where there are none; forget what was taken."""
        with self._changed:
            rows = list(islice(self._row_outbox, BATCH))
            images = list(islice(self._image_outbox, 0 if rows else 1))
        send_rows(client, self._run_id, rows + images)
        with self._changed:
            for _ in rows:
                self._row_outbox.popleft()
            # A picture may have given way to newer ones in the meantime.
            if images and self._image_outbox and self._image_outbox[0] is images[0]:
                self._image_outbox.popleft()

    def _note_away(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            _log.warning(
                "MLflow at %s takes no rows of run %s now (%s); training goes on, rows are kept",
                printable(self._uri),
                self._run_id,
                first_line(error),
            )

    def _note_back(self) -> None:
        with self._changed:
            left = bool(self._row_outbox or self._image_outbox)
        if self._away and not left:
            self._away = False
            _log.warning("MLflow at %s has caught up%s", printable(self._uri), self._losses())

    def _losses(self) -> str:
        count, self._dropped_images = self._dropped_images, 0
        return f"; {count} older pictures were dropped meanwhile" if count else ""

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; less once training waits for the end."""
        if self._closing:
            self._given_up.wait(_FIRST_PAUSE)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)

    def _save_unsent(self) -> None:
        with self._changed:
            rows = [*self._row_outbox, *self._image_outbox]
        if not rows:
            return
        path = self._unsent_folder / f"unsent-{self._run_id}.jsonl"
        try:
            append_rows(path, self._run_id, rows)
        except OSError as error:
            _log.warning("%d rows are lost: %s cannot be written: %s", len(rows), path, error)
            return
        _log.warning(
            "%d rows did not reach MLflow%s; send them with "
            "`python -m pipelines.tracking send %s --uri %s`",
            len(rows),
            self._losses(),
            path,
            printable(self._uri),
        )
