"""A generator made fast for inference: the same network, another arrangement of its numbers."""

from __future__ import annotations

import copy
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from isnet.arithmetic import has_bf16
from isnet.config import InputError, require_padded
from isnet.openvino_backend import OpenVINONetwork, import_openvino

Precision = Literal["auto", "fp32", "bf16", "int8"]
Backend = Literal["torch", "compile", "openvino"]
"""What computes: PyTorch as it is; PyTorch's compiler, with CUDA graphs on a GPU, which takes a
minute for the first size; OpenVINO, for CPUs."""


class InferenceGenerator(nn.Module):
    """A copy of a generator with its spectral norm folded into the weights, channels last."""

    def __init__(
        self,
        generator: nn.Module,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
        backend: Backend = "torch",
    ) -> None:
        """Copy a generator.

        Args:
            generator: as `build_generator` and `load_generator` return it; left alone.
            device: where to compute.
            precision: fp32; bf16; auto, which is bf16 where the device computes in it; or int8,
                for OpenVINO and networks of tanh only.
            backend: what computes.

        Raises:
            InputError: as `check_backend`; or int8 for a network of unbounded activations.

        """
        super().__init__()
        self.device = torch.device(device)
        check_backend(precision, backend, self.device.type)
        if precision == "auto":
            precision = "bf16" if has_bf16(self.device) else "fp32"
        self.precision = precision
        self.backend = backend
        self.context: int | None = getattr(generator, "context", None)
        """Pixels away that a prediction depends on at most; None: on the whole image."""
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._layout = torch.channels_last
        self.network = self._arranged(folded(generator))
        self.eval()

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict: float (B, 3, H, W) in [0, 1] -> float32 of the same shape.

        Raises:
            InputError: height or width is not divisible by 16.

        """
        require_padded(*corrupted.shape[-2:])
        image = corrupted.to(self._dtype, memory_format=self._layout)
        prediction: Tensor = self.network(image)
        return prediction.float()

    def _arranged(self, network: nn.Module) -> nn.Module:
        if self.backend == "openvino":
            # What goes in; it computes in a precision and a layout of its own.
            self._dtype, self._layout = torch.float32, torch.contiguous_format
            return OpenVINONetwork(network, precision=self.precision)
        network = network.to(self.device, self._dtype)
        network = network.to(memory_format=self._layout)  # type: ignore[call-overload]
        if self.backend == "compile":
            graphs = self.device.type == "cuda"
            network.compile(mode="reduce-overhead" if graphs else "default")
        return network


def check_backend(precision: str, backend: str, device: str) -> None:
    """Refuse what no network could be computed with.

    Args:
        precision: one of `Precision`.
        backend: one of `Backend`.
        device: a device's type, `cpu` or `cuda`.

    Raises:
        InputError: an unknown name, int8 without OpenVINO, OpenVINO on a GPU, or OpenVINO where it
            is not installed.

    """
    for what, name, kind in (
        ("precision", precision, Precision),
        ("backend", backend, Backend),
    ):
        if name not in get_args(kind):
            known = ", ".join(get_args(kind))
            raise InputError(f"unknown {what} {name!r}; choose one of {known}")
    if backend == "openvino":
        if device != "cpu":
            raise InputError(f"OpenVINO computes on a CPU, not on {device}; leave the backend out")
        import_openvino()
    elif precision == "int8":
        raise InputError("precision int8 is for the backend openvino; choose bf16 or fp32")


def folded(generator: nn.Module) -> nn.Module:
    """Copy a generator in eval mode; its convolutions hold their normalised weights as they are.

    Spectral norm divides each weight by its largest singular value, in every pass anew.
    """
    network = copy.deepcopy(generator).eval()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and parametrize.is_parametrized(child, "weight"):
                setattr(parent, name, _plain(child))
    return network.eval().requires_grad_(False)


def _plain(conv: nn.Conv2d) -> nn.Conv2d:
    """Make an ordinary convolution of one with a parametrised weight.

    `remove_parametrizations` would change the convolution's class, which the original shares.
    """
    plain = nn.utils.skip_init(
        nn.Conv2d,
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    plain.weight = nn.Parameter(conv.weight.detach().clone())
    plain.bias = conv.bias
    return plain
