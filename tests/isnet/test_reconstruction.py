"""Progressive reconstruction against a plain loop over single images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation

from isnet.config import InputError, ReconstructionConfig
from isnet.network import build_generator
from isnet.reconstruction import pad_to_multiple, progressive_passes, reconstruct


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return build_generator(blocks=1, channels=4).eval()


def _images(count, height, width, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=random)


def _valid(ratios, height, width):
    """One box-shaped hole of each ratio, at the centre."""
    valid = torch.ones(len(ratios), 1, height, width, dtype=torch.bool)
    for index, ratio in enumerate(ratios):
        half_height = round(height * ratio**0.5 / 2)
        half_width = round(width * ratio**0.5 / 2)
        rows = slice(height // 2 - half_height, height // 2 + half_height)
        columns = slice(width // 2 - half_width, width // 2 + half_width)
        valid[index, :, rows, columns] = False
    return valid


def _plain_loop(generator, image, valid, kernel_size, threshold, max_passes):
    """Algorithm 1, mended, on one image (3, H, W), in NumPy."""
    image, known = image.numpy().copy(), valid[0].numpy().astype(np.uint8)
    height, width = known.shape
    padding = [(0, 0), (0, -height % 16), (0, -width % 16)]
    passes = 0
    while True:
        corrupted = np.pad(np.where(known, image, 0), padding, mode="reflect")
        with torch.no_grad():
            prediction = generator(torch.from_numpy(corrupted)[None])[0, :, :height, :width].numpy()
        image = np.where(known, image, prediction)
        passes += 1
        ratio = (known == 0).sum() / known.size
        if ratio < threshold or passes == max_passes:
            return image, prediction, passes
        known = grey_dilation(known, size=(kernel_size, kernel_size), mode="constant", cval=0)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 71)])
@pytest.mark.parametrize(("kernel_size", "threshold", "max_passes"), [(15, 0.2, 11), (5, 0.05, 4)])
def test_equals_a_plain_loop_over_single_images(
    generator, height, width, kernel_size, threshold, max_passes
):
    image, valid = _images(4, height, width), _valid([0.1, 0.3, 0.5, 0.9], height, width)
    result = reconstruct(
        generator,
        image,
        valid,
        kernel_size=kernel_size,
        threshold=threshold,
        max_passes=max_passes,
    )
    for index in range(4):
        expected, prediction, passes = _plain_loop(
            generator, image[index], valid[index], kernel_size, threshold, max_passes
        )
        np.testing.assert_allclose(result.image[index].numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(result.prediction[index].numpy(), prediction, atol=1e-5)
        assert result.passes[index] == passes


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -7.0, 1e30])
def test_nothing_in_the_hole_reaches_the_output(generator, garbage):
    image, valid = _images(2, 48, 40), _valid([0.3, 0.6], 48, 40)
    dirty = torch.where(valid, image, torch.tensor(garbage))
    clean = reconstruct(generator, image, valid)
    assert torch.equal(reconstruct(generator, dirty, valid).image, clean.image)


def test_known_pixels_come_back_bit_exact(generator):
    image, valid = _images(2, 33, 47), _valid([0.3, 0.6], 33, 47)
    result = reconstruct(generator, image, valid)
    known = valid.expand_as(image)
    assert torch.equal(result.image[known], image[known])


def test_inputs_are_left_as_they_were(generator):
    image, valid = _images(1, 32, 32), _valid([0.5], 32, 32)
    copies = image.clone(), valid.clone()
    reconstruct(generator, image, valid)
    assert torch.equal(image, copies[0])
    assert torch.equal(valid, copies[1])


def test_images_stop_on_their_own_ratio_and_leave_the_batch(generator):
    sizes = []

    def counting(corrupted):
        sizes.append(len(corrupted))
        return generator(corrupted)

    # Holes of side 20, 40 and 60: kernel 15 takes 14 off a side in each pass.
    valid = _valid([(20 / 64) ** 2, (40 / 64) ** 2, (60 / 64) ** 2], 64, 64)
    result = reconstruct(counting, _images(3, 64, 64), valid)
    # 0.098 stops at once; 0.39 and then 0.165; 0.88, 0.52, 0.25 and then 0.079.
    assert result.passes.tolist() == [1, 2, 4]
    assert sizes == [3, 2, 1, 1]


def test_an_all_known_image_takes_one_pass_and_stays(generator):
    image = _images(1, 32, 32)
    result = reconstruct(generator, image, torch.ones(1, 1, 32, 32, dtype=torch.bool))
    assert torch.equal(result.image, image)
    assert result.passes.tolist() == [1]


def test_an_all_hole_image_takes_every_pass(generator):
    image, valid = _images(1, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    result = reconstruct(generator, image, valid)
    with torch.no_grad():
        blank = generator(torch.zeros(1, 3, 32, 32))
    assert result.passes.tolist() == [11]
    torch.testing.assert_close(result.image, blank)


def test_one_shot_is_one_pass(generator):
    result = reconstruct(generator, _images(1, 32, 32), _valid([0.9], 32, 32), max_passes=1)
    assert result.passes.tolist() == [1]


def test_passes_can_be_watched(generator):
    image, valid = _images(1, 64, 64), _valid([0.8], 64, 64)
    steps = list(progressive_passes(generator, image, valid, ReconstructionConfig()))
    result = reconstruct(generator, image, valid)
    assert len(steps) == result.passes.item()
    assert torch.equal(steps[-1].composite, result.image)
    known = [step.valid.sum().item() for step in steps]
    assert known == sorted(set(known))


@pytest.mark.parametrize("size", [1, 2, 5, 15, 16, 17])
def test_padding_reflects_like_numpy(size):
    image = _images(1, size, size + 3)
    padding = [(0, 0), (0, 0), (0, -size % 16), (0, -(size + 3) % 16)]
    expected = np.pad(image.numpy(), padding, mode="reflect")
    assert np.array_equal(pad_to_multiple(image, 16).numpy(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": torch.rand(3, 8, 8)}, r"image is torch.float32 \(3, 8, 8\)"),
        ({"valid": torch.ones(1, 1, 8, 8)}, "valid is torch.float32"),
        ({"valid": torch.ones(1, 1, 8, 9, dtype=torch.bool)}, r"it must be bool \(1, 1, 8, 8\)"),
        ({"kernel_size": 4}, "kernel_size is 4; it must be odd"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"max_passes": 0}, "max_passes is 0"),
    ],
)
def test_bad_arguments_are_named(generator, change, message):
    arguments = {
        "image": torch.rand(1, 3, 8, 8),
        "valid": torch.ones(1, 1, 8, 8, dtype=torch.bool),
    } | change
    with pytest.raises(InputError, match=message):
        reconstruct(generator, **arguments)


def test_a_generator_in_training_mode_is_refused():
    generator = build_generator(blocks=1, channels=2)
    with pytest.raises(InputError, match="training mode"):
        reconstruct(generator, torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16).bool())
