"""Every loss term against a few lines of NumPy, and the published weights against the paper."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isnet import losses
from isnet.config import LOSS_PRESETS, InputError, LossWeights
from isnet.losses import GeneratorLoss
from isnet.vgg import VggFeatures, build_extractor

TERMS = ("l1", "adversarial", "perceptual", "style", "feature_matching")
RATIO = torch.tensor(0.25)

# l1, adversarial, style, perceptual, feature matching, copied from the paper's tables.
TABLE_1 = """
48.081212 5.412144 15.96878 40.149662 0.118075
0.604847 0.202847 44.101921 0.387274 0.488302
24.159013 66.923958 0.103212 6.038855 206.568582
13.484269 30.525771 1.034876 155.314466 32.331865
7.700032 3.438013 1.986786 22.0823 0.31213
3.229381 12.299439 6.084766 18.260382 14.062116
63.075208 0.206318 144.371788 1.288317 6.51374
1.110633 15.054847 76.107149 0.145567 0.24907
8.017214 1.670086 0.491773 95.361352 70.59277
1.74567 49.057089 1.153775 1.412379 0.189158
"""
TABLE_2 = """
1 1 0 0 0
1 1 1 0 0
1 1 1 1 0
1 1 1 1 1
1 3 1 1 0
1 10 1 1 0
1 3 3 1 0
"""


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


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    """Prediction, which wants gradients, and ground truth."""
    generator = torch.Generator().manual_seed(5)
    prediction, truth = torch.rand(2, 2, 3, 16, 16, generator=generator)
    return prediction.clone().requires_grad_(), truth


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


# The terms


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


# The weighted sum


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


def test_gram_under_autocast_is_not_rounded(maps: tuple[list[Tensor], list[Tensor]]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = losses.gram(maps[0][0])
    assert torch.equal(rounded, losses.gram(maps[0][0]))


def test_half_precision_logits_do_not_round_the_mean() -> None:
    logits = torch.full((1, 1, 64, 64), 1.0, dtype=torch.bfloat16)
    logits[..., 0] = 1.0078125
    expected = logits.double().mean().item()
    assert losses.adversarial(logits).item() == pytest.approx(-expected, rel=1e-6)


# The published weights


def _rows(table: str) -> Iterator[tuple[int, LossWeights]]:
    names = ("l1", "adversarial", "style", "perceptual", "feature_matching")
    for number, line in enumerate(table.split("\n")[1:-1], start=1):
        values = map(float, line.split())
        yield number, LossWeights(**dict(zip(names, values, strict=True)))


def test_presets_of_the_equations() -> None:
    assert LOSS_PRESETS["eq4"] == LossWeights(
        l1=1, adversarial=0.1, perceptual=0.1, style=250, feature_matching=10
    )
    assert LOSS_PRESETS["eq5"] == LossWeights(l1=1, adversarial=3, perceptual=1, style=3)


def test_presets_of_the_tables() -> None:
    expected = {f"table1-row{number}": weights for number, weights in _rows(TABLE_1)}
    expected |= {f"table2-row{number}": weights for number, weights in _rows(TABLE_2)}
    presets = {name: weights for name, weights in LOSS_PRESETS.items() if "table" in name}
    assert presets == expected
    assert len(expected) == 17
