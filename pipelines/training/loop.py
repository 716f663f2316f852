"""What every training worker runs: stream, step, report; rank 0 also validates and tracks.

Ray Train calls `train_worker` on each worker. It starts from the newest registered checkpoint where
there is one, so that a replaced worker and a rerun command go on where the run was.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from ray.train import CheckpointConsistencyMode
from ray.train.v2._internal.execution import context as ray_train_context
from torch import Tensor, nn

from isnet.checkpoint import load_training_state, save_generator, save_training_state
from isnet.config import InputError
from isnet.discriminator import build_discriminator
from isnet.images import to_tensor
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss, needs_extractor
from isnet.network import generator_from_config
from isnet.training import GanTrainer, NonFiniteLossError
from isnet.vgg import build_extractor
from pipelines.seeding import stable_hash
from pipelines.tracking.tracker import Tracker
from pipelines.training.config import TrainConfig
from pipelines.training.observer import Observer
from pipelines.training.streams import Batch, RowGroup, TrainStream


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the driver hands to every worker."""

    config: TrainConfig
    row_groups: Sequence[RowGroup]
    """Row groups of the training images."""
    masks: ray.ObjectRef
    """The training masks, a `MaskBank`."""
    init_state: ray.ObjectRef | None
    """State of the generator to start from; None for new weights."""
    use_gpu: bool
    """Whether each worker has a GPU."""
    tracking_uri: str
    run_id: str
    folder: str
    """Local folder for what cannot be sent to MLflow."""
    about: Mapping[str, Any]
    """Facts to keep in every checkpoint."""


def train_worker(settings: dict[str, Job]) -> str | None:
    """Train until the last step; Ray Train calls it with `{"job": Job}`.

    Returns:
        Why training stopped before its last step, or None.

    """
    job = settings["job"]
    # It repeats every report on the terminal, whatever the run's own log level, since its logger
    # is called after the file and not the module.
    logging.getLogger(ray_train_context.__file__).setLevel(logging.WARNING)
    # The option's successor is unknown to the older releases of PyTorch that we support.
    warnings.filterwarnings("ignore", message=r".*broadcast_buffers.*", category=FutureWarning)
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    _share_cores(job.config, context.get_local_world_size())
    device = ray.train.torch.get_device()
    _check_device(job, device)
    trainer = build_trainer(job, device, world_size)
    pending = _resume(trainer)
    with _observer(job, rank, world_size, pending) as observer:
        try:
            for batch in _stream(job, rank, world_size, trainer.step_count):
                _train_on(batch, trainer, observer, job)
        except NonFiniteLossError as error:
            # Every rank comes here at the same step. Not raised: a retry would only meet it again.
            return str(error)
    return None


def _check_device(job: Job, device: torch.device) -> None:
    if job.use_gpu and not torch.cuda.is_available():
        raise InputError(
            f"Ray gave this worker a GPU, but PyTorch {torch.__version__} has no CUDA; "
            "install a CUDA build of torch, or give --device cpu"
        )
    assert job.use_gpu or device.type == "cpu"


def build_trainer(job: Job, device: torch.device, world_size: int) -> GanTrainer:
    """Build both networks alike on every rank, and what trains them."""
    config = job.config
    generator = _first_generator(job)
    torch.manual_seed(config.seed)
    discriminator = build_discriminator(
        sigmoid=config.discriminator.sigmoid, channels=config.discriminator.channels
    )
    initialise(discriminator, "normal", std=config.optimizer.init_std)
    weights = config.loss.weights()
    extractor = None
    if needs_extractor(weights):
        extractor = build_extractor(config.loss.extractor, config.loss.extractor_weights)
        _place(extractor, device)
    return GanTrainer(
        _place(generator, device),
        _place(discriminator, device),
        GeneratorLoss(weights, extractor),
        optimizer=config.optimizer,
        margin=config.loss.margin,
        autocast=torch.bfloat16 if config.precision == "bf16" else None,
        wrap=lambda module: _data_parallel(module, config, world_size),
        mean=lambda tensor: _mean_over_ranks(tensor, world_size),
    )


def _place(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to its device, channels last: the layout that convolutions are fastest in."""
    placed: nn.Module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def _first_generator(job: Job) -> nn.Module:
    """Build the generator that training starts from; the same on every rank."""
    config = job.config
    if job.init_state is not None:
        generator = generator_from_config(config.generator)
        generator.load_state_dict(ray.get(job.init_state))
        return generator.train()
    return new_generator(
        config.generator,
        seed=config.seed,
        initialisation=config.optimizer.initialisation,
        init_std=config.optimizer.init_std,
    )


def _data_parallel(module: nn.Module, config: TrainConfig, world_size: int) -> nn.Module:
    if world_size == 1:
        return module
    options = {
        # The base model's last low-resolution output goes nowhere (Table 7).
        "find_unused_parameters": config.generator.design == "base",
        # The only buffers are spectral norm's, which equal updates keep equal.
        "broadcast_buffers": False,
    }
    parallel: nn.Module = ray.train.torch.prepare_model(module, parallel_strategy_kwargs=options)
    return parallel


def _mean_over_ranks(tensor: Tensor, world_size: int) -> Tensor:
    if world_size == 1:
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total / world_size


def _share_cores(config: TrainConfig, local_workers: int) -> None:
    cores = os.cpu_count() or 1
    torch.set_num_threads(config.threads_per_worker or max(1, cores // local_workers))


def _stream(job: Job, rank: int, world_size: int, start_step: int) -> Iterator[Batch]:
    stream = TrainStream(
        row_groups=job.row_groups,
        masks=job.masks,
        batch_size=job.config.batch_size,
        rank=rank,
        world_size=world_size,
        seed=job.config.seed,
    )
    return stream.batches(start_step, job.config.steps)


def _train_on(batch: Batch, trainer: GanTrainer, observer: Observer | None, job: Job) -> None:
    """Run one step, and whatever is due after it."""
    config = job.config
    rank = ray.train.get_context().get_world_rank()
    torch.manual_seed(stable_hash(config.seed, trainer.step_count, rank))
    device = ray.train.torch.get_device()
    ground_truth = to_tensor(batch["image"]).to(device, memory_format=torch.channels_last)
    valid = torch.from_numpy(~batch["hole"])[:, None].to(device)
    values = trainer.step(ground_truth, valid)
    step = trainer.step_count
    last = step == config.steps
    if observer is not None:
        observer.count(batch)
        if step % config.log_every == 0 or last:
            observer.log(step, values, ground_truth, valid)
        if step % config.validate_every == 0 or last:
            observer.validate(step, trainer.export())
    if step % config.checkpoint_every == 0 or last:
        _checkpoint(job, trainer, observer)


def _checkpoint(job: Job, trainer: GanTrainer, observer: Observer | None) -> None:
    """Report a checkpoint; metrics go to MLflow once it is registered."""
    if observer is None:
        ray.train.report({"step": trainer.step_count})
        return
    with tempfile.TemporaryDirectory() as folder:
        save_generator(folder, trainer.export(), job.config.generator, about=job.about)
        save_training_state(
            folder, {"trainer": trainer.state_dict(), "pending": observer.tracker.pending()}
        )
        checkpoint = ray.train.Checkpoint.from_directory(folder)
        metrics = {"step": trainer.step_count, **observer.last_validation}
        ray.train.report(metrics, checkpoint=checkpoint)
    ray.train.get_all_reported_checkpoints(CheckpointConsistencyMode.COMMITTED)
    observer.tracker.commit()


def _resume(trainer: GanTrainer) -> list[dict[str, Any]]:
    """Continue from the newest checkpoint, if any; return metrics that MLflow may not have."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as folder:
        state = load_training_state(folder)
    trainer.load_state_dict(state["trainer"])
    pending: list[dict[str, Any]] = state["pending"]
    return pending


@contextmanager
def _observer(
    job: Job, rank: int, world_size: int, pending: list[dict[str, Any]]
) -> Iterator[Observer | None]:
    """Open rank 0's observer; the other ranks have none."""
    if rank != 0:
        yield None
        return
    tracker = Tracker(job.tracking_uri, job.run_id, unsent_folder=Path(job.folder), pending=pending)
    with tracker:
        yield Observer(job.config, tracker)
