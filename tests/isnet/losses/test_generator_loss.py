"""The weighted sum of the terms: what it calls, what it gives gradients to, its precision."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isnet import losses
from isnet.config import LOSS_PRESETS, InputError, LossWeights
from isnet.losses import GeneratorLoss
from isnet.vgg import VggFeatures, build_extractor

TERMS = ("l1", "adversarial", "perceptual", "style", "feature_matching")
RATIO = torch.tensor(0.25)


class _Discriminator(nn.Module):
    """Five layers whose maps are what the real one returns; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 4, 8, 8, 8, 1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.calls = 0

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.calls += 1
        maps = [image]
        for layer in self.layers:
            maps.append(nn.functional.leaky_relu(layer(maps[-1]), 0.2))
        return maps[-1], maps[1:]


def _never(image: Tensor) -> Any:
    raise AssertionError("a term of weight 0 was computed")


@pytest.fixture(scope="module")
def extractor() -> VggFeatures:
    """The substitute: its values do not matter here."""
    return build_extractor("random")


@pytest.fixture
def discriminator() -> _Discriminator:
    """A fresh small discriminator."""
    torch.manual_seed(0)
    return _Discriminator()


@pytest.mark.parametrize("preset", LOSS_PRESETS)
def test_total_is_the_weighted_sum_of_the_weighted_terms(
    preset: str,
    images: tuple[Tensor, Tensor],
    extractor: VggFeatures,
    discriminator: _Discriminator,
) -> None:
    weights = LOSS_PRESETS[preset]
    loss = GeneratorLoss(weights, extractor)
    terms = loss(*images, hole_ratio=RATIO, discriminator=discriminator)
    weighted = [name for name in TERMS if getattr(weights, name) > 0]
    assert set(terms) == {*weighted, "total"}
    expected = sum(getattr(weights, name) * terms[name].item() for name in weighted)
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)


def test_terms_are_the_pure_functions(
    images: tuple[Tensor, Tensor], extractor: VggFeatures, discriminator: _Discriminator
) -> None:
    prediction, truth = images
    loss = GeneratorLoss(LOSS_PRESETS["eq4"], extractor)
    terms = loss(prediction, truth, hole_ratio=RATIO, discriminator=discriminator)
    logits, fake_maps = discriminator(prediction)
    fake, real = extractor(prediction), extractor(truth)
    assert terms["l1"] == losses.l1(prediction, truth, hole_ratio=RATIO)
    assert terms["adversarial"] == -logits.mean()
    assert terms["perceptual"] == losses.perceptual(fake, real)
    assert terms["style"] == losses.style(fake, real)
    assert terms["feature_matching"] == losses.feature_matching(fake_maps, discriminator(truth)[1])


def test_gradients_flow_to_the_prediction_only(
    images: tuple[Tensor, Tensor], extractor: VggFeatures, discriminator: _Discriminator
) -> None:
    prediction, truth = images
    truth.requires_grad_()
    discriminator.requires_grad_(False)
    loss = GeneratorLoss(LOSS_PRESETS["eq4"], extractor)
    for name, term in loss(
        prediction, truth, hole_ratio=RATIO, discriminator=discriminator
    ).items():
        (gradient,) = torch.autograd.grad(term, prediction, retain_graph=True)
        assert gradient.abs().sum() > 0, name
        assert torch.autograd.grad(term, truth, retain_graph=True, allow_unused=True) == (None,)


def test_terms_of_a_perfect_prediction_are_zero(
    images: tuple[Tensor, Tensor], extractor: VggFeatures, discriminator: _Discriminator
) -> None:
    loss = GeneratorLoss(LOSS_PRESETS["eq4"], extractor)
    terms = loss(images[1], images[1], hole_ratio=RATIO, discriminator=discriminator)
    zero = [name for name in TERMS if name != "adversarial"]
    assert [terms[name].item() for name in zero] == [0, 0, 0, 0]


def test_discriminator_and_vgg_are_not_called_for_nothing(images: tuple[Tensor, Tensor]) -> None:
    loss = GeneratorLoss(LossWeights(l1=2), extractor=_never)  # type: ignore[arg-type]
    terms = loss(*images, hole_ratio=RATIO, discriminator=_never)
    assert set(terms) == {"l1", "total"}
    assert terms["total"] == 2 * terms["l1"]


@pytest.mark.parametrize(
    ("weights", "calls"),
    [
        (LossWeights(adversarial=1), 1),
        (LossWeights(feature_matching=1), 2),
        (LossWeights(adversarial=1, feature_matching=1), 2),
    ],
)
def test_real_images_are_judged_for_feature_matching_only(
    weights: LossWeights,
    calls: int,
    images: tuple[Tensor, Tensor],
    discriminator: _Discriminator,
) -> None:
    GeneratorLoss(weights, None)(*images, hole_ratio=RATIO, discriminator=discriminator)
    assert discriminator.calls == calls


@pytest.mark.parametrize("weights", [LossWeights(perceptual=0.1), LossWeights(style=1)])
def test_vgg_terms_without_an_extractor_are_refused(weights: LossWeights) -> None:
    assert losses.needs_extractor(weights)
    with pytest.raises(InputError, match="need a feature extractor"):
        GeneratorLoss(weights, None)


def test_other_terms_need_no_extractor() -> None:
    weights = LossWeights(adversarial=1, feature_matching=1)
    assert not losses.needs_extractor(weights)
    GeneratorLoss(weights, None)


def test_autocast_keeps_the_terms_in_float32_and_near(
    images: tuple[Tensor, Tensor], extractor: VggFeatures, discriminator: _Discriminator
) -> None:
    prediction, truth = images
    loss = GeneratorLoss(LOSS_PRESETS["eq4"], extractor)
    exact = loss(prediction, truth, hole_ratio=RATIO, discriminator=discriminator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(prediction, truth, hole_ratio=RATIO, discriminator=discriminator)
    half["total"].backward()
    assert torch.isfinite(prediction.grad).all()  # type: ignore[arg-type]
    for name, term in half.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(exact[name].item(), rel=0.05, abs=0.01), name
