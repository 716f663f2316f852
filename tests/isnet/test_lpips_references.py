"""LPIPS against NumPy, against its authors' figures, and against their heads."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from torch import Tensor

from isnet.lpips import Lpips, build_lpips

_PRINTED = (0.3497, 0.3494, 0.3473, 0.3558, 0.3437, 0.3366, 0.3716, 0.3516, 0.3472, 0.3413)
"""`lpips.LPIPS(net="vgg")` of the authors' package, normalize=True, on `_noise_pairs`."""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """A backbone, as its paper has it."""

    block: str
    convolutions: Sequence[tuple[int, int]]
    """Stride and padding of each."""
    taps: Sequence[int]
    """Convolutions, counted from 0, whose ReLU is compared."""
    pooled: Sequence[int]
    """Convolutions that a max-pooling of stride 2 follows."""
    pool: int
    """Side of the pooling's window."""


_LAYOUTS = {
    "vgg16": _Layout(
        block="VGG16_0",
        convolutions=[(1, 1)] * 13,
        taps=(1, 3, 6, 9, 12),
        pooled=(1, 3, 6, 9),
        pool=2,
    ),
    "alexnet": _Layout(
        block="AlexNet_0",
        convolutions=[(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)],
        taps=(0, 1, 2, 3, 4),
        pooled=(0, 1),
        pool=3,
    ),
}


@pytest.fixture(scope="module")
def photos(samples: Path) -> Tensor:
    """Two photographs of 47x61: no stride divides the sides, and none is taken for the other."""
    files = [samples / name for name in ("casa-mila.jpg", "canyon-wren.jpg")]
    pixels = [np.asarray(Image.open(file).convert("RGB").resize((61, 47))) for file in files]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255


def _noise_pairs() -> tuple[Tensor, Tensor]:
    draw = np.random.RandomState(123)
    first, second = draw.rand(10, 3, 100, 100), draw.rand(10, 3, 100, 100)
    return torch.from_numpy(first).float(), torch.from_numpy(second).float()


def _windows(x: np.ndarray, sides: tuple[int, ...], stride: int) -> np.ndarray:
    """(H, W, C) -> (H', W', C, kh, kw)."""
    return sliding_window_view(x, sides, axis=(0, 1))[::stride, ::stride]


def _convolve(
    x: np.ndarray, layer: Mapping[str, np.ndarray], stride: int, padding: int
) -> np.ndarray:
    kernel = layer["kernel"].astype(np.float64)  # (kh, kw, in, out)
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    windows = _windows(x, kernel.shape[:2], stride)
    return np.tensordot(windows, kernel, axes=([3, 4, 2], [0, 1, 2])) + layer["bias"]


def _reference_maps(image: np.ndarray, arrays: dict[str, Any], layout: _Layout) -> list[np.ndarray]:
    """Normalised feature maps of an image (H, W, 3) in [0, 1]."""
    shift, scale = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]
    x = ((2 * image.astype(np.float64) - 1) - shift) / scale
    maps = []
    for number, (stride, padding) in enumerate(layout.convolutions):
        x = np.maximum(_convolve(x, arrays[layout.block][f"Conv_{number}"], stride, padding), 0)
        if number in layout.taps:
            length = np.sqrt((x**2).sum(axis=2, keepdims=True))
            maps.append(x / (length + 1e-10))
        if number in layout.pooled:
            x = _windows(x, (layout.pool, layout.pool), 2).max(axis=(3, 4))
    return maps


def _reference(a: Tensor, b: Tensor, arrays: dict[str, Any], network: str) -> float:
    """LPIPS of two images (3, H, W), in float64."""
    maps = [
        _reference_maps(image.permute(1, 2, 0).numpy(), arrays, _LAYOUTS[network])
        for image in (a, b)
    ]
    heads = [arrays[f"NetLinLayer_{number}"]["Conv_0"]["kernel"][0, 0, :, 0] for number in range(5)]
    layers = zip(heads, *maps, strict=True)
    return sum(float((((ours - theirs) ** 2) @ head).mean()) for head, ours, theirs in layers)


def test_distance_equals_numpy(
    lpips: Lpips, photos: Tensor, package_arrays: Callable[[str], dict[str, Any]]
) -> None:
    a, b = photos, photos.flip(0, 3)
    arrays = package_arrays(lpips.network)
    expected = [_reference(x, y, arrays, lpips.network) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(lpips(a, b).numpy(), expected, atol=1e-5)


def test_vgg16_gives_the_figures_of_the_authors_package(
    package_arrays: object, cache: Path
) -> None:
    a, b = _noise_pairs()
    ours = build_lpips("vgg16")(a[:4], b[:4])
    np.testing.assert_allclose(ours.numpy(), _PRINTED[:4], atol=5.1e-5)


def test_heads_are_the_authors(lpips: Lpips) -> None:
    found = importlib.util.find_spec("torchmetrics")
    assert found is not None
    assert found.origin is not None
    name = {"vgg16": "vgg", "alexnet": "alex"}[lpips.network]
    folder = Path(found.origin).parent / "functional" / "image" / "lpips_models"
    if not folder.is_dir():
        pytest.skip("this torchmetrics ships no LPIPS heads")
    theirs = torch.load(folder / f"{name}.pth", map_location="cpu", weights_only=True)
    for number, head in enumerate(lpips.heads):
        assert torch.equal(head.weight, theirs[f"lin{number}.model.1.weight"])
