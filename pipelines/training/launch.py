"""Starting Ray Train for a run: what each worker gets, where it computes, how it ends."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from isnet.config import InputError
from pipelines.claim import Claim
from pipelines.cluster import connect
from pipelines.logs import say
from pipelines.shards import Manifest
from pipelines.storage import open_filesystem, printable
from pipelines.training.checks import Inspection
from pipelines.training.config import AUTO, TrainConfig
from pipelines.training.link import on_sigterm
from pipelines.training.loop import Ending, Job, train_worker
from pipelines.training.mask_bank import read_mask_bank
from pipelines.training.metrics import active
from pipelines.training.runs import Run

_log = logging.getLogger(__name__)


def connect_for(config: TrainConfig) -> None:
    """Connect to Ray, with room for the workers where it is started here."""
    # Ray Train's own handling of print() shows every progress line twice.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")
    workers = 1 if config.num_workers == AUTO else config.worker_range()[1]
    # One decoding task more than cores: one of them always waits for its place in the order.
    tasks = (os.cpu_count() or 1) + 1
    connect(num_cpus=tasks + math.ceil(workers * config.cpus_per_worker))


def launch(
    run: Run,
    claim: Claim,
    manifest: Manifest,
    inspection: Inspection,
    link: ActorHandle,
    run_name: str,
) -> Ending:
    """Train to the last step, from the newest checkpoint where there is one.

    `link` is a `Link`, by which the run can be asked to end; `run_name` is MLflow's.

    Raises:
        InputError: the run's folder cannot be written.

    """
    config = run.config
    kind = "GPU" if config.device == "gpu" else "CPU"
    workers = f"{config.num_workers} {kind} worker(s), {config.precision}"
    say(_log, f"training {config.name} on {workers}")
    job = _job(run, claim, manifest, inspection, link, run_name)
    with on_sigterm(link), closing(active(run_name)), _storage_errors(run):
        result: Any = _trainer(config, job).fit()
    ending: Ending = result.return_value
    return ending


@contextmanager
def _storage_errors(run: Run) -> Iterator[None]:
    """Say of a full or unwritable disk which one it is: Ray Train keeps files of its own there."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = getattr(cause, "controller_failure", None) or cause.__cause__
        if cause is None:
            raise
        reason = str(cause).splitlines()[0]
        raise InputError(
            f"cannot write to {printable(run.location)}: {printable(reason)}; make room or give "
            "access, and run the same command again"
        ) from error


def _job(
    run: Run,
    claim: Claim,
    manifest: Manifest,
    inspection: Inspection,
    link: ActorHandle,
    run_name: str,
) -> Job:
    config = run.config
    state = inspection.init_state
    size = config.size or manifest.size
    return Job(
        config=config,
        claim=claim,
        size=config.crop_size or size,
        row_groups=inspection.row_groups,
        masks=ray.put(read_mask_bank(config.data, manifest, "train", size=size)),
        init_state=None if state is None else ray.put(state),
        link=link,
        run_id=str(run.run_id),
        run_name=run_name,
        about=run.about(inspection.facts),
    )


def _trainer(config: TrainConfig, job: Job) -> TorchTrainer:
    filesystem, storage_path = open_filesystem(config.output)
    use_gpu = config.device == "gpu"
    resources = {"CPU": config.cpus_per_worker}
    if use_gpu:
        resources["GPU"] = config.gpus_per_worker
    fewest, most = config.worker_range()
    return TorchTrainer(
        train_worker,  # type: ignore[arg-type]  # annotated without the value that Result returns
        train_loop_config={"job": job},
        # NCCL refuses two ranks on one GPU.
        torch_config=TorchConfig(
            backend="nccl" if use_gpu and config.gpus_per_worker == 1 else "gloo"
        ),
        scaling_config=ScalingConfig(
            num_workers=most if fewest == most else (fewest, most),  # type: ignore[arg-type]
            use_gpu=use_gpu,
            resources_per_worker=resources,
        ),
        run_config=RunConfig(
            name=config.name,
            storage_path=storage_path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=config.max_failures),
            # The terminal is for our own progress lines.
            logging_config=LoggingConfig(log_level="WARNING"),  # type: ignore[call-arg]
        ),
    )
