"""Spectral norm of all layers at once, against PyTorch's own of each."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional

from isnet.layers import PixelShuffle, SpectralConv, channels_last_shuffle
from isnet.spectral import normalised
from tests.isnet.small_training import small_batch, small_generator


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_predictions_gradients_and_vectors_are_those_of_each_layer_alone(layout):
    alone = small_generator(0).to(memory_format=layout)
    together = copy.deepcopy(alone)
    for step in range(3):
        image, _ = small_batch(step)
        expected = alone(image)
        expected.square().mean().backward()
        with normalised(together):
            found = together(image)
        found.square().mean().backward()
        torch.testing.assert_close(found, expected)
    for ours, theirs in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)
        assert ours.grad.stride() == theirs.grad.stride()
    for ours, theirs in zip(together.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_nothing_is_iterated_in_eval_mode():
    network = small_generator(0).eval()
    before = [buffer.clone() for buffer in network.buffers()]
    image, _ = small_batch()
    with normalised(network), torch.no_grad():
        found = network(image)
    torch.testing.assert_close(found, network(image))
    assert all(map(torch.equal, network.buffers(), before))


def test_the_weights_are_forgotten_even_where_the_pass_fails():
    network = small_generator(0)
    convs = [module for module in network.modules() if isinstance(module, SpectralConv)]
    with normalised(network):
        assert all(conv.given is not None for conv in convs)
    with pytest.raises(ValueError, match="divisible"), normalised(network):
        network(torch.zeros(1, 3, 17, 16))
    assert all(conv.given is None for conv in convs)


def test_cast_weights_are_the_rounded_ones():
    network = small_generator(0).eval()
    with normalised(network, dtype=torch.bfloat16):
        given = network.stem.conv1.given
    torch.testing.assert_close(given, network.stem.conv1.weight.bfloat16())


def test_the_shuffle_of_channels_last_is_pixel_shuffle():
    features = torch.rand(2, 12, 5, 7).to(memory_format=torch.channels_last)
    found = channels_last_shuffle(features, 2)
    assert torch.equal(found, functional.pixel_shuffle(features, 2))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_the_shuffle_keeps_channels_last_elsewhere_than_on_a_cpu():
    features = torch.empty(2, 32, 8, 8, device="meta").to(memory_format=torch.channels_last)
    found = PixelShuffle(2)(features)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.shape == (2, 8, 16, 16)
