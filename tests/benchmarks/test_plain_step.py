"""The trainer's step against the plain one: the same losses and weights, step after step."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.plain_step import PlainTrainer
from isnet.config import LOSS_PRESETS, GeneratorConfig, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.initialisation import new_generator
from isnet.losses import GeneratorLoss
from isnet.training import GanTrainer
from tests.isnet.small_training import EQ5_WITHOUT_VGG, small_batch, small_trainer


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("batched_norms", [False, True])
@pytest.mark.parametrize("preset", ["eq4", "eq5"])
def test_the_step_is_the_plain_step(preset, batched_norms, channels_last):
    weights = LOSS_PRESETS[preset]
    trainer = small_trainer(
        weights, batched_norms=batched_norms, channels_last=channels_last, generator_lr=1e-4
    )
    plain = PlainTrainer(
        copy.deepcopy(trainer.generator),
        copy.deepcopy(trainer.discriminator),
        GeneratorLoss(weights, trainer.loss.extractor),
        optimizer=OptimizerConfig(generator_lr=1e-4),
    )
    for step in range(3):
        image, valid = small_batch(step)
        if channels_last:
            image = image.to(memory_format=torch.channels_last)
        expected, values = plain.step(image, valid), trainer.step(image, valid)
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            # Adam's first updates are near a gradient's sign, and so enlarge what rounding left.
            tolerance = 1e-5 if step == 0 else 1e-4
            torch.testing.assert_close(values[name], value, rtol=1e-3, atol=tolerance)
    for ours, theirs in (
        (trainer.generator, plain.generator),
        (trainer.discriminator, plain.discriminator),
    ):
        states = ours.state_dict(), theirs.state_dict()
        assert states[0].keys() == states[1].keys()
        for name, tensor in states[1].items():
            torch.testing.assert_close(states[0][name], tensor, rtol=1e-2, atol=1e-4)


class _Counting(TorchDispatchMode):
    """Counts the operations that would be launched; views are none."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if not operation.is_view:
            self.counts[str(operation)] += 1
        return operation(*args, **(kwargs or {}))


def _counted(trainer):
    trainer.step(*small_batch())  # the first one also sets the optimizers up
    with _Counting() as counting:
        trainer.step(*small_batch())
    return counting.counts


def test_the_step_launches_less_than_half_and_reads_no_number_on_its_way():
    generator = new_generator(
        GeneratorConfig(channels=2), seed=0, initialisation="normal", init_std=0.02
    )
    discriminator = build_discriminator(channels=2)
    settings = {"loss": GeneratorLoss(EQ5_WITHOUT_VGG, None), "optimizer": OptimizerConfig()}
    plain = PlainTrainer(copy.deepcopy(generator), copy.deepcopy(discriminator), **settings)
    theirs = _counted(plain)
    ours = _counted(GanTrainer(generator, discriminator, batched_norms=True, **settings))
    assert ours.total() < 0.5 * theirs.total()
    # Reading a number makes the CPU wait for a GPU; the terms are read together at the end.
    reading = "aten._local_scalar_dense.default"
    assert theirs[reading] >= 2
    assert ours[reading] == 0
