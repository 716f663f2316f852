"""The step in other layouts and precisions, against the plain one."""

from __future__ import annotations

import torch

from isnet.config import LossWeights
from tests.isnet.small_training import small_batch, small_trainer


def test_channels_last_is_the_same_step():
    contiguous, last = small_trainer(), small_trainer(channels_last=True)
    for step in range(3):
        image, valid = small_batch(step)
        expected = contiguous.step(image, valid)
        values = last.step(image.to(memory_format=torch.channels_last), valid)
        for name, value in expected.items():
            torch.testing.assert_close(values[name], value, rtol=1e-4, atol=1e-5)


def test_bf16_is_nearly_the_same_step():
    weights = LossWeights(l1=1, adversarial=0.1, perceptual=0.1, style=250, feature_matching=10)
    full, half = small_trainer(weights), small_trainer(weights, autocast=torch.bfloat16)
    for step in range(3):
        expected, values = full.step(*small_batch(step)), half.step(*small_batch(step))
        for name, value in expected.items():
            assert values[name].dtype == torch.float32
            torch.testing.assert_close(values[name], value, rtol=0.05, atol=0.02)
    assert not torch.equal(values["prediction"], expected["prediction"])
    for _, weight in half.generator.named_parameters():
        assert weight.dtype == torch.float32
