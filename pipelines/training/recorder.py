"""Rank 0's side of training: it observes, tracks, and writes the checkpoints."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.actor import ActorHandle
from torch import Tensor

from isnet.config import InputError
from isnet.training import GanTrainer
from pipelines.claim import Claim
from pipelines.storage import is_uri
from pipelines.tracking.rows import logged
from pipelines.tracking.tracker import Tracker
from pipelines.training.config import TrainConfig
from pipelines.training.link import DriverLink
from pipelines.training.metrics import RunMetrics
from pipelines.training.observer import Observer
from pipelines.training.restoring import Restored
from pipelines.training.saving import Contents, Saver, Written

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Observer, tracker, metrics, saver and link to the driver of one run.

    Metrics reach MLflow once a checkpoint that covers them is complete.
    """

    config: TrainConfig
    run_id: str
    about: Mapping[str, Any]
    observer: Observer
    metrics: RunMetrics
    saver: Saver
    link: DriverLink
    is_new: bool
    """Whether the run has no checkpoint yet."""

    @classmethod
    @contextmanager
    def open(
        cls,
        config: TrainConfig,
        claim: Claim,
        run_id: str,
        about: Mapping[str, Any],
        link: ActorHandle,
        restored: Restored,
        metrics: RunMetrics,
    ) -> Iterator[Recorder]:
        """Open a run's recorder; on leaving, the last checkpoint and its metrics are out."""
        uri = config.tracking.uri
        tracker = Tracker(
            uri,
            run_id,
            unsent_folder=Path(tempfile.gettempdir() if is_uri(claim.folder) else claim.folder),
            pending=restored.state["pending"] if restored.state is not None else (),
            known=_logged(uri, run_id) if restored.passed_over is not None else (),
        )

        def on_saved(written: Written) -> None:
            tracker.commit_sealed()
            metrics.saved(seconds=written.seconds, size=written.size)

        saver = Saver(claim, keep_best=config.keep_checkpoints, on_saved=on_saved)
        with closing(metrics), tracker, saver:
            yield cls(
                config=config,
                run_id=run_id,
                about=about,
                observer=Observer(config, tracker, metrics),
                metrics=metrics,
                saver=saver,
                link=DriverLink(link),
                is_new=restored.state is None,
            )

    @property
    def stop_requested(self) -> bool:
        """Whether the driver was asked to end the run."""
        return self.link.stop_requested()

    @property
    def gives_up(self) -> bool:
        """Whether validations have stopped to get better."""
        return self.observer.gives_up

    def record(
        self, trainer: GanTrainer, values: Mapping[str, Tensor], undecodable: int, rollbacks: int
    ) -> None:
        """Count a step, and log and validate where that is due."""
        step, config = trainer.step_count, self.config
        last = step == config.steps
        self.observer.count(undecodable=undecodable, rollbacks=rollbacks)
        self.metrics.reached(step, of=config.steps)
        if step % config.log_every == 0 or last:
            self.observer.log(step, values)
        if step % config.validate_every == 0 or last:
            self.observer.validate(step, trainer.export())
            self.link.tell(self.observer.curve)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds of the observer."""
        self.observer.load_state_dict(state)
        self.link.tell(self.observer.curve)

    def save_first(self, trainer: GanTrainer, rollbacks: int) -> None:
        """Save a new run before its first step: storage that takes nothing is found out now."""
        if self.is_new:
            self.save(trainer, rollbacks)
            self.saver.wait()

    def save(self, trainer: GanTrainer, rollbacks: int) -> None:
        """Start to write a checkpoint, after the one before it."""
        self.saver.wait()
        if self.saver.failure is not None:
            return
        tracker = self.observer.tracker
        tracker.seal()
        self.saver.save(
            Contents(
                step=trainer.step_count,
                psnr=self.observer.psnr,
                curve=self.observer.curve,
                generator=trainer.export().cpu(),
                config=self.config.generator,
                about=self.about,
                state={
                    "trainer": trainer.state_dict(),
                    "rollbacks": rollbacks,
                    "observer": self.observer.state_dict(),
                    "pending": tracker.pending(),
                },
            )
        )

    def forget_unsaved(self) -> None:
        """Drop what was logged after the last checkpoint, whose steps will be repeated."""
        self.metrics.rolled_back()
        self.saver.wait()
        self.observer.tracker.drop()

    def know_what_is_logged(self) -> None:
        """Keep the steps after a damaged checkpoint from being logged twice."""
        self.observer.tracker.know(_logged(self.config.tracking.uri, self.run_id))


def _logged(uri: str, run_id: str) -> set[tuple[str, int]]:
    """What MLflow has of steps after a damaged checkpoint, which will be repeated."""
    try:
        return logged(uri, run_id)
    except InputError as error:
        _log.warning("%s; steps that are repeated may be logged twice", error)
        return set()
