"""What the machine is told and asked."""

from __future__ import annotations

import torch

from pipelines.machine import exact_float32


def test_float32_is_exact_and_compilers_can_still_ask() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    exact_float32()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
