"""A network computed by OpenVINO, the fastest on CPUs; from the optional extra `openvino`."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from isnet.config import SIZE_MULTIPLE, InputError


class OpenVINONetwork(nn.Module):
    """A folded generator that OpenVINO computes, for any batch and size. Not for several threads.

    It keeps a copy of the weights and no parameters.
    """

    def __init__(self, network: nn.Module, *, bf16: bool) -> None:
        """Convert a network.

        Args:
            network: as `folded` returns it, in float32.
            bf16: compute in bfloat16, not in float32. Images stay float32 on the way in and out.

        Raises:
            InputError: OpenVINO is not installed.

        """
        super().__init__()
        try:
            import openvino
        except ImportError as error:
            raise InputError(
                "OpenVINO is not installed; pip install 'isnet[openvino]', or leave the backend out"
            ) from error
        properties = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = openvino.Core().compile_model(_converted(openvino, network), "CPU", properties)
        self._request = compiled.create_infer_request()

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict: float32 (B, 3, H, W) in [0, 1] -> the same shape."""
        found = self._request.infer(corrupted.contiguous().numpy(), share_inputs=True)
        return torch.from_numpy(found[0])


def _converted(openvino: Any, network: nn.Module) -> Any:
    """Trace a network with batch, height and width left open."""
    example = torch.zeros(1, 3, 4 * SIZE_MULTIPLE, 4 * SIZE_MULTIPLE)
    shape = openvino.PartialShape([-1, 3, -1, -1])
    with warnings.catch_warnings():
        # The check of sizes is left out of the trace.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")
        return openvino.convert_model(network, example_input=example, input=[shape])
