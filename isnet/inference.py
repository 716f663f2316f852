"""A generator made fast for inference: the same network, another arrangement of its numbers."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from isnet.config import InputError
from isnet.openvino_backend import OpenVINONetwork

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
            InputError: an unknown backend, OpenVINO on a GPU, OpenVINO where it is not installed,
                or int8 elsewhere.

        """
        super().__init__()
        self.device = torch.device(device)
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
        """Predict: float (B, 3, H, W) in [0, 1] -> float32 of the same shape."""
        image = corrupted.to(self._dtype, memory_format=self._layout)
        prediction: Tensor = self.network(image)
        return prediction.float()

    def _arranged(self, network: nn.Module) -> nn.Module:
        if self.backend not in get_args(Backend):
            known = ", ".join(get_args(Backend))
            raise InputError(f"unknown backend {self.backend!r}; choose one of {known}")
        if self.backend == "openvino":
            if self.device.type != "cpu":
                raise InputError(f"OpenVINO computes on a CPU, not on {self.device}; leave it out")
            # What goes in; it computes in a precision and a layout of its own.
            self._dtype, self._layout = torch.float32, torch.contiguous_format
            return OpenVINONetwork(network, precision=self.precision)
        if self.precision == "int8":
            raise InputError("precision int8 is for the backend openvino; choose bf16 or fp32")
        network = network.to(self.device, self._dtype)
        network = network.to(memory_format=self._layout)  # type: ignore[call-overload]
        if self.backend == "compile":
            graphs = self.device.type == "cuda"
            network.compile(mode="reduce-overhead" if graphs else "default")
        return network


def check_backend(precision: str, backend: str, device: str) -> None:
    """Refuse a combination that cannot compute; `device` is cpu or cuda.

    Raises:
        InputError: an unknown backend or precision, int8 elsewhere than in OpenVINO, OpenVINO
            elsewhere than on a CPU, or where it is not installed.

    """
    for name, given, known in (
        ("backend", backend, get_args(Backend)),
        ("precision", precision, get_args(Precision)),
    ):
        if given not in known:
            raise InputError(f"unknown {name} {given!r}; choose one of {', '.join(known)}")
    if backend != "openvino":
        if precision == "int8":
            raise InputError("precision int8 is for the backend openvino; choose bf16 or fp32")
        return
    if device != "cpu":
        raise InputError(f"OpenVINO computes on a CPU, not on {device}; leave it out")
    if find_spec("openvino") is None:
        raise InputError(
            "OpenVINO is not installed; pip install 'isnet[openvino]', or leave the backend out"
        )


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


def has_bf16(device: torch.device) -> bool:
    """Whether a device is known to compute in bfloat16 itself, instead of imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older torch: unknown
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
