"""What a checkpoint of a run weighs and costs: bytes by file, seconds to copy and to write."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from isnet.checkpoint import save_generator, save_training_state, snapshot
from isnet.config import GeneratorConfig, LossConfig, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.losses import GeneratorLoss
from isnet.network import generator_from_config
from isnet.training import GanTrainer


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
