"""The loss terms of the paper as pure functions, and the generator's weighted sum of them.

Every term is a mean over elements, summed over layers, and computed in float32 under autocast too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from isnet.config import InputError, LossWeights
from isnet.vgg import VggFeatures

MIN_HOLE_RATIO = 1e-3
"""The pixel term divides by no less; a batch all but without holes must not outweigh the others."""

Discriminator = Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]]
"""Image (B, 3, H, W) -> (logits (B, 1, h, w), feature maps)."""

FeatureTerms = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Prediction and ground truth -> terms by name."""


def l1(prediction: Tensor, ground_truth: Tensor, *, hole_ratio: Tensor) -> Tensor:
    """Pixel term: mean |prediction - ground_truth| over all pixels, per share of missing ones.

    Args:
        prediction: (B, 3, H, W) in [0, 1].
        ground_truth: the same shape.
        hole_ratio: scalar in [0, 1], the mean hole ratio of the global batch.

    Returns:
        Scalar, float32.

    """
    assert hole_ratio.ndim == 0, f"hole_ratio has shape {tuple(hole_ratio.shape)}"
    return _mean_difference(prediction, ground_truth) / hole_ratio.float().clamp(min=MIN_HOLE_RATIO)


def perceptual(features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Perceptual term, Eq. 1: L1 between feature maps, each (B, C, H, W); float32 scalar."""
    return _feature_difference(features, real_features)


def gram(features: Tensor) -> Tensor:
    """Gram matrix of each image's feature map, divided by C * H * W.

    Args:
        features: (B, C, H, W), any float type.

    Returns:
        float32 (B, C, C).

    """
    channels, height, width = features.shape[1:]
    # Autocast would run the product in half precision, which H * W summands overflow or blur.
    with torch.autocast(features.device.type, enabled=False):
        flat = features.float().flatten(2)
        return flat @ flat.transpose(1, 2) / (channels * height * width)


def style(features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Style term, Eq. 2: L1 between Gram matrices of feature maps (B, C, H, W); float32 scalar."""
    pairs = zip(features, real_features, strict=True)
    return _total([_mean_difference(gram(ours), gram(real.detach())) for ours, real in pairs])


def feature_matching(features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Feature-matching term of Eq. 4: L1 between the discriminator's maps; float32 scalar."""
    return _feature_difference(features, real_features)


def adversarial(fake_logits: Tensor) -> Tensor:
    """Generator's hinge term -E[D(prediction)], which stands for -L_D in Eqs. 4 and 5."""
    return -fake_logits.float().mean()


def discriminator_hinge(real_logits: Tensor, fake_logits: Tensor, margin: float = 1.0) -> Tensor:
    """Discriminator's loss, Eq. 3: E[relu(m - D(ground truth))] + E[relu(m + D(prediction))].

    Args:
        real_logits: (B, 1, h, w) for the ground truth.
        fake_logits: (B, 1, h, w) for the detached prediction.
        margin: the paper's m.

    Returns:
        Scalar, float32.

    """
    real = torch.relu(margin - real_logits.float()).mean()
    return real + torch.relu(margin + fake_logits.float()).mean()


def needs_extractor(weights: LossWeights) -> bool:
    """Say whether any weighted term looks at VGG features."""
    return weights.perceptual > 0 or weights.style > 0


class GeneratorLoss:
    """The generator's weighted loss, Eqs. 4 and 5 by their weights.

    A term of weight 0 is not computed, nor is anything that only it needs.
    """

    def __init__(self, weights: LossWeights, extractor: VggFeatures | None) -> None:
        """Take the weights, and VGG where they ask for it.

        Args:
            weights: of each term.
            extractor: on the device of the images; None is fine where no term needs it.

        Raises:
            InputError: the perceptual or style term has a weight and there is no extractor.

        """
        if needs_extractor(weights) and extractor is None:
            raise InputError(
                f"the weights perceptual {weights.perceptual} and style {weights.style} need a "
                "feature extractor; choose one or set both to 0"
            )
        self.weights = weights
        self.extractor = extractor
        self._compute_features: FeatureTerms = self._extractor_terms

    def compute_features_with(self, wrap: Callable[[FeatureTerms], FeatureTerms]) -> None:
        """Replace what computes the perceptual and style terms by `wrap` of it, say compiled."""
        self._compute_features = wrap(self._extractor_terms)

    def __call__(
        self,
        prediction: Tensor,
        ground_truth: Tensor,
        *,
        hole_ratio: Tensor,
        discriminator: Discriminator,
    ) -> dict[str, Tensor]:
        """Compute the terms on the raw prediction, not on the composite.

        Args:
            prediction: (B, 3, H, W) in [0, 1], the generator's raw output.
            ground_truth: the same shape; no gradient flows to it.
            hole_ratio: scalar, the mean hole ratio of the global batch.
            discriminator: called with the prediction, and with the ground truth, without
                gradients, only for feature matching. Its own parameters collect gradients too
                unless the caller has turned them off.

        Returns:
            float32 scalars by name: each term that has a weight, unweighted, and `total`.

        """
        ground_truth = ground_truth.detach()
        terms: dict[str, Tensor] = {}
        if self.weights.l1 > 0:
            terms["l1"] = l1(prediction, ground_truth, hole_ratio=hole_ratio)
        terms |= self._discriminator_terms(prediction, ground_truth, discriminator)
        terms |= self._compute_features(prediction, ground_truth)
        total = _total([getattr(self.weights, name) * term for name, term in terms.items()])
        return {**terms, "total": total}

    def _discriminator_terms(
        self, prediction: Tensor, ground_truth: Tensor, discriminator: Discriminator
    ) -> dict[str, Tensor]:
        weights, terms = self.weights, {}
        if weights.adversarial == 0 and weights.feature_matching == 0:
            return {}
        logits, features = discriminator(prediction)
        if weights.adversarial > 0:
            terms["adversarial"] = adversarial(logits)
        if weights.feature_matching > 0:
            with torch.no_grad():
                _, real_features = discriminator(ground_truth)
            terms["feature_matching"] = feature_matching(features, real_features)
        return terms

    def _extractor_terms(self, prediction: Tensor, ground_truth: Tensor) -> dict[str, Tensor]:
        weights, terms = self.weights, {}
        if self.extractor is None or not needs_extractor(weights):
            return {}
        features = self.extractor(prediction)
        with torch.no_grad():
            real_features = self.extractor(ground_truth)
        if weights.perceptual > 0:
            terms["perceptual"] = perceptual(features, real_features)
        if weights.style > 0:
            terms["style"] = style(features, real_features)
        return terms


def _mean_difference(first: Tensor, second: Tensor) -> Tensor:
    """Mean |first - second| over all elements, in float32."""
    if first.shape != second.shape:  # broadcasting would compare the wrong elements
        raise ValueError(f"shapes {tuple(first.shape)} and {tuple(second.shape)} differ")
    return (first.float() - second.float()).abs().mean()


def _feature_difference(features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    pairs = zip(features, real_features, strict=True)
    return _total([_mean_difference(ours, real.detach()) for ours, real in pairs])


def _total(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
