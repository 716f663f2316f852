"""The generator made fast: the same numbers in fp32, near ones in bf16, the original untouched."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from isnet.checkpoint import load_generator
from isnet.config import Design, InputError, ReconstructionConfig
from isnet.inference import Backend, InferenceGenerator, Precision, folded
from isnet.inpainter import Inpainter
from isnet.network import build_generator
from tests.isnet.small_pictures import as_mask, noise, square_hole

ROOT = Path(__file__).parent.parent.parent
DESIGNS = get_args(Design)
ONE_LEVEL = 1 / 255
FP32_TOLERANCE = {"isnet": 1e-6, "base": 1e-6, "base_ff": 1e-6, "unet_like": 1e-5}
BF16_TOLERANCE = {"isnet": ONE_LEVEL, "base": ONE_LEVEL, "base_ff": ONE_LEVEL, "unet_like": 0.02}
"""Of a prediction in [0, 1]. bfloat16 has 8 bits; without spectral norm, errors grow on the way:
in float32 `unet_like` itself is 1e-6 from what float64 gives, in either arrangement."""


def small(design: Design = "isnet") -> nn.Module:
    """Return a small untrained network in eval mode."""
    torch.manual_seed(0)
    return build_generator(design, channels=4, blocks=2).eval()


def image() -> torch.Tensor:
    """Return a batch of two that needs no padding."""
    return torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(1))


def parametrised(module: nn.Module) -> list[str]:
    """Name the modules whose weight is computed anew in every pass."""
    return [name for name, part in module.named_modules() if parametrize.is_parametrized(part)]


@pytest.mark.parametrize("design", DESIGNS)
@torch.no_grad()
def test_fp32_equals_the_generator(design: Design) -> None:
    generator = small(design)
    result = InferenceGenerator(generator, precision="fp32")(image())
    torch.testing.assert_close(result, generator(image()), rtol=0, atol=FP32_TOLERANCE[design])


@pytest.mark.parametrize("design", DESIGNS)
@torch.no_grad()
def test_bf16_is_near_and_returns_float32(design: Design) -> None:
    generator = small(design)
    result = InferenceGenerator(generator, precision="bf16")(image())
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, generator(image()), rtol=0, atol=BF16_TOLERANCE[design])


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_are_plain_fixed_and_channels_last(design: Design, precision: Precision) -> None:
    fast = InferenceGenerator(small(design), precision=precision)
    assert parametrised(fast) == []
    assert not any(module.training for module in fast.modules())
    assert list(fast.buffers()) == []
    for parameter in fast.parameters():
        assert not parameter.requires_grad
        assert parameter.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
        if parameter.ndim == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_generator_is_left_as_it_was(design: Design) -> None:
    generator = small(design).train()
    state, names = copy.deepcopy(generator.state_dict()), parametrised(generator)
    parameters = list(generator.parameters())
    InferenceGenerator(generator, precision="bf16")
    assert parametrised(generator) == names
    assert bool(names) == (design != "unet_like")
    assert all(module.training for module in generator.modules())
    assert state.keys() == generator.state_dict().keys()
    assert all(torch.equal(state[name], now) for name, now in generator.state_dict().items())
    assert all(
        now is before and now.requires_grad and now.dtype == torch.float32
        for now, before in zip(generator.parameters(), parameters, strict=True)
    )
    generator(image()).mean().backward()


@torch.no_grad()
def test_folding_twice_and_folding_the_folded_change_nothing() -> None:
    generator = small()
    once, twice = folded(generator), folded(folded(generator))
    assert not any(module.training for module in once.modules())
    assert torch.equal(once(image()), twice(image()))
    assert torch.equal(once(image()), folded(generator)(image()))


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bf16_where_the_device_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr("isnet.inference.has_bf16", lambda device: native)
    fast = InferenceGenerator(small(), precision="auto")
    assert fast.precision == ("bf16" if native else "fp32")
    assert InferenceGenerator(small(), precision="fp32").precision == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_works_inside_the_inpainter(precision: Precision) -> None:
    generator, config = small(), ReconstructionConfig(max_passes=2)
    picture, hole = noise("RGB"), square_hole()
    fast = Inpainter(InferenceGenerator(generator, precision=precision), reconstruction=config)
    slow = Inpainter(generator, reconstruction=config)
    results = [np.asarray(one(picture, as_mask(hole))).astype(int) for one in (fast, slow)]
    levels = 1 if precision == "fp32" else 2
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=levels)
    np.testing.assert_array_equal(results[0][~hole], np.asarray(picture)[~hole])


@pytest.mark.parametrize("design", DESIGNS)
@torch.no_grad()
def test_openvino_computes_the_generator_for_any_batch_and_size(design: Design) -> None:
    generator = small(design)
    fast = InferenceGenerator(generator, precision="fp32", backend="openvino")
    for shape in ((2, 3, 48, 32), (1, 3, 16, 80), (3, 3, 64, 64)):
        corrupted = torch.rand(shape, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(fast(corrupted), generator(corrupted), rtol=0, atol=1e-5)
    assert list(fast.parameters()) == []


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@torch.no_grad()
def test_openvino_is_near_in_less_precision(precision: Precision) -> None:
    generator = small()
    result = InferenceGenerator(generator, precision=precision, backend="openvino")(image())
    assert result.dtype == torch.float32
    difference = (result - generator(image())).abs().max()
    assert 0 < difference < 4 * ONE_LEVEL


@torch.no_grad()
def test_int8_does_not_overflow_where_activations_are_large() -> None:
    generator = load_generator("isnet-small")
    result = InferenceGenerator(generator, precision="int8", backend="openvino")(image())
    assert (result - generator(image())).abs().mean() < 4 * ONE_LEVEL


@torch.no_grad()
def test_answers_of_openvino_are_not_overwritten_by_later_ones() -> None:
    fast = InferenceGenerator(small(), precision="fp32", backend="openvino")
    first = fast(image())
    kept = first.clone()
    fast(1 - image())
    assert torch.equal(first, kept)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_size_that_cannot_be_computed_is_refused(backend: Backend) -> None:
    fast = InferenceGenerator(small(), precision="fp32", backend=backend)
    with pytest.raises(InputError, match="40x48; height and width must be divisible by 16"):
        fast(torch.zeros(1, 3, 40, 48))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_threads_that_share_it_get_their_own_answers(backend: Backend) -> None:
    fast = InferenceGenerator(small(), precision="fp32", backend=backend)
    images = [torch.full((1, 3, 48, 48), shade) for shade in (0.1, 0.9)] * 30
    expected = [fast(image) for image in images]
    with ThreadPoolExecutor(4) as threads:
        for found, wanted in zip(threads.map(fast, images), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


LOOKING_ON = """
import threading
from pathlib import Path

import torch
from isnet.inference import InferenceGenerator
from isnet.network import build_generator

def cores():
    for status in Path("/proc/self/task").glob("*/status"):
        yield from (line for line in status.read_text().splitlines() if "Cpus_allowed_list" in line)

before, seen, over = set(cores()), set(), threading.Event()

def look():
    while not over.is_set():
        seen.update(cores())

torch.set_num_threads(1)
generator = build_generator(channels=4, blocks=2).eval()
fast = InferenceGenerator(generator, precision="fp32", backend="openvino")
looking = threading.Thread(target=look)
looking.start()
for _ in range(20):
    fast(torch.zeros(1, 3, 64, 64))
over.set()
looking.join()
assert seen == before, (seen, before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are not to be seen")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one core all share it")
def test_openvino_takes_no_core_for_itself_and_tells_nobody(tmp_path: Path) -> None:
    """Processes that each took the first core would wait for each other."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", LOOKING_ON], env=environment, check=True)
    assert not list(tmp_path.iterdir())  # what its telemetry would leave


@pytest.mark.parametrize("design", ["base", "unet_like"])
def test_activations_without_a_bound_are_not_quantised(design: Design) -> None:
    with pytest.raises(InputError, match="needs activations between -1 and 1"):
        InferenceGenerator(small(design), precision="int8", backend="openvino")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "tensorrt"}, "unknown backend 'tensorrt'; choose one of torch, compile"),
        ({"precision": "fp16"}, "unknown precision 'fp16'; choose one of auto, fp32, bf16, int8"),
        ({"backend": "openvino", "device": "cuda"}, "OpenVINO computes on a CPU, not on cuda"),
        ({"precision": "int8"}, "int8 is for the backend openvino"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        InferenceGenerator(small(), **options)  # type: ignore[arg-type]


def test_without_openvino_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"pip install 'isnet\[openvino\]'"):
        InferenceGenerator(small(), backend="openvino")


@pytest.mark.extended  # the compiler takes half a minute
@torch.no_grad()
def test_pytorchs_compiler_computes_the_generator() -> None:
    generator = small()
    fast = InferenceGenerator(generator, precision="fp32", backend="compile")
    for corrupted in (image(), image()[:1, :, :32]):
        torch.testing.assert_close(fast(corrupted), generator(corrupted), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize("design", ["isnet", "unet_like"])
def test_how_far_the_network_looks_is_kept(design: Design, backend: Backend) -> None:
    generator = small(design)
    assert InferenceGenerator(generator, backend=backend).context == generator.context
