"""A narrow trainer and its batches, for the tests of the step."""

from __future__ import annotations

from dataclasses import replace

import torch

from isnet.config import GeneratorConfig, LossWeights, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss
from isnet.training import GanTrainer
from isnet.vgg import build_extractor

SMALL = GeneratorConfig(blocks=1, channels=2)
EQ5_WITHOUT_VGG = LossWeights(l1=1, adversarial=3)


def small_generator(seed, design="isnet"):
    """Build a narrow generator."""
    config = replace(SMALL, design=design)
    return new_generator(config, seed=seed, initialisation="normal", init_std=0.02)


def small_trainer(
    weights=EQ5_WITHOUT_VGG,
    *,
    seed=0,
    design="isnet",
    wrap=lambda module: module,
    mean=lambda tensor: tensor,
    accumulate=1,
    batched_norms=False,
    compiled=False,
    autocast=None,
    channels_last=False,
    **optimizer,
):
    """Build a trainer of narrow networks, every option of the step at hand."""
    generator = small_generator(seed, design)
    discriminator = build_discriminator(channels=2)
    initialise(discriminator, "normal", std=0.02)
    if channels_last:
        for network in (generator, discriminator):
            network.to(memory_format=torch.channels_last)
    extractor = build_extractor("random") if weights.style or weights.perceptual else None
    return GanTrainer(
        generator,
        discriminator,
        GeneratorLoss(weights, extractor),
        optimizer=OptimizerConfig(**{"generator_lr": 1e-3, **optimizer}),
        wrap=wrap,
        mean=mean,
        accumulate=accumulate,
        batched_norms=batched_norms,
        compiled=compiled,
        autocast=autocast,
    )


def small_batch(seed=0):
    """Draw two images (2, 3, 32, 32) and where they are known."""
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, 32, 32, generator=random)
    valid = torch.rand(2, 1, 32, 32, generator=random) > 0.3
    return image, valid
