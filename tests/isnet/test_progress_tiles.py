"""Passes over tiles round what is missing, against passes over whole images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from isnet.config import ReconstructionConfig
from isnet.network import build_generator
from isnet.progress import Progress, advance
from isnet.tiles import MAX_PIXELS
from tests.isnet.passes import colours_of, run


@pytest.fixture(scope="module")
def near_sighted() -> nn.Module:
    """Return a network that looks 84 pixels far."""
    torch.manual_seed(0)
    return build_generator("base", blocks=1, channels=2).eval()


@pytest.mark.parametrize("limit", [MAX_PIXELS, 208**2])
def test_tiles_with_the_networks_context_change_nothing(
    near_sighted: nn.Module, limit: int
) -> None:
    colours, hole = colours_of(250, 400), np.zeros((250, 400), dtype=bool)
    hole[20:60, 30:90] = hole[70:80, 60:110] = True
    config = ReconstructionConfig(threshold=0.01)
    whole = run(near_sighted, Progress(colours, hole, config))
    sizes: set[tuple[int, ...]] = set()
    handle = near_sighted.register_forward_hook(lambda _, args, output: sizes.add(output.shape))
    tiled = Progress(colours, hole, config, context=near_sighted.context, max_pixels=limit)
    run(near_sighted, tiled)
    handle.remove()
    assert max(height * width for _, _, height, width in sizes) <= min(limit, 256 * 320)
    assert tiled.passes == whole.passes > 1
    np.testing.assert_allclose(tiled.fill(), whole.fill(), rtol=0, atol=1e-6)


def test_less_context_than_the_network_has_does_change_the_fill(near_sighted: nn.Module) -> None:
    colours, hole = colours_of(256, 256), np.zeros((256, 256), dtype=bool)
    hole[120:140, 120:140] = True
    config = ReconstructionConfig()
    whole = run(near_sighted, Progress(colours, hole, config))
    near = run(near_sighted, Progress(colours, hole, config, context=8))
    assert np.abs(near.fill() - whole.fill()).max() > 1e-4


@pytest.mark.parametrize("box", [(0, 40, 30, 60), (330, 100, 397, 247), (180, 90, 200, 110)])
def test_only_what_passes_look_at_is_kept(
    near_sighted: nn.Module, box: tuple[int, int, int, int]
) -> None:
    colours, hole = colours_of(247, 397), np.zeros((247, 397), dtype=bool)
    hole[box[1] : box[3], box[0] : box[2]] = True
    config = ReconstructionConfig(kernel_size=5, threshold=0, max_passes=3)
    whole = run(near_sighted, Progress(colours, hole, config))
    near = Progress(colours, hole, config, context=near_sighted.context)
    assert near.image[0].numel() < 0.8 * hole.size
    assert near.hole_ratio == pytest.approx(hole.mean())
    run(near_sighted, near)
    np.testing.assert_allclose(near.fill(), whole.fill(), rtol=0, atol=1e-6)


def test_a_kernel_may_reach_further_than_the_network(near_sighted: nn.Module) -> None:
    colours, hole = colours_of(250, 400), np.zeros((250, 400), dtype=bool)
    hole[100:180, 150:230] = True
    config = ReconstructionConfig(kernel_size=61, threshold=0, max_passes=4)
    images = [Progress(colours, hole, config, context=context) for context in (None, 8)]
    while not images[0].finished:
        assert images[0].hole_ratio == images[1].hole_ratio
        for progress in images:
            advance(near_sighted, [progress])
    assert images[1].finished


def test_images_of_many_tiles_share_a_pass_with_others(near_sighted: nn.Module) -> None:
    config = ReconstructionConfig(kernel_size=3, threshold=0, max_passes=2)
    hole = np.zeros((240, 240), dtype=bool)
    hole[90:150, 90:150] = True
    pairs = [(colours_of(240, 240, seed), hole) for seed in range(2)]
    options = {"context": near_sighted.context, "max_pixels": 208**2}
    images = [Progress(*pair, config, **options) for pair in pairs]
    batches: list[int] = []
    handle = near_sighted.register_forward_hook(lambda _, args, output: batches.append(len(output)))
    while not images[0].finished:
        advance(near_sighted, images)
    handle.remove()
    assert len(images[0].tiles) > 1
    assert batches == [2] * 2 * len(images[0].tiles)
    for progress, pair in zip(images, pairs, strict=True):
        alone = run(near_sighted, Progress(*pair, config, **options))
        torch.testing.assert_close(progress.image, alone.image, atol=1e-5, rtol=0)
