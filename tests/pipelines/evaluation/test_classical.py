"""Classical fills: what their libraries say in the hole, what was known everywhere else."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage.restoration import inpaint_biharmonic

from isnet.config import InputError
from isnet.images import to_tensor
from isnet.mask_generator import random_hole
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.fills import MID_GREY

every = pytest.mark.parametrize("name", CLASSICAL)


@pytest.fixture(scope="module")
def crop(samples) -> np.ndarray:
    """64x64 pixels of a photograph, uint8 (H, W, 3)."""
    return np.array(Image.open(samples / "casa-mila.jpg").convert("RGB"))[200:264, 300:364]


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    hole = random_hole(np.random.default_rng(3), height=64, width=64, ratio_range=(0.3, 0.35))
    hole[:9, -5:] = True  # reaching into a corner
    return hole


def _batch(crop, hole) -> tuple[torch.Tensor, torch.Tensor]:
    """Corrupted image and valid, a batch of one."""
    valid = torch.from_numpy(~hole)[None, None]
    return to_tensor(crop)[None] * valid, valid


def _expected(name, crop, hole) -> np.ndarray:
    """What the library makes of it: float (H, W, 3)."""
    black = np.where(hole[..., None], np.uint8(0), crop)
    if name == "mean-fill":
        return np.broadcast_to(crop[~hole].mean(axis=0) / 255, crop.shape)
    if name == "biharmonic":
        return np.clip(inpaint_biharmonic(black / 255, hole, channel_axis=-1), 0, 1)
    flags = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
    return cv2.inpaint(black, hole.astype(np.uint8), 3, flags[name]) / 255


@every
def test_holes_are_filled_as_the_library_does(name, crop, hole):
    filled = CLASSICAL[name](*_batch(crop, hole)).image[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(filled[hole], _expected(name, crop, hole)[hole], atol=1e-6)


@every
def test_known_pixels_come_back_bit_exact(name, hole):
    """Off the 256 levels, on which OpenCV works."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    valid = torch.from_numpy(~hole)[None, None]
    filled = CLASSICAL[name](image, valid)
    assert torch.equal(filled.image.masked_select(valid), image.masked_select(valid))
    assert filled.image.dtype == image.dtype
    assert filled.passes.tolist() == [0]


@every
@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1.0, -3.0])
def test_nothing_in_the_hole_matters(name, crop, hole, garbage):
    image, valid = _batch(crop, hole)
    littered = torch.where(valid, image, torch.full_like(image, garbage))
    fill = CLASSICAL[name]
    assert torch.equal(fill(littered, valid).image, fill(image, valid).image)


@every
def test_an_image_of_which_nothing_is_known_becomes_grey(name):
    valid = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    filled = CLASSICAL[name](torch.full((1, 3, 16, 16), float("nan")), valid).image
    assert torch.equal(filled, torch.full_like(filled, MID_GREY))


@every
def test_an_image_without_a_hole_comes_back_as_it_is(name):
    image = torch.rand(1, 3, 16, 16)
    valid = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    assert torch.equal(CLASSICAL[name](image, valid).image, image)


@every
def test_one_known_pixel_colours_the_whole_image(name):
    valid = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    valid[..., 5, 9] = True
    image = torch.where(valid, torch.tensor([0.2, 0.4, 0.6])[:, None, None], torch.zeros(()))
    filled = CLASSICAL[name](image, valid).image
    # Telea's adds a little at every step away from what is known.
    torch.testing.assert_close(filled, image[..., 5:6, 9:10].expand_as(filled), atol=0.05, rtol=0)


@every
def test_an_image_is_filled_the_same_in_any_batch(name, crop, hole):
    fill = CLASSICAL[name]
    images, valids = [], []
    for turns in range(4):
        image, valid = _batch(np.rot90(crop, turns), np.roll(hole, 11 * turns, axis=0))
        images.append(image)
        valids.append(valid)
    valids[2] = torch.zeros_like(valids[2])  # nothing known
    together = fill(torch.cat(images), torch.cat(valids)).image
    alone = [fill(image, valid).image for image, valid in zip(images, valids, strict=True)]
    assert torch.equal(together, torch.cat(alone))


@every
def test_inputs_are_left_as_they_are(name, crop, hole):
    image, valid = _batch(crop, hole)
    before = image.clone(), valid.clone()
    CLASSICAL[name](image, valid)
    assert torch.equal(image, before[0])
    assert torch.equal(valid, before[1])


@pytest.mark.gpu
@every
def test_a_gpu_gets_what_the_cpu_would(name, crop, hole):
    image, valid = _batch(crop, hole)
    filled = CLASSICAL[name](image.cuda(), valid.cuda())
    assert filled.image.is_cuda
    assert filled.passes.is_cuda
    torch.testing.assert_close(filled.image.cpu(), CLASSICAL[name](image, valid).image)


@pytest.mark.parametrize(
    ("name", "module"),
    [("telea", "cv2"), ("navier-stokes", "cv2"), ("biharmonic", "skimage.restoration")],
)
def test_a_missing_library_is_named_with_its_fix(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"^{name} cannot .*pip install 'isnet\[baselines\]'"):
        CLASSICAL[name](torch.rand(1, 3, 16, 16), torch.rand(1, 1, 16, 16) > 0.5)
