"""PSNR, SSIM, MAE and relative MAE against scikit-image and NumPy, on real photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from isnet import metrics
from isnet.config import InputError
from isnet.images import encode_jpeg, to_tensor, to_uint8
from isnet.mask_generator import random_hole


@pytest.fixture(scope="module")
def pair(samples):
    """Photographs, and each distorted in another way: (6, 3, H, W) each."""
    paths = sorted(samples.glob("*.jpg"))
    ways = (_noisy, _shifted, _compressed, _blurred, _darkened, _holed)
    photos = [
        np.array(Image.open(path).convert("RGB").resize((168, 112)))
        for path in paths[:: len(paths) // len(ways)]
    ]
    distorted = [way(photo) for way, photo in zip(ways, photos, strict=False)]
    return to_tensor(np.stack(photos[: len(ways)])), to_tensor(np.stack(distorted))


def _noisy(photo):
    noise = np.random.default_rng(0).normal(0, 25, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def _shifted(photo):
    return np.roll(photo, 3, axis=1)


def _compressed(photo):
    return np.array(Image.open(io.BytesIO(encode_jpeg(photo, quality=15))))


def _blurred(photo):
    return np.array(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(2)))


def _darkened(photo):
    return (photo * 0.7).astype(np.uint8)


def _holed(photo):
    """As a composite is: wrong in the hole, exact outside."""
    hole = random_hole(np.random.default_rng(0), height=112, width=168, ratio_range=(0.2, 0.3))
    return np.where(hole[..., None], photo[~hole].mean(axis=0).astype(np.uint8), photo)


def test_psnr_equals_scikit_image(pair):
    a, b = pair
    expected = [
        peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(metrics.psnr(a, b).numpy(), expected, atol=1e-4)


def test_psnr_is_that_of_8_bit_levels_with_peak_255(pair):
    truth, distorted = (to_uint8(images) for images in pair)
    expected = [
        peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(truth, distorted, strict=True)
    ]
    np.testing.assert_allclose(metrics.psnr(pair[1], pair[0]).numpy(), expected, atol=1e-4)


def test_psnr_of_equal_images_is_infinite(pair):
    assert torch.isinf(metrics.psnr(pair[0], pair[0])).all()


def test_batch_pooled_psnr_is_that_of_all_pixels_of_a_batch(pair):
    truth, distorted = (torch.cat([images, images[:1]]) for images in pair)
    error = (truth - distorted).double().square()
    expected = [-10 * torch.log10(batch.mean()) for batch in error.split(2)]
    assert len(expected) == 4
    pooled = metrics.batch_pooled_psnr(metrics.psnr(distorted, truth), 2)
    np.testing.assert_allclose(pooled.numpy(), expected, atol=1e-5)


def test_batch_pooled_psnr_counts_an_equal_image_as_no_error():
    pooled = metrics.batch_pooled_psnr(torch.tensor([20.0, torch.inf, torch.inf, torch.inf]), 2)
    assert pooled.tolist() == pytest.approx([20 + 10 * np.log10(2), torch.inf])
    assert len(metrics.batch_pooled_psnr(torch.empty(0), 8)) == 0


def test_ssim_equals_scikit_image(pair):
    a, b = pair
    expected = [
        structural_similarity(
            x.numpy(),
            y.numpy(),
            channel_axis=0,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(a, b).numpy(), expected, atol=1e-4)


def test_ssim_of_equal_images_is_one(pair):
    np.testing.assert_allclose(metrics.ssim(pair[0], pair[0]).numpy(), 1, atol=1e-5)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.mae, metrics.relative_mae])
def test_an_image_scores_the_same_alone_and_in_a_batch(pair, metric):
    distorted, truth = pair[1], pair[0]
    alone = [metric(x[None], y[None]).item() for x, y in zip(distorted, truth, strict=True)]
    np.testing.assert_allclose(metric(distorted, truth).numpy(), alone, rtol=1e-5)


def test_mae_equals_numpy(pair):
    a, b = pair
    expected = np.abs(a.numpy() - b.numpy()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(metrics.mae(a, b).numpy(), expected, atol=1e-6)


def test_relative_mae_equals_numpy(pair):
    truth, distorted = pair
    error = np.abs(distorted.numpy() - truth.numpy()).sum(axis=(1, 2, 3), dtype=np.float64)
    expected = error / truth.numpy().sum(axis=(1, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(metrics.relative_mae(distorted, truth).numpy(), expected, rtol=1e-6)


def test_relative_mae_is_a_fraction_of_the_ground_truth():
    truth = torch.full((1, 3, 16, 16), 0.5)
    assert metrics.relative_mae(truth / 2, truth).item() == 0.5
    assert metrics.relative_mae(truth, truth / 2).item() == 1


def test_relative_mae_holds_in_half_precision():
    """Half precision ends at 65504, which the sum over an image of 256x256 passes."""
    truth = torch.ones(1, 3, 256, 256, dtype=torch.float16)
    relative = metrics.relative_mae(truth * 0.75, truth)
    assert relative.dtype == torch.float32
    assert relative.item() == 0.25


def test_black_ground_truth_is_infinitely_far_from_all_but_black():
    truth = torch.zeros(2, 3, 16, 16)
    distorted = truth.clone()
    distorted[1, 0, 3, 3] = 0.1
    assert metrics.relative_mae(distorted, truth).tolist() == [0, float("inf")]


def test_metrics_do_not_round():
    a = torch.zeros(1, 3, 16, 16)
    assert metrics.mae(a, a + 1e-4).item() == pytest.approx(1e-4, rel=1e-3)


def test_rounding_gives_the_256_levels():
    levels = torch.arange(256) / 255
    assert torch.equal(metrics.round_to_8_bits(levels), levels)
    assert metrics.round_to_8_bits(torch.tensor([-1.0, 0.4999 / 255, 2.0])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.mae, metrics.relative_mae])
def test_different_shapes_are_refused(metric):
    with pytest.raises(InputError, match="same size"):
        metric(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 17))


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(InputError, match="at least 11x11"):
        metrics.ssim(torch.rand(1, 3, 8, 16), torch.rand(1, 3, 8, 16))
