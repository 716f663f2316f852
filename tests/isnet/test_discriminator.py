"""The discriminator against the authors' output and parameter count."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from isnet.discriminator import SMALLEST_SIDE, build_discriminator
from tests.reference import golden, published_state, reference_input

TENSORS = {"orig": "original", "u": "0._u", "v": "0._v"}


def _ours(state):
    """Their `features.0` is a second name of `conv1.0`, and the one the formula used."""
    renamed = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"(?:conv(\d)|features)\.0\.weight_(\w+)", name)
        index = int(match[1] or 1) - 1
        renamed[f"convs.{index}.parametrizations.weight.{TENSORS[match[2]]}"] = tensor
    return renamed


def test_logits_equal_the_authors_network():
    discriminator = build_discriminator().double().eval()
    discriminator.load_state_dict(_ours(published_state("discriminator")))
    with torch.no_grad():
        logits, _ = discriminator(reference_input())
    np.testing.assert_allclose(logits.numpy(), golden("discriminator_logits"), atol=1e-4)


def test_parameter_count():
    parameters = build_discriminator().parameters()
    assert sum(parameter.numel() for parameter in parameters) == 2_763_776


def test_five_feature_maps_the_last_the_logits():
    logits, features = build_discriminator(channels=4)(torch.rand(2, 3, 64, 64))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (4, 32, 32),
        (8, 16, 16),
        (16, 8, 8),
        (32, 7, 7),
        (1, 6, 6),
    ]
    assert features[-1] is logits


def test_the_smallest_side_is_the_smallest_that_leaves_a_patch():
    discriminator = build_discriminator(channels=2)
    logits, _ = discriminator(torch.rand(1, 3, SMALLEST_SIDE, SMALLEST_SIDE))
    assert logits.shape == (1, 1, 1, 1)
    with pytest.raises(RuntimeError, match="can't be greater than actual input size"):
        discriminator(torch.rand(1, 3, SMALLEST_SIDE - 1, SMALLEST_SIDE - 1))


def test_sigmoid_bounds_every_layer():
    _, features = build_discriminator(sigmoid=True, channels=4)(torch.rand(1, 3, 32, 32))
    assert all(feature.min() > 0 and feature.max() < 1 for feature in features)


def test_gradients_reach_every_parameter():
    discriminator = build_discriminator(channels=4)
    discriminator(torch.rand(1, 3, 32, 32))[0].sum().backward()
    assert all(parameter.grad.any() for parameter in discriminator.parameters())
