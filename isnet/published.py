"""The authors' published checkpoint files: their tensor names, told in ours.

Such a file is `torch.save({"generator": state_dict, "epoch": int})` or
`{"discriminator": state_dict}`, with the prefix `module.` where several GPUs trained it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from isnet.config import GeneratorConfig, InputError

_SEPARATION_NAMES: tuple[tuple[str, str], ...] = (
    (r"layer1\.downsample", "stem.shortcut"),
    (r"layer1\.conv_block\.1", "stem.conv1"),
    (r"layer1\.conv_block\.4", "stem.conv2"),
    (r"stage(\d)\.branches\.0\.(\d)\.conv_block\.1", r"phases.\1.high_blocks.\2.conv1"),
    (r"stage(\d)\.branches\.0\.(\d)\.conv_block\.4", r"phases.\1.high_blocks.\2.conv2"),
    (r"stage(\d)\.branches\.1\.(\d)\.conv_block\.1", r"phases.\1.low_blocks.\2.conv1"),
    (r"stage(\d)\.branches\.1\.(\d)\.conv_block\.4", r"phases.\1.low_blocks.\2.conv2"),
    (r"stage(\d)\.fuse_layers\.0\.1\.(\d)\.0", r"phases.\1.low_to_high.[3*\2]"),
    (r"stage(\d)\.fuse_layers\.1\.0\.(\d)\.0", r"phases.\1.high_to_low.[2*\2]"),
    (r"stage(\d)\.fuse_layers\.1\.1\.0", r"phases.\1.low_to_low.0"),
    (r"stage(\d)\.fused_branches\.0\.0\.0", r"phases.\1.aggregate_high.0"),
    (r"stage(\d)\.fused_branches\.1\.0\.0", r"phases.\1.aggregate_low.0"),
    (r"up_layer\.(\d)\.0", r"fusion.[3*\1]"),
    (r"final_layer\.(\d)", r"head.\1"),
    (r"final_layer", "head"),
)
_UNET_NAMES: tuple[tuple[str, str], ...] = (
    (r"encoder\.(\d+)", r"encoder.\1"),
    (r"decoder\.(\d+)", r"decoder.\1"),
    (r"middle\.(\d)\.conv_block\.1", r"middle.\1.conv1"),
    (r"middle\.(\d)\.conv_block\.4", r"middle.\1.conv2"),
)
_TENSORS = {
    "weight": "weight",
    "bias": "bias",
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}
"""Spectral norm's tensors as the old hook named them, and as the parametrization does."""


def our_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published generator state; names it does not know stay as they are."""
    stripped = {name.removeprefix("module."): tensor for name, tensor in published.items()}
    rules = _UNET_NAMES if "encoder.1.weight" in stripped else _SEPARATION_NAMES
    return {_rename(name, rules): tensor for name, tensor in stripped.items()}


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    module, _, tensor = name.rpartition(".")
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, module)
        if match and tensor in _TENSORS:
            # Their containers count convolutions, ours count layers: [3*1] is layer 3.
            ours = re.sub(
                r"\[(\d)\*(\d)\]", lambda m: str(int(m[1]) * int(m[2])), match.expand(replacement)
            )
            return f"{ours}.{_TENSORS[tensor]}"
    return name


def read_published(path: str) -> Mapping[str, Tensor]:
    """Read the generator's state from a published file, weights only.

    Raises:
        InputError: not such a file, an empty or truncated one, or one without a generator.
        OSError: a file that may not be read.

    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise InputError(
            f"{path} is not a checkpoint file that torch can read: {first_line(error)}"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("generator"), dict):
        raise InputError(
            f"{path} holds no 'generator' state; give an authors' generator file "
            "or a checkpoint directory"
        )
    return content["generator"]


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def infer_config(state: Mapping[str, Tensor]) -> GeneratorConfig:
    """Tell design, blocks and channels from a generator state in our names.

    Raises:
        InputError: the tensors belong to none of the designs.

    """
    if "encoder.1.weight" in state:
        blocks = _count(state, r"middle\.(\d+)\.conv1\.weight")
        width = state["encoder.1.weight"].shape[0] // 2
        return GeneratorConfig(design="unet_like", blocks=blocks, channels=width)
    shortcut = state.get("stem.shortcut.weight")
    if shortcut is None:
        raise InputError("the file holds none of the known generator designs (Table 7)")
    blocks = _count(state, r"phases\.0\.high_blocks\.(\d+)\.conv1\..*original")
    if "fusion.0.parametrizations.weight.original" in state:
        return GeneratorConfig(design="isnet", blocks=blocks, channels=shortcut.shape[0])
    with_fusion = "head.0.parametrizations.weight.original" in state
    return GeneratorConfig(
        design="base_ff" if with_fusion else "base", blocks=blocks, channels=shortcut.shape[0]
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = [int(match[1]) for name in state if (match := re.fullmatch(pattern, name))]
    return max(found, default=-1) + 1
