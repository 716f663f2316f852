"""PSNR, SSIM, MAE and relative MAE of image pairs, by the paper's protocol (Eqs. 6 to 8).

They take two float batches (B, 3, H, W) in [0, 1] and return one value per image, float (B,). They
do not round; `round_to_8_bits` does, before them, in evaluations. `batch_pooled_psnr` goes on from
the PSNR of each image to the average that the paper's authors print.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isnet.config import InputError

_SSIM_WINDOW = 11


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB (Eq. 7); infinite where the images are equal.

    The peak is 1, which for images in [0, 1] is the paper's MAX = 255 on 8-bit levels.
    """
    check_pair(a, b)
    mean_squared_error = (a.double() - b.double()).square().flatten(1).mean(dim=1)
    return (-10 * torch.log10(mean_squared_error)).float()


def batch_pooled_psnr(values: Tensor, batch_size: int) -> Tensor:
    """PSNR of consecutive batches, each from the squared error of all its pixels.

    Never above the mean PSNR of the batch: the worst images weigh most.

    Args:
        values: float (N,), what `psnr` says of images of one size; infinite is an error of 0.
        batch_size: images a batch; the last may have fewer.

    Returns:
        float64 (ceil(N / batch_size),) in dB, infinite where no image of a batch has an error.

    """
    mean_squared_errors = 10 ** (-values.double() / 10)
    pooled = [batch.mean() for batch in mean_squared_errors.split(batch_size) if len(batch)]
    return -10 * torch.log10(torch.tensor(pooled, dtype=torch.float64))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Eq. 8): 11x11 Gaussian window, sigma 1.5, C1 = 0.01², C2 = 0.03²."""
    # Here and not above: it brings SciPy, seconds that every Ray worker would wait for.
    from torchmetrics.functional.image import structural_similarity_index_measure

    check_pair(a, b)
    if min(a.shape[-2:]) < _SSIM_WINDOW:
        raise InputError(
            f"SSIM needs images of at least {_SSIM_WINDOW}x{_SSIM_WINDOW}; "
            f"these are {a.shape[-2]}x{a.shape[-1]}"
        )
    _, per_pixel = structural_similarity_index_measure(
        a,
        b,
        gaussian_kernel=True,
        sigma=1.5,
        data_range=1.0,
        k1=0.01,
        k2=0.03,
        reduction="none",
        return_full_image=True,
    )
    # Only windows that lie inside the image count, as in Wang et al. and scikit-image.
    border = _SSIM_WINDOW // 2
    return per_pixel[..., border:-border, border:-border].flatten(1).mean(dim=1)


def mae(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute error (Eq. 6) in [0, 1]; the paper prints it in per cent."""
    check_pair(a, b)
    return (a - b).abs().flatten(1).mean(dim=1)


def relative_mae(a: Tensor, b: Tensor) -> Tensor:
    """Sum of |a - b| over the sum of b, a fraction: the unit of Table 2's column "MAE(%)".

    Not the unit of Eq. 6 and of the other tables, which is `mae`'s: a dark picture's errors
    weigh more here.

    Args:
        a: float (B, 3, H, W) in [0, 1], the picture under test.
        b: float (B, 3, H, W) in [0, 1], the ground truth.

    Returns:
        float32 (B,), 0 or more. Where the ground truth is black there is nothing to relate to:
        0 if `a` is black too, else infinite; never NaN.

    Raises:
        InputError: the shapes differ or are not (B, 3, H, W).

    """
    check_pair(a, b)
    error = (a.double() - b.double()).abs().flatten(1).sum(dim=1)
    relative = error / b.double().flatten(1).sum(dim=1)
    return torch.where(error == 0, error, relative).float()


def round_to_8_bits(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the nearest of 256 levels, still float in [0, 1]."""
    return (image.clamp(0, 1) * 255).round() / 255


def check_pair(a: Tensor, b: Tensor) -> None:
    """Raise an `InputError` unless both are (B, 3, H, W) of the same size."""
    if a.shape != b.shape or a.ndim != 4:
        raise InputError(
            f"the images are {tuple(a.shape)} and {tuple(b.shape)}; "
            "both must be (B, 3, H, W) of the same size"
        )
