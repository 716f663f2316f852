"""The generators against the paper's parameter counts and the authors' outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isnet.config import InputError
from isnet.network import build_generator
from isnet.published import our_names
from tests.reference import golden, published_state, reference_input

DESIGNS = {
    "isnet_blocks1": {"design": "isnet", "blocks": 1},
    "isnet_blocks4": {"design": "isnet"},
    "isnet_base": {"design": "base"},
    "isnet_base_ff": {"design": "base_ff"},
    "unet_like": {"design": "unet_like"},
}


def _trainable(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"blocks": 1}, 19_908_259),
        ({"blocks": 2}, 21_530_275),
        ({"blocks": 3}, 23_152_291),
        ({"blocks": 4}, 24_774_307),
        ({"design": "base"}, 16_516_995),
        ({"design": "base_ff"}, 14_610_083),
        ({"design": "unet_like"}, 24_403_715),
    ],
)
def test_parameter_counts_are_those_of_tables_7_and_8(options, count):
    assert _trainable(build_generator(**options)) == count


@pytest.mark.parametrize("name", DESIGNS)
def test_output_equals_the_authors_network(name):
    generator = build_generator(**DESIGNS[name]).double().eval()
    generator.load_state_dict(our_names(published_state(name)))
    with torch.no_grad():
        output = generator(reference_input())
    np.testing.assert_allclose(output.numpy(), golden(name), atol=1e-4)


@pytest.mark.parametrize("design", ["isnet", "base", "base_ff", "unet_like"])
@pytest.mark.parametrize("size", [(256, 256), (32, 80)])
def test_output_has_the_input_size_and_the_unit_range(design, size):
    generator = build_generator(design, blocks=1, channels=2).eval()
    with torch.no_grad():
        output = generator(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert output.min() >= 0
    assert output.max() <= 1


@pytest.mark.parametrize("design", ["isnet", "base", "base_ff", "unet_like"])
def test_gradients_reach_every_parameter(design):
    torch.manual_seed(0)
    generator = build_generator(design, blocks=2, channels=4)
    generator(torch.rand(1, 3, 64, 64)).square().sum().backward()
    untouched = {
        name
        for name, parameter in generator.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    # The base model has no final fusion: its last low-resolution output goes nowhere.
    dead = ("high_to_low", "low_to_low", "aggregate_low") if design == "base" else ()
    prefixes = tuple(f"phases.3.{name}." for name in dead)
    names = [name for name, _ in generator.named_parameters()]
    assert untouched == {name for name in names if name.startswith(prefixes)}


@pytest.mark.parametrize("design", ["isnet", "base", "base_ff", "unet_like"])
def test_channels_scale_every_width(design):
    narrow, wide = (build_generator(design, channels=channels) for channels in (4, 8))
    ratio = _trainable(wide) / _trainable(narrow)
    assert 3.8 < ratio < 4.0


def test_forward_leaves_no_state_in_eval_mode():
    generator = build_generator(blocks=1, channels=2).eval()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    image = torch.rand(1, 3, 32, 32)
    first, second = generator(image), generator(image)
    assert torch.equal(first, second)
    assert all(torch.equal(before[name], now) for name, now in generator.state_dict().items())


def test_other_sizes_are_refused_with_the_fix():
    with pytest.raises(InputError, match=r"60x64.*divisible by 16.*isnet\.reconstruct"):
        build_generator(blocks=1, channels=2)(torch.rand(1, 3, 60, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"design": "resnet"}, "unknown design 'resnet'; choose one of isnet, base"),
        ({"blocks": 5}, "blocks is 5; it must be 1, 2, 3 or 4"),
        ({"channels": 0}, "channels is 0"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_generator(**options)
