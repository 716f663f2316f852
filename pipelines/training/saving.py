"""Writing checkpoints in the background: training waits only for a copy of its state."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from safetensors import SafetensorError
from torch import nn

from isnet.checkpoint import save_generator, save_training_state, snapshot
from isnet.config import GeneratorConfig, InputError
from pipelines.claim import Claim, ClaimLostError
from pipelines.storage import printable
from pipelines.training.checkpoints import prune, upload
from pipelines.training.link import Curve

_PAUSES_S = (1.0, 5.0)
"""Between the attempts to write a checkpoint: a moment's trouble with storage ends no run."""

# PyTorch and safetensors have errors of their own for a full disk: /tmp, where files are made.
_WRITE_ERRORS = (OSError, RuntimeError, SafetensorError, InputError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A checkpoint that is complete."""

    step: int
    size: int
    """Bytes."""
    seconds: float
    """That it took, with attempts that failed."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a checkpoint holds; nothing in it changes while training goes on."""

    step: int
    psnr: float
    """Held-out PSNR of the exported generator, NaN where it was not validated."""
    curve: Curve
    """The run's validations up to this step."""
    generator: nn.Module
    """The exported generator, a copy."""
    config: GeneratorConfig
    """Of the generator."""
    about: Mapping[str, Any]
    """Facts for `config.json`."""
    state: Mapping[str, Any]
    """Everything needed to continue; copied when it is handed over."""


class Saver:
    """Writes the checkpoints of one run from a thread, one after the other.

    As a context manager it waits for the last one.
    """

    def __init__(
        self, claim: Claim, *, keep_best: int, on_saved: Callable[[Written], None]
    ) -> None:
        """Write into the folder of a run for as long as the claim to it is good.

        Args:
            claim: the right to write.
            keep_best: best checkpoints that are kept beside the newest two.
            on_saved: called from the thread once a checkpoint is complete.

        """
        self._claim, self._run = claim, claim.folder
        self._keep_best, self._on_saved = keep_best, on_saved
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None
        self.failure: str | None = None
        """Why a checkpoint could not be written; training must not go on without."""

    def save(self, contents: Contents) -> None:
        """Start to write a checkpoint; the one before it must have been waited for."""
        assert self._running is None
        state = snapshot(contents.state)
        self._running = self._thread.submit(self._save, contents, state)

    def wait(self) -> None:
        """Wait until the checkpoint that is being written is complete or has failed."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def __enter__(self) -> Saver:
        """Return the saver."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the last checkpoint."""
        self.wait()
        self._thread.shutdown()

    def _save(self, contents: Contents, state: Mapping[str, Any]) -> None:
        started = time.monotonic()
        for pause in (*_PAUSES_S, None):
            try:
                self._claim.require()
                size = self._write(contents, state)
                self._claim.require()
            except ClaimLostError as error:
                self.failure = str(error)
                return
            except _WRITE_ERRORS as error:
                if pause is None:
                    self.failure = self._advice(contents.step, error)
                    return
                time.sleep(pause)
            else:
                seconds = time.monotonic() - started
                self._on_saved(Written(step=contents.step, size=size, seconds=seconds))
                break
        try:
            prune(self._run, keep_best=self._keep_best, just_saved=contents.step)
        except OSError as error:
            _log.warning("older checkpoints of %s stay: %s", printable(self._run), error)

    def _write(self, contents: Contents, state: Mapping[str, Any]) -> int:
        """Write a checkpoint; return its bytes."""
        with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
            about = {
                **contents.about,
                "step": contents.step,
                "psnr": _number(contents.psnr),
                "curve": contents.curve,
            }
            save_generator(folder, contents.generator, contents.config, about=about)
            save_training_state(folder, state)
            upload(Path(folder), self._run, step=contents.step, psnr=contents.psnr)
            return sum(path.stat().st_size for path in Path(folder).iterdir())

    def _advice(self, step: int, error: Exception) -> str:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return (
            f"the checkpoint of step {step} cannot be written to {printable(self._run)}: "
            f"{printable(reason)}; make room or give access, and run the same command again: it "
            "goes on from the last checkpoint that is complete"
        )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
