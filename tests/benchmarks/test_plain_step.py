"""The trainer's step against the plain one: the same losses and weights, step after step."""

from __future__ import annotations

import copy

import pytest
import torch

from benchmarks.plain_step import PlainTrainer
from isnet.config import LOSS_PRESETS, OptimizerConfig
from isnet.losses import GeneratorLoss
from tests.isnet.small_training import small_batch, small_trainer


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("preset", ["eq4", "eq5"])
def test_the_step_is_the_plain_step(preset, channels_last):
    weights = LOSS_PRESETS[preset]
    trainer = small_trainer(weights, channels_last=channels_last)
    plain = PlainTrainer(
        copy.deepcopy(trainer.generator),
        copy.deepcopy(trainer.discriminator),
        GeneratorLoss(weights, trainer.loss.extractor),
        optimizer=OptimizerConfig(generator_lr=1e-3),
    )
    for step in range(3):
        image, valid = small_batch(step)
        if channels_last:
            image = image.to(memory_format=torch.channels_last)
        expected, values = plain.step(image, valid), trainer.step(image, valid)
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(values[name], value, rtol=1e-4, atol=1e-5)
    for ours, theirs in (
        (trainer.generator, plain.generator),
        (trainer.discriminator, plain.discriminator),
    ):
        states = ours.state_dict(), theirs.state_dict()
        assert states[0].keys() == states[1].keys()
        for name, tensor in states[1].items():
            torch.testing.assert_close(states[0][name], tensor, rtol=1e-2, atol=1e-4)
