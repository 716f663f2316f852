"""What a CPU is known to compute in."""

from __future__ import annotations

import pytest
import torch

from isnet.arithmetic import has_bf16, has_vnni


@pytest.mark.parametrize(
    ("capabilities", "bf16", "vnni"),
    [
        ({"avx512_bf16": True, "amx_bf16": False, "avx512_vnni": True}, True, True),
        ({"amx_bf16": True, "amx_int8": True}, True, True),
        ({"avx2": True, "avx512_bf16": False, "avx_vnni": True}, False, True),
        ({"avx2": True, "avx512_vnni": False}, False, False),
        ({}, False, False),
    ],
)
def test_a_cpu_is_asked(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], bf16: bool, vnni: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert (has_bf16(torch.device("cpu")), has_vnni()) == (bf16, vnni)


def test_where_torch_does_not_say_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bf16(torch.device("cpu"))
    assert not has_bf16(torch.device("meta"))
    assert not has_vnni()
