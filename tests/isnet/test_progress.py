"""Single images, pass by pass, against `reconstruct`, which takes a batch from end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from isnet.config import ReconstructionConfig
from isnet.network import build_generator
from isnet.progress import Progress, advance
from isnet.reconstruction import Reconstruction, reconstruct
from tests.isnet.passes import colours_of, run


@pytest.fixture(scope="module")
def generator() -> nn.Module:
    """Return a small untrained network of the real design."""
    torch.manual_seed(0)
    return build_generator(blocks=1, channels=4).eval()


def box_hole(height: int, width: int, ratio: float) -> np.ndarray:
    """Return a hole in the middle, of about a ratio of the picture."""
    hole = np.zeros((height, width), dtype=bool)
    tall, wide = round(height * ratio**0.5), round(width * ratio**0.5)
    top, left = (height - tall) // 2, (width - wide) // 2
    hole[top : top + tall, left : left + wide] = True
    return hole


def from_end_to_end(
    generator: nn.Module, colours: np.ndarray, hole: np.ndarray, config: ReconstructionConfig
) -> Reconstruction:
    """Reconstruct one image the other way."""
    image = torch.from_numpy(colours).movedim(-1, 0)[None].contiguous()
    if image.dtype == torch.uint8:
        image = image.float() / 255
    return reconstruct(
        generator,
        image,
        torch.from_numpy(~hole)[None, None],
        kernel_size=config.kernel_size,
        threshold=config.threshold,
        max_passes=config.max_passes,
    )


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 71), (1, 1)])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_one_image_equals_reconstruct_bit_for_bit(
    generator: nn.Module, height: int, width: int, ratio: float, dtype: type
) -> None:
    colours, hole = colours_of(height, width), box_hole(height, width, ratio)
    if dtype == np.float32:
        colours = colours.astype(np.float32) / 256
    config = ReconstructionConfig()
    progress = run(generator, Progress(colours, hole, config))
    expected = from_end_to_end(generator, colours, hole, config)
    assert torch.equal(progress.image, expected.image[0])
    assert progress.passes == expected.passes.item()


@dataclass
class Guest:
    """An image that joins the batch before some pass."""

    joins: int
    seed: int
    ratio: float
    config: ReconstructionConfig


GUESTS = [
    Guest(0, 0, 0.9, ReconstructionConfig()),
    Guest(0, 1, 0.5, ReconstructionConfig(kernel_size=3, threshold=0.1, max_passes=5)),
    Guest(1, 2, 0.1, ReconstructionConfig()),
    Guest(1, 3, 0.6, ReconstructionConfig(max_passes=1)),
    Guest(3, 4, 0.7, ReconstructionConfig(kernel_size=25, threshold=0)),
    Guest(9, 5, 0.4, ReconstructionConfig(kernel_size=9)),
]


def test_a_batch_that_changes_between_passes_equals_reconstruct(generator: nn.Module) -> None:
    waiting = {
        index: Progress(colours_of(48, 71, guest.seed), box_hole(48, 71, guest.ratio), guest.config)
        for index, guest in enumerate(GUESTS)
    }
    sizes, done, turn = [], {}, 0
    while waiting:
        batch = {index: one for index, one in waiting.items() if GUESTS[index].joins <= turn}
        advance(generator, list(batch.values()))
        sizes.append(len(batch))
        done |= {index: waiting.pop(index) for index, one in batch.items() if one.finished}
        turn += 1
    assert sizes[:6] == [2, 4, 2, 3, 2, 1]
    assert sizes[9] == 2
    for index, guest in enumerate(GUESTS):
        colours, hole = colours_of(48, 71, guest.seed), box_hole(48, 71, guest.ratio)
        expected = from_end_to_end(generator, colours, hole, guest.config)
        torch.testing.assert_close(done[index].image, expected.image[0], rtol=0, atol=1e-5)
        assert done[index].passes == expected.passes.item()


def test_passes_are_counted_and_the_last_is_known(generator: nn.Module) -> None:
    progress = Progress(colours_of(64, 64), box_hole(64, 64, 0.9), ReconstructionConfig())
    seen = [(progress.passes, progress.finished)]
    ratios = [progress.hole_ratio]
    while not progress.finished:
        advance(generator, [progress])
        seen.append((progress.passes, progress.finished))
        ratios.append(progress.hole_ratio)
    # Holes of side 61, 47, 33 and 19: kernel 15 takes 14 off a side in each pass.
    assert seen == [(0, False), (1, False), (2, False), (3, False), (4, True)]
    assert ratios == pytest.approx([(side / 64) ** 2 for side in (61, 47, 33, 19, 19)])


@pytest.mark.parametrize(
    ("ratio", "config", "passes"),
    [
        (0, ReconstructionConfig(threshold=0), 11),
        (0, ReconstructionConfig(), 1),
        (0.19, ReconstructionConfig(), 1),
        (0.9, ReconstructionConfig(max_passes=1), 1),
        (0.9, ReconstructionConfig(threshold=1), 1),
        (1, ReconstructionConfig(), 11),
        (1, ReconstructionConfig(max_passes=3), 3),
    ],
)
def test_an_image_ends_by_ratio_or_by_passes(
    generator: nn.Module, ratio: float, config: ReconstructionConfig, passes: int
) -> None:
    progress = Progress(colours_of(32, 32), box_hole(32, 32, ratio), config)
    assert run(generator, progress).passes == passes


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -7, 1e30])
def test_nothing_in_the_hole_reaches_the_fill(generator: nn.Module, garbage: float) -> None:
    hole = box_hole(40, 48, 0.5)
    clean = colours_of(40, 48).astype(np.float32) / 255
    dirty = np.where(hole[..., None], np.float32(garbage), clean)
    images = [
        run(generator, Progress(colours, hole, ReconstructionConfig())).image
        for colours in (clean, dirty)
    ]
    assert torch.equal(images[0], images[1])


def test_known_pixels_stay_bit_exact(generator: nn.Module) -> None:
    colours, hole = colours_of(33, 47), box_hole(33, 47, 0.5)
    progress = run(generator, Progress(colours, hole, ReconstructionConfig()))
    result = progress.image.movedim(0, -1).numpy()
    np.testing.assert_array_equal(result[~hole], (colours.astype(np.float32) / 255)[~hole])


def test_the_fill_is_the_hole_in_row_major_order(generator: nn.Module) -> None:
    hole = np.random.default_rng(1).random((21, 34)) < 0.6
    progress = run(generator, Progress(colours_of(21, 34), hole, ReconstructionConfig()))
    fill, image = progress.fill(), progress.image.movedim(0, -1).numpy()
    assert (fill.dtype, fill.shape) == (np.float32, (int(hole.sum()), 3))
    np.testing.assert_array_equal(fill, image[hole])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(16, 20), (1, 1)])
def test_arrays_are_copied_and_may_be_read_only(
    generator: nn.Module, shape: tuple[int, int]
) -> None:
    colours, hole = colours_of(*shape).astype(np.float32) / 255, np.ones(shape, dtype=bool)
    hole[0, 0] = False
    colours.flags.writeable = hole.flags.writeable = False
    progress = Progress(colours, hole, ReconstructionConfig())
    known = colours[0, 0].copy()
    colours.flags.writeable = hole.flags.writeable = True
    colours[:], hole[:] = 0, False
    run(generator, progress)
    np.testing.assert_array_equal(progress.image[:, 0, 0].numpy(), known)
    assert len(progress.fill()) == shape[0] * shape[1] - 1


def test_views_of_any_layout_are_taken(generator: nn.Module) -> None:
    colours, hole = colours_of(32, 40)[::-1, ::-2], box_hole(32, 40, 0.4).T[::2].T[::-1]
    fills = [
        run(generator, Progress(*arrays, ReconstructionConfig())).fill()
        for arrays in ((colours, hole), (colours.copy(), hole.copy()))
    ]
    np.testing.assert_array_equal(fills[0], fills[1])


def test_images_that_are_padded_to_one_size_share_a_pass(generator: nn.Module) -> None:
    calls: list[tuple[int, ...]] = []
    handle = generator.register_forward_hook(lambda _, args, output: calls.append(output.shape))
    config = ReconstructionConfig(kernel_size=5, max_passes=3)
    sizes = [(32, 48), (27, 41), (32, 33)]
    pairs = [(colours_of(*size, seed=3), box_hole(*size, ratio=0.5)) for size in sizes]
    images = [Progress(*pair, config) for pair in pairs]
    assert len({progress.padded_size for progress in images}) == 1
    while not images[0].finished:
        advance(generator, images)
    handle.remove()
    assert calls == [(3, 3, 32, 48)] * 3
    for progress, pair in zip(images, pairs, strict=True):
        alone = run(generator, Progress(*pair, config))
        torch.testing.assert_close(progress.image, alone.image, atol=1e-5, rtol=0)


def test_once_nothing_is_missing_nothing_is_computed(generator: nn.Module) -> None:
    calls: list[int] = []
    handle = generator.register_forward_hook(lambda _, args, output: calls.append(len(output)))
    hole = box_hole(64, 64, 0.04)
    progress = run(generator, Progress(colours_of(64, 64), hole, ReconstructionConfig(threshold=0)))
    handle.remove()
    assert (progress.passes, len(calls)) == (11, 1)
