"""What every training worker runs: stream, step, save; rank 0 also validates and tracks.

Ray Train calls `train_worker` on each worker. It starts from the newest complete checkpoint where
there is one, so that a replaced worker and a rerun command go on where the run was.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import ray
import torch
from ray.actor import ActorHandle
from ray.train.v2._internal.execution import context as ray_train_context

from isnet.finite import NonFiniteLossError
from isnet.images import to_tensor
from isnet.training import GanTrainer
from pipelines import logs
from pipelines.claim import Claim
from pipelines.logs import say
from pipelines.seeding import stable_hash
from pipelines.storage import printable
from pipelines.training.building import build_trainer, check_device
from pipelines.training.config import TrainConfig
from pipelines.training.metrics import RunMetrics, WorkerMetrics
from pipelines.training.ranks import Ranks
from pipelines.training.recorder import Recorder
from pipelines.training.restoring import Restored, restore
from pipelines.training.streams import Batch, RowGroup, TrainStream

_log = logging.getLogger(__name__)

Kind = Literal["finished", "early", "stopped", "failed"]
"""All steps; no progress any more; on request; it could not go on."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the driver hands to every worker."""

    config: TrainConfig
    """Placed: nothing in it is `auto`."""
    claim: Claim
    """To the run's folder."""
    size: int
    """Side of the training pictures."""
    row_groups: Sequence[RowGroup]
    """Row groups of the training images."""
    masks: ray.ObjectRef
    """The training masks, a `MaskBank`."""
    init_state: ray.ObjectRef | None
    """State of the generator to start from; None for new weights."""
    link: ActorHandle
    """A `Link` to the driver."""
    run_id: str
    """MLflow's."""
    run_name: str
    """MLflow's, which metrics and logs call the run, too."""
    about: Mapping[str, Any]
    """Facts to keep in every checkpoint."""

    @property
    def run(self) -> str:
        """The run's folder, a path or a URI."""
        return self.claim.folder


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How training ended."""

    kind: Kind
    step: int
    reason: str = ""
    """Of a failure."""


def train_worker(settings: dict[str, Job]) -> Ending:
    """Train until the last step; Ray Train calls it with `{"job": Job}`."""
    job = settings["job"]
    ranks = Ranks.current()
    logs.set_up(run=job.run_name, run_id=job.run_id, rank=ranks.rank, world_size=ranks.size)
    _set_up_process(job.config, ranks)
    init_state = None if job.init_state is None else ray.get(job.init_state)
    trainer = build_trainer(job.config, ranks, size=job.size, init_state=init_state)
    with ExitStack() as stack:
        return _Worker(job, ranks, trainer, stack).run()


def _set_up_process(config: TrainConfig, ranks: Ranks) -> None:
    # It repeats every report on the terminal, whatever the run's own log level, since its logger
    # is called after the file and not the module.
    logging.getLogger(ray_train_context.__file__).setLevel(logging.WARNING)
    # The option's successor is unknown to the older releases of PyTorch that we support.
    warnings.filterwarnings("ignore", message=r".*broadcast_buffers.*", category=FutureWarning)
    cores = os.cpu_count() or 1
    torch.set_num_threads(config.threads_per_worker or max(1, cores // ranks.local_size))
    check_device(config, ranks.device)


class _Worker:
    """One rank's training, from a checkpoint or from the start."""

    def __init__(self, job: Job, ranks: Ranks, trainer: GanTrainer, stack: ExitStack) -> None:
        self._job, self._config, self._ranks, self._trainer = job, job.config, ranks, trainer
        restored = restore(job.run, ranks)
        self._rollbacks = 0
        self._metrics = WorkerMetrics(job.run_name, ranks.rank)
        stack.callback(self._metrics.close)
        self._recorder: Recorder | None = None
        if ranks.rank == 0:
            self._recorder = stack.enter_context(self._open_recorder(restored))
        self._load(restored.state)

    def _open_recorder(self, restored: Restored) -> AbstractContextManager[Recorder]:
        job = self._job
        return Recorder.open(
            job.config,
            job.claim,
            job.run_id,
            job.about,
            job.link,
            restored,
            RunMetrics(job.run_name),
        )

    def run(self) -> Ending:
        """Train, and go back to the last checkpoint when a loss is not finite."""
        if self._recorder is not None:
            self._recorder.save_first(self._trainer, self._rollbacks)
        in_a_row, reached = 0, -1
        while True:
            try:
                return self._train()
            except NonFiniteLossError as error:
                # Every rank comes here at the same step.
                before, reached = reached, self._go_back()
                in_a_row = in_a_row + 1 if reached == before else 1
                if in_a_row > self._config.max_rollbacks:
                    return self._fail(self._advice(error, back=in_a_row - 1))
                self._say(f"{error}; on with other flips, crops and masks")

    def _train(self) -> Ending:
        """Train to the end, or to whatever ends it before."""
        if self._gives_up():
            return self._end("early")
        for batch in self._metrics.awaited(self._batches()):
            values = self._step(batch)
            recorder = self._recorder
            signals = self._ranks.total(
                {
                    "undecodable": _undecodable(batch),
                    "stop": int(recorder is not None and recorder.stop_requested),
                    "failed": int(recorder is not None and recorder.saver.failure is not None),
                }
            )
            if recorder is not None:
                with self._metrics.spending("validation"):
                    recorder.record(self._trainer, values, signals["undecodable"], self._rollbacks)
            if signals["failed"]:
                return self._failed_to_save()
            early = self._validation_is_due() and self._gives_up()
            if signals["stop"] or early or self._checkpoint_is_due():
                self._save()
            if signals["stop"]:
                return self._end("stopped")
            if early:
                return self._end("early")
        return self._end("finished")

    def _batches(self) -> Iterator[Batch]:
        config = self._config
        stream = TrainStream(
            row_groups=self._job.row_groups,
            masks=self._job.masks,
            batch_size=config.batch_size,
            rank=self._ranks.rank,
            world_size=self._ranks.size,
            seed=config.seed,
            size=config.size,
            crop_size=config.crop_size,
            variation=self._rollbacks,
        )
        return stream.batches(self._trainer.step_count, config.steps)

    def _step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Run one step; the values also hold what was trained on."""
        started = time.perf_counter()
        with self._metrics.spending("step"):
            values = self._compute(batch)
        seconds = time.perf_counter() - started
        count = len(batch["decoded"])
        self._metrics.stepped(count, undecodable=_undecodable(batch), seconds=seconds)
        return values

    def _compute(self, batch: Batch) -> dict[str, torch.Tensor]:
        trainer, device = self._trainer, self._ranks.device
        torch.manual_seed(stable_hash(self._config.seed, trainer.step_count, self._ranks.rank))
        layout = torch.channels_last if self._config.channels_last else torch.contiguous_format
        ground_truth = to_tensor(batch["image"]).to(device, memory_format=layout)
        valid = torch.from_numpy(~batch["hole"])[:, None].to(device)
        values = trainer.step(ground_truth, valid)
        return values | {"ground_truth": ground_truth, "valid": valid}

    def _checkpoint_is_due(self) -> bool:
        step, config = self._trainer.step_count, self._config
        every = (config.checkpoint_every, config.validate_every)
        return step == config.steps or any(step % interval == 0 for interval in every)

    def _validation_is_due(self) -> bool:
        return self._trainer.step_count % self._config.validate_every == 0

    def _gives_up(self) -> bool:
        """Whether rank 0 has seen enough validations without progress; every rank calls it."""
        if not self._config.early_stop:
            return False
        recorder = self._recorder
        return bool(
            self._ranks.total({"up": int(recorder is not None and recorder.gives_up)})["up"]
        )

    def _save(self) -> None:
        with self._metrics.spending("checkpoint"):
            # Alike on every rank. A loss tells only one step later, when they would lie in storage.
            self._trainer.require_finite_weights()
            if self._recorder is not None:
                self._recorder.save(self._trainer, self._rollbacks)

    def _go_back(self) -> int:
        """Go back to the newest checkpoint, and draw other randomness; return its step."""
        if self._recorder is not None:
            self._recorder.forget_unsaved()
        restored = restore(self._job.run, self._ranks)
        assert restored.state is not None
        if self._recorder is not None and restored.passed_over is not None:
            self._recorder.know_what_is_logged()
        rollbacks = self._rollbacks + 1
        self._load(restored.state)
        self._rollbacks = rollbacks
        return self._trainer.step_count

    def _advice(self, error: NonFiniteLossError, *, back: int) -> str:
        """Say what stopped the run and how to start another."""
        tried = f", also after going back {back} times" if back else ""
        return (
            f"{error}{tried}. The checkpoints are in {printable(self._job.run)}; the model of one "
            "can start another run: --init-from CHECKPOINT and another --name"
        )

    def _say(self, message: str) -> None:
        if self._ranks.rank == 0:
            say(_log, message, step=self._trainer.step_count)

    def _load(self, state: Mapping[str, Any] | None) -> None:
        if state is None:
            return
        self._trainer.load_state_dict(state["trainer"])
        step, workers = self._trainer.step_count, self._ranks.size
        self._say(f"on from the checkpoint of step {step}, {workers} worker(s)")
        self._rollbacks = state["rollbacks"]
        if self._recorder is not None:
            self._recorder.load_state_dict(state["observer"])

    def _end(self, kind: Kind) -> Ending:
        """End once the last checkpoint is safe, if it can be."""
        if self._recorder is not None:
            self._recorder.saver.wait()
            if self._recorder.saver.failure is not None:
                return self._failed_to_save()
        return self._ending(kind)

    def _failed_to_save(self) -> Ending:
        return self._fail("" if self._recorder is None else str(self._recorder.saver.failure))

    def _fail(self, reason: str) -> Ending:
        """End without what no checkpoint covers: the same command would repeat those steps."""
        if self._recorder is not None:
            self._recorder.saver.wait()
            self._recorder.observer.tracker.drop()
        return self._ending("failed", reason)

    def _ending(self, kind: Kind, reason: str = "") -> Ending:
        return Ending(kind=kind, step=self._trainer.step_count, reason=reason)


def _undecodable(batch: Batch) -> int:
    return int((~batch["decoded"]).sum())
