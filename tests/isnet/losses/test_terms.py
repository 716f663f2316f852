"""Every loss term against a few lines of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from isnet import losses

RATIO = torch.tensor(0.25)


@pytest.fixture
def maps() -> tuple[list[Tensor], list[Tensor]]:
    """Two lists of feature maps of three shapes."""
    generator = torch.Generator().manual_seed(6)
    shapes = ((2, 4, 8, 6), (2, 8, 4, 3), (2, 16, 2, 1))
    ours = [torch.randn(shape, generator=generator) for shape in shapes]
    return ours, [torch.randn(shape, generator=generator) for shape in shapes]


def _arrays(*lists: list[Tensor]) -> Iterator[tuple[np.ndarray, ...]]:
    for tensors in zip(*lists, strict=True):
        yield tuple(tensor.double().numpy() for tensor in tensors)


def test_l1_is_per_share_of_missing_pixels(images: tuple[Tensor, Tensor]) -> None:
    prediction, truth = images
    expected = np.abs(prediction.detach().numpy() - truth.numpy()).sum() / truth.numel() / 0.25
    assert losses.l1(prediction, truth, hole_ratio=RATIO).item() == pytest.approx(expected)


def test_l1_of_a_batch_without_holes_is_finite(images: tuple[Tensor, Tensor]) -> None:
    value = losses.l1(*images, hole_ratio=torch.tensor(0.0))
    assert torch.isfinite(value)
    assert value == losses.l1(*images, hole_ratio=torch.tensor(losses.MIN_HOLE_RATIO))


@pytest.mark.parametrize("term", [losses.perceptual, losses.feature_matching])
def test_feature_terms_are_mean_differences_summed_over_layers(
    term: Any, maps: tuple[list[Tensor], list[Tensor]]
) -> None:
    expected = sum(np.abs(a - b).sum() / a.size for a, b in _arrays(*maps))
    assert term(*maps).item() == pytest.approx(expected, rel=1e-5)


def test_gram_is_divided_by_channels_and_pixels(maps: tuple[list[Tensor], list[Tensor]]) -> None:
    features = maps[0][0]
    array = features.double().numpy()
    for b, i, j in np.ndindex(2, 4, 4):
        expected = (array[b, i] * array[b, j]).sum() / (4 * 8 * 6)
        assert losses.gram(features)[b, i, j].item() == pytest.approx(expected, abs=1e-6)


def test_style_is_the_mean_over_gram_matrices(maps: tuple[list[Tensor], list[Tensor]]) -> None:
    expected = 0.0
    for ours, real in _arrays(*maps):
        batch, channels, height, width = ours.shape
        difference = np.einsum("bihw,bjhw->bij", ours, ours)
        difference -= np.einsum("bihw,bjhw->bij", real, real)
        expected += np.abs(difference).sum() / (channels * height * width) / (batch * channels**2)
    assert losses.style(*maps).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("term", [losses.perceptual, losses.style, losses.feature_matching])
def test_real_features_get_no_gradient(term: Any, maps: tuple[list[Tensor], list[Tensor]]) -> None:
    ours, real = maps
    for tensor in (*ours, *real):
        tensor.requires_grad_()
    term(ours, real).backward()
    assert all(tensor.grad is not None for tensor in ours)
    assert all(tensor.grad is None for tensor in real)


@pytest.mark.parametrize("term", [losses.perceptual, losses.style, losses.feature_matching])
def test_lists_of_different_length_are_refused(
    term: Any, maps: tuple[list[Tensor], list[Tensor]]
) -> None:
    with pytest.raises(ValueError, match="shorter"):
        term(maps[0], maps[1][:2])


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        losses.l1(torch.rand(2, 3, 4, 4), torch.rand(1, 3, 4, 4), hole_ratio=RATIO)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_discriminator_hinge(margin: float) -> None:
    real, fake = torch.randn(2, 3, 1, 5, 5, generator=torch.Generator().manual_seed(2)) * 2
    expected = np.maximum(0, margin - real.numpy()).mean()
    expected += np.maximum(0, margin + fake.numpy()).mean()
    value = losses.discriminator_hinge(real, fake, margin)
    assert value.item() == pytest.approx(float(expected), rel=1e-5)


def test_separated_logits_cost_the_discriminator_nothing() -> None:
    assert losses.discriminator_hinge(torch.full((4,), 1.5), torch.full((4,), -1.5)) == 0


def test_adversarial_is_minus_the_mean_logit() -> None:
    assert losses.adversarial(torch.tensor([[1.0, 2.0], [3.0, -2.0]])) == -1.0


def test_gram_under_autocast_is_not_rounded(maps: tuple[list[Tensor], list[Tensor]]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = losses.gram(maps[0][0])
    assert torch.equal(rounded, losses.gram(maps[0][0]))


def test_half_precision_logits_do_not_round_the_mean() -> None:
    logits = torch.full((1, 1, 64, 64), 1.0, dtype=torch.bfloat16)
    logits[..., 0] = 1.0078125
    expected = logits.double().mean().item()
    assert losses.adversarial(logits).item() == pytest.approx(-expected, rel=1e-6)
