"""One rank of the bare side of benchmarks/overhead.py: PyTorch's own data parallelism, no more.

`torchrun` starts it with the options in its environment; nothing of Ray is imported.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.stepping import StepSettings, TimedBatches
from isnet.config import DiscriminatorConfig, GeneratorConfig, LossConfig, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.images import to_tensor
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss
from isnet.training import GanTrainer
from isnet.vgg import build_extractor


@dataclass(frozen=True, kw_only=True)
class BareSettings:
    """What a rank is told."""

    step: StepSettings
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    threads: int
    gpu: bool
    bf16: bool
    output: str
    """File for rank 0's times of the steps."""

    def to_json(self) -> str:
        """Encode for the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BareSettings:
        """Decode what `to_json` gave."""
        content = json.loads(text)
        parts = {
            "step": StepSettings,
            "generator": GeneratorConfig,
            "discriminator": DiscriminatorConfig,
            "loss": LossConfig,
            "optimizer": OptimizerConfig,
        }
        return cls(**content | {name: kind(**content[name]) for name, kind in parts.items()})


def main(settings: BareSettings) -> None:
    """Train on every rank; rank 0 writes how long its steps took."""
    # As in the project's loop: the option's successor is unknown to older releases.
    warnings.filterwarnings("ignore", message=r".*broadcast_buffers.*", category=FutureWarning)
    torch.set_num_threads(settings.threads)
    dist.init_process_group("nccl" if settings.gpu else "gloo")
    rank = dist.get_rank()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if settings.gpu else "cpu"
    if settings.gpu:
        torch.cuda.set_device(device)
    trainer = _trainer(settings, torch.device(device))
    batches = TimedBatches(settings.step, rank=rank)
    for batch in batches:
        ground_truth = to_tensor(batch["image"]).to(device, memory_format=torch.channels_last)
        trainer.step(ground_truth, torch.from_numpy(~batch["hole"])[:, None].to(device))
    if rank == 0:
        Path(settings.output).write_text(json.dumps(asdict(batches.times())))
    dist.destroy_process_group()


def _trainer(settings: BareSettings, device: torch.device) -> GanTrainer:
    layout = torch.channels_last
    optimizer = settings.optimizer
    generator = new_generator(
        settings.generator,
        seed=0,
        initialisation=optimizer.initialisation,
        init_std=optimizer.init_std,
    ).to(device=device, memory_format=layout)
    discriminator = build_discriminator(channels=settings.discriminator.channels)
    initialise(discriminator, "normal", std=optimizer.init_std)
    extractor = build_extractor(settings.loss.extractor).to(device=device, memory_format=layout)
    return GanTrainer(
        generator,
        discriminator.to(device=device, memory_format=layout),
        GeneratorLoss(settings.loss.weights(), extractor),
        optimizer=optimizer,
        autocast=torch.bfloat16 if settings.bf16 else None,
        wrap=lambda module: _data_parallel(module, device),
        mean=_mean,
    )


def _data_parallel(module: nn.Module, device: torch.device) -> nn.Module:
    ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False)


def _mean(tensor: Tensor) -> Tensor:
    total = tensor.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


if __name__ == "__main__":
    main(BareSettings.from_json(sys.argv[1]))
