"""PSNR, SSIM, MAE and relative MAE against scikit-image and NumPy, on a real photograph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from isnet import metrics
from isnet.config import InputError


@pytest.fixture(scope="module")
def pair(samples):
    """Two different distortions of a photograph: (2, 3, H, W) each."""
    photo = np.asarray(Image.open(samples / "casa-mila.jpg").convert("RGB").resize((120, 96)))
    truth = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    noisy = (truth + 0.1 * noise).clamp(0, 1)
    shifted = truth.roll(3, dims=2)
    return torch.stack([truth, truth]), torch.stack([noisy, shifted])


def test_psnr_equals_scikit_image(pair):
    a, b = pair
    expected = [
        peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(metrics.psnr(a, b).numpy(), expected, atol=1e-4)


def test_psnr_of_equal_images_is_infinite(pair):
    assert torch.isinf(metrics.psnr(pair[0], pair[0])).all()


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
