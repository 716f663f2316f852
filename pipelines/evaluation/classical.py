"""Classical inpainting, by OpenCV and scikit-image: what evaluations hold networks against.

Every method takes the corrupted image, float (B, 3, H, W) in [0, 1], and valid, bool (B, 1, H, W),
True = known; pixels in the hole may hold anything, NaN too. It fills image by image, on the CPU,
and returns the filled images after no pass, on the image's device, known pixels bit-exact. An
image of which nothing is known becomes `MID_GREY`. Where the library is missing, it raises an
`InputError` that says what to install.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from isnet.config import InputError
from isnet.images import to_tensor, to_uint8
from isnet.reconstruction import Reconstruction
from pipelines.evaluation.fills import MID_GREY, Fill, into_holes, mean_fill

_RADIUS = 3
"""Pixels round a missing one that OpenCV's methods look at."""

_Inpaint = Callable[[Tensor, np.ndarray], Tensor]
"""(image float (3, H, W) in [0, 1], hole bool (H, W), True = missing) -> filled image."""


def telea(image: Tensor, valid: Tensor) -> Reconstruction:
    """Fill by Telea's fast marching (2004), radius 3, on 8-bit levels."""
    with _needed_by("telea"):
        import cv2
    return _fill(image, valid, _opencv(cv2.inpaint, cv2.INPAINT_TELEA))


def navier_stokes(image: Tensor, valid: Tensor) -> Reconstruction:
    """Fill by Bertalmio, Bertozzi and Sapiro's fluid dynamics (2001), radius 3, on 8-bit levels."""
    with _needed_by("navier-stokes"):
        import cv2
    return _fill(image, valid, _opencv(cv2.inpaint, cv2.INPAINT_NS))


def biharmonic(image: Tensor, valid: Tensor) -> Reconstruction:
    """Fill by the smoothest surface through the known pixels (biharmonic equation)."""
    with _needed_by("biharmonic"):
        from skimage.restoration import inpaint_biharmonic

    def inpaint(picture: Tensor, hole: np.ndarray) -> Tensor:
        # In single precision large holes come out wrong by a level of 8 bits.
        known = picture.permute(1, 2, 0).double().numpy()
        filled = inpaint_biharmonic(known, hole, channel_axis=-1)
        return torch.from_numpy(filled).clamp(0, 1).permute(2, 0, 1)

    return _fill(image, valid, inpaint)


CLASSICAL: Mapping[str, Fill] = MappingProxyType(
    {
        "mean-fill": mean_fill,
        "telea": telea,
        "navier-stokes": navier_stokes,
        "biharmonic": biharmonic,
    }
)
"""The methods that need no training, by the name that users give."""


@contextmanager
def _needed_by(method: str) -> Iterator[None]:
    """Say what to install where the import of a method's library fails."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"{method} cannot be measured ({error}); pip install 'isnet[baselines]', "
            f"or leave {method} out"
        ) from error


def _opencv(inpaint: Callable[..., np.ndarray], algorithm: int) -> _Inpaint:
    def fill(picture: Tensor, hole: np.ndarray) -> Tensor:
        return to_tensor(inpaint(to_uint8(picture), hole.astype(np.uint8), _RADIUS, algorithm))

    return fill


def _fill(image: Tensor, valid: Tensor, inpaint: _Inpaint) -> Reconstruction:
    """Inpaint image by image; nothing in a hole reaches the method."""
    pictures = torch.where(valid, image, torch.zeros_like(image)).float().cpu()
    holes = (~valid[:, 0]).cpu().numpy()
    filling = torch.empty_like(pictures)
    for index, (picture, hole) in enumerate(zip(pictures, holes, strict=True)):
        if hole.all():
            filling[index] = MID_GREY
        elif hole.any():
            filling[index] = inpaint(picture, hole)
        else:
            filling[index] = picture
    return into_holes(image, valid, filling.to(image))
