"""The parts of a generator: what each computes and moves at least, and what it takes."""

from __future__ import annotations

import copy
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from benchmarks.devices import wait_for
from benchmarks.roofline.peaks import DTYPES, Convolution

REST = "the rest"
"""What no part holds: concatenations, and the way to the unit range."""

_OF_A_PHASE = {
    "high blocks": ("high_blocks",),
    "low blocks": ("low_blocks",),
    "down": ("high_to_low", "low_to_low"),
    "up": ("low_to_high",),
    "aggregate": ("aggregate_high", "aggregate_low"),
}

Hook = Callable[[str, nn.Module, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a part has to do in a pass."""

    name: str
    flop: int
    bytes: int
    """Input, output and weights once: what moves if everything in between stays in the caches."""
    layer_bytes: int
    """The same of each convolution: what moves if nothing stays there."""

    def floor_s(self, flop_s: float, bytes_s: float) -> float:
        """Seconds that a machine needs at least."""
        return max(self.flop / flop_s, self.bytes / bytes_s)

    @property
    def intensity(self) -> float:
        """FLOP a byte."""
        return self.flop / self.bytes


def parts_of(network: nn.Module) -> dict[str, list[str]]:
    """Name the parts of a generator of any design; each is the paths of its modules."""
    if not hasattr(network, "phases"):
        return {name: [name] for name, _ in network.named_children()}
    there = dict(network.named_modules())
    found = {"stem": ["stem"]}
    for index in range(len(there["phases"])):  # type: ignore[arg-type]
        for label, names in _OF_A_PHASE.items():
            paths = [f"phases.{index}.{name}" for name in names]
            found[f"phase {index}: {label}"] = [path for path in paths if path in there]
    found |= {name: [name] for name in ("fusion", "head")}
    return {name: paths for name, paths in found.items() if paths and paths[0] in there}


def count(network: nn.Module, *, size: int, batch: int, precision: str) -> list[Part]:
    """Count what the parts of a folded generator do; nothing is computed.

    Args:
        network: as `isnet.inference.folded` returns it.
        size: side of the images in pixels, a multiple of 16.
        batch: images of a pass.
        precision: fp32 or bf16, of what moves.

    """
    network = copy.deepcopy(network).to("meta", DTYPES[precision])
    parts = parts_of(network)
    moved: Counter[str] = Counter()
    by_layer: Counter[str] = Counter()

    def note(path: str, module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        tensors = chain(given, [made], module.parameters())
        moved[path] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    convolutions = [name for name, module in network.named_modules() if _convolves(module)]
    counted = list(chain(chain.from_iterable(parts.values()), convolutions))
    image = torch.empty(batch, 3, size, size, device="meta", dtype=DTYPES[precision])
    with _hooked(network, counted, note), FlopCounterMode(display=False) as counter:
        network(image)
    for part, paths in parts.items():
        inside = [name for name in convolutions if _within(name, paths)]
        by_layer[part] = sum(moved[name] for name in inside)
    flop = {name.partition(".")[2]: sum(n.values()) for name, n in counter.flop_counts.items()}
    return [
        Part(
            name=part,
            flop=sum(flop.get(path, 0) for path in paths),
            bytes=sum(moved[path] for path in paths),
            layer_bytes=by_layer[part],
        )
        for part, paths in parts.items()
    ]


def convolutions_of(network: nn.Module, *, size: int, batch: int, most: int) -> list[Convolution]:
    """List the shapes of convolution that a pass spends most operations on."""
    network = copy.deepcopy(network).to("meta")
    found: Counter[Convolution] = Counter()

    def note(_: str, conv: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        shape = Convolution(
            channels=(conv.in_channels, conv.out_channels),
            kernel=conv.kernel_size[0],
            stride=conv.stride[0],
            padding=int(conv.padding[0]),
            dilation=conv.dilation[0],
            height=given[0].shape[2],
            width=given[0].shape[3],
            batch=batch,
        )
        flop = 2 * made.numel() * conv.in_channels * conv.kernel_size[0] ** 2
        found[replace(shape, flop=flop)] += flop

    names = [name for name, one in network.named_modules() if isinstance(one, nn.Conv2d)]
    with _hooked(network, names, note):
        network(torch.empty(batch, 3, size, size, device="meta"))
    return [shape for shape, _ in found.most_common(most)]


@torch.inference_mode()
def part_seconds(
    network: nn.Module, image: Tensor, *, repeats: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Time the parts of a network within whole passes, after a pass that does not count.

    Returns:
        seconds of each part in each pass, what no part holds included, and of the whole passes.

    """
    clock = _clock(image.device)
    parts = parts_of(network)
    of_path = {path: part for part, paths in parts.items() for path in paths}
    seconds: dict[str, list[float]] = {part: [] for part in [*parts, REST]}
    whole = []
    for going in range(repeats + 1):
        marks: dict[str, list[Any]] = defaultdict(list)
        handles = _marked(network, of_path, lambda path, marks=marks: marks[path].append(clock()))
        began = clock()
        network(image)
        ended = clock()
        for handle in handles:
            handle.remove()
        wait_for(image.device)
        if going == 0:
            continue
        whole.append(_between(began, ended))
        took: Counter[str] = Counter()
        for path, times in marks.items():
            took[of_path[path]] += _between(*times)  # type: ignore[assignment]
        for part in parts:
            seconds[part].append(took[part])
        seconds[REST].append(whole[-1] - sum(took.values()))
    return seconds, whole


def total(parts: list[Part]) -> Part:
    """Sum the parts up: a pass."""
    sums = {name: sum(getattr(p, name) for p in parts) for name in ("flop", "bytes", "layer_bytes")}
    return Part(name="a pass", **sums)


def _convolves(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.ConvTranspose2d)


def _within(name: str, paths: list[str]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)


@contextmanager
def _hooked(network: nn.Module, paths: list[str], hook: Hook) -> Iterator[None]:
    """Call a hook after each of some modules; a path that stands there twice counts once."""
    handles = [
        network.get_submodule(path).register_forward_hook(
            lambda module, given, made, path=path: hook(path, module, given, made)
        )
        for path in dict.fromkeys(paths)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _marked(
    network: nn.Module, paths: Mapping[str, str], mark: Callable[[str], None]
) -> list[RemovableHandle]:
    handles = []
    for path in paths:
        module = network.get_submodule(path)
        handles += [
            module.register_forward_pre_hook(lambda _module, _given, path=path: mark(path)),
            module.register_forward_hook(lambda _module, _given, _made, path=path: mark(path)),
        ]
    return handles


def _clock(device: torch.device) -> Callable[[], Any]:
    """A clock that does not hold the device up: events on a GPU, seconds on a CPU."""
    if device.type != "cuda":
        return time.perf_counter

    def mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    return mark


def _between(began: Any, ended: Any) -> float:
    if isinstance(began, torch.cuda.Event):
        return began.elapsed_time(ended) / 1000
    return ended - began
