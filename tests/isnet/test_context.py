"""How far a generator looks, against what a NaN in its input reaches."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from isnet.config import Design, GeneratorConfig
from isnet.context import context_of
from isnet.inference import folded
from isnet.network import generator_from_config

WINDOWED = [design for design in get_args(Design) if design != "unet_like"]
MIDDLE = 320


@torch.inference_mode()
def reached_from(config: GeneratorConfig, row: int) -> int:
    """Pixels that a NaN at (row, row + 5) reaches at most, along either axis."""
    torch.manual_seed(0)
    network = folded(generator_from_config(config))
    corrupted = torch.zeros(1, 3, 2 * MIDDLE + 16, 2 * MIDDLE + 16)
    corrupted[..., row, row + 5] = torch.nan
    rows, columns = network(corrupted)[0, 0].isnan().nonzero().T
    assert len(rows) > 0
    return int(max((rows - row).abs().max(), (columns - row - 5).abs().max()))


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("design", WINDOWED)
def test_nothing_reaches_further_and_little_less(design: Design, blocks: int) -> None:
    config = GeneratorConfig(design=design, blocks=blocks, channels=2)
    context = context_of(config)
    assert context is not None
    furthest = max(reached_from(config, MIDDLE + shift) for shift in (0, 7, 15))
    assert context - 16 <= furthest <= context


def test_the_papers_network_looks_272_pixels_far() -> None:
    assert context_of(GeneratorConfig()) == 272


def test_instance_norm_looks_at_everything() -> None:
    config = GeneratorConfig(design="unet_like", channels=2)
    assert context_of(config) is None
    assert reached_from(config, MIDDLE) > MIDDLE


@pytest.mark.parametrize("design", get_args(Design))
def test_a_generator_knows_it(design: Design) -> None:
    config = GeneratorConfig(design=design, channels=2, blocks=1)
    assert generator_from_config(config).context == context_of(config)
