"""A network computed by OpenVINO, the fastest on CPUs; from the optional extra `openvino`."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from isnet.arithmetic import has_vnni
from isnet.config import SIZE_MULTIPLE, InputError

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""What is not quantised is computed in."""


_KEPT_PRIMITIVES = "1024"
"""Compiled steps for sizes of before, a few dozen a size: else each new size keeps some MiB."""


class OpenVINONetwork(nn.Module):
    """A folded generator that OpenVINO computes, for any batch and size.

    It keeps a copy of the weights and no parameters. Threads wait for each other.
    """

    def __init__(self, network: nn.Module, *, precision: Literal["fp32", "bf16", "int8"]) -> None:
        """Convert a network.

        Args:
            network: as `folded` returns it, in float32.
            precision: what convolutions compute in. Images stay float32 on the way in and out.

        Raises:
            InputError: OpenVINO is not installed, or int8 for a network whose activations have no
                bound.

        """
        super().__init__()
        openvino = import_openvino()
        model = _converted(openvino, network)
        if precision == "int8":
            _require_bounded(network)
            _quantise(openvino, model)
        properties = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # each process would take the same first cores
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_PRIMITIVES,
        }
        self._request = (
            openvino.Core().compile_model(model, "CPU", properties).create_infer_request()
        )
        self._alone = threading.Lock()

    def forward(self, corrupted: Tensor) -> Tensor:
        """Predict: float32 (B, 3, H, W) in [0, 1] -> the same shape."""
        with self._alone:
            found = self._request.infer(corrupted.contiguous().numpy(), share_inputs=True)
            return torch.from_numpy(found[0])


def import_openvino() -> Any:
    """Import OpenVINO, which else would report every conversion to its makers.

    Raises:
        InputError: it is not installed.

    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            "OpenVINO is not installed; pip install 'isnet[openvino]', or leave the backend out"
        ) from error
    return openvino


def _converted(openvino: Any, network: nn.Module) -> Any:
    """Trace a network with batch, height and width left open."""
    example = torch.zeros(1, 3, 4 * SIZE_MULTIPLE, 4 * SIZE_MULTIPLE)
    shape = openvino.PartialShape([-1, 3, -1, -1])
    with warnings.catch_warnings():
        # The check of sizes is left out of the trace.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")
        return openvino.convert_model(network, example_input=example, input=[shape])


def _require_bounded(network: nn.Module) -> None:
    unbounded = next((m for m in network.modules() if isinstance(m, nn.LeakyReLU | nn.ReLU)), None)
    if unbounded is not None:
        raise InputError(
            f"precision int8 needs activations between -1 and 1, and this network has {unbounded}; "
            "choose bf16, or a network of the design isnet"
        )


def _quantise(openvino: Any, model: Any) -> None:
    """Give every convolution of a converted network 8-bit inputs and weights.

    What comes in is an image or leaves a tanh, so that one scale, 1/127, suits them all and nothing
    has to be calibrated. Weights have a scale for each channel that they make. Without VNNI a CPU
    adds two products in 16 bits, which overflow unless weights keep to half of their range.
    """
    room = np.float32(1 if has_vnni() else 127 / 63)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            weights = _constant(node.input_value(1))
            limits = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) * room + np.float32(1e-12)
            ones = np.ones((1, 1, 1, 1), dtype=np.float32)
            node.input(1).replace_source_output(
                _stepped(openvino, openvino.opset13.constant(weights), -limits, limits, levels=255)
            )
            node.input(0).replace_source_output(
                _stepped(openvino, node.input_value(0), -ones * 128 / 127, ones, levels=256)
            )
    model.validate_nodes_and_infer_types()


def _stepped(openvino: Any, values: Any, low: np.ndarray, high: np.ndarray, *, levels: int) -> Any:
    """Round values to so many levels between two limits."""
    operations = openvino.opset13
    low, high = operations.constant(low), operations.constant(high)
    return operations.fake_quantize(values, low, high, low, high, levels).output(0)


def _constant(output: Any) -> np.ndarray:
    """Return a convolution's weights, whatever stands between them and it."""
    node = output.get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return np.array(node.get_data(), dtype=np.float32)
