"""Checkpoints as training writes them, of small new networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig
from isnet.initialisation import new_generator
from pipelines.training.config import smoke

SMALL = GeneratorConfig(blocks=1, channels=2)
UNBOUNDED = replace(SMALL, design="base")
"""Its activations have no bound, so that it cannot be computed in int8."""
FACTS: Mapping[str, Any] = {"config": asdict(smoke())}


def small_generator(seed: int, config: GeneratorConfig = SMALL) -> torch.nn.Module:
    """A generator that has not been trained."""
    return new_generator(config, seed=seed, initialisation="orthogonal", init_std=0.02).eval()


def write_checkpoint(
    folder: Path,
    *,
    seed: int = 0,
    about: Mapping[str, Any] = FACTS,
    generator: torch.nn.Module | None = None,
    config: GeneratorConfig = SMALL,
) -> Path:
    """Write a checkpoint directory."""
    folder.mkdir(parents=True)
    save_generator(folder, generator or small_generator(seed, config), config, about=about)
    return folder
