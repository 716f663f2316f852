"""What the networks of a run weigh: operations of a sample, parameters, bytes of a checkpoint."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch._subclasses import FakeTensorMode  # tensors of a shape and a device, without values
from torch.utils.flop_counter import FlopCounterMode

from isnet.checkpoint import save_generator, save_training_state, snapshot
from isnet.config import GeneratorConfig, LossConfig, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.losses import GeneratorLoss
from isnet.network import generator_from_config
from isnet.training import GanTrainer
from isnet.vgg import build_extractor

FORWARDS = {"generator": 3, "discriminator": 8, "extractor": 3}
"""Forward passes that a sample's step is worth, a backward pass being worth two, or one where it
only passes gradients to the image. The generator: forward and backward. The discriminator: both on
the ground truth and on the prediction, and once more forward and to the image in the generator's
step. VGG: forward on the ground truth; forward and to the image on the prediction."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Sizes of the three networks."""

    parameters: dict[str, int]
    """Trained ones, by network."""
    forward_flop: dict[str, int]
    """Of one image, by network; a multiplication and an addition are two."""

    @property
    def step_flop(self) -> int:
        """Floating-point operations of one sample in a training step."""
        return sum(FORWARDS[name] * flop for name, flop in self.forward_flop.items())


def count(config: GeneratorConfig, *, size: int) -> Networks:
    """Count the networks of `config` on images of `size`; nothing is computed."""
    with FakeTensorMode():
        networks = {
            "generator": generator_from_config(config),
            "discriminator": build_discriminator(channels=2 * config.channels),
            "extractor": build_extractor("random"),
        }
        return Networks(
            parameters={name: _parameters(network) for name, network in networks.items()},
            forward_flop={name: _flop(network, size) for name, network in networks.items()},
        )


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _flop(network: nn.Module, size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, size, size))
    return counter.get_total_flops()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One that was written."""

    files: dict[str, int]
    """Bytes by name."""
    snapshot_s: float
    """Seconds that training waits for: the copy of its state, and the generator to ship."""
    write_s: float
    """Seconds of writing it to a local disk, beside training."""


def write_checkpoint(config: GeneratorConfig) -> Checkpoint:
    """Train one step on the smallest image, so that Adam has its state, and write a checkpoint."""
    generator = generator_from_config(config).train()
    discriminator = build_discriminator(channels=2 * config.channels).train()
    loss = LossConfig(perceptual=0, style=0)  # VGG is not part of a checkpoint
    trainer = GanTrainer(
        generator,
        discriminator,
        GeneratorLoss(loss.weights(), None),
        optimizer=OptimizerConfig(ema_decay=0.999),
    )
    image = torch.full((1, 3, 32, 32), 0.5)
    trainer.step(image, torch.ones_like(image[:, :1], dtype=torch.bool))
    began = time.perf_counter()
    state, exported = snapshot({"trainer": trainer.state_dict()}), trainer.export()
    snapshot_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory(prefix="isnet-budget-") as folder:
        began = time.perf_counter()
        save_generator(folder, exported, config)
        save_training_state(folder, state)
        write_s = time.perf_counter() - began
        files = {path.name: path.stat().st_size for path in sorted(Path(folder).iterdir())}
    return Checkpoint(files=files, snapshot_s=snapshot_s, write_s=write_s)
