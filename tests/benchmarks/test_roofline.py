"""What parts of a pass are counted and timed as, the machine's peaks, and the tables of both."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks import subjects
from benchmarks.processes import MeasurementError
from benchmarks.roofline import __main__ as roofline
from benchmarks.roofline.__main__ import RooflineOptions, measure, measure_one
from benchmarks.roofline.parts import (
    REST,
    Part,
    convolutions_of,
    count,
    part_seconds,
    parts_of,
    total,
)
from benchmarks.roofline.peaks import (
    best_seconds,
    convolution_flop_s,
    gemm_flop_s,
    stream_bytes_s,
)
from benchmarks.roofline.report import HEADERS, Measured, part_rows, report
from isnet.config import DiscriminatorConfig, GeneratorConfig, InputError
from isnet.counting import count as count_networks
from isnet.inference import folded
from isnet.network import build_generator

TINY = RooflineOptions(channels=2, blocks=1, size=64, repeats=2, device="cpu", paths="plain,bf16")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    return folded(subjects.network(TINY))


@pytest.fixture(scope="module")
def measured(network):
    found = {name: measure_one(TINY, f"parts {name}") for name in ("fp32", "bf16")}
    convolutions = [{"shape": "3x3", "fp32": 1e9, "bf16": 2e9}]
    return Measured(
        network=network,
        size=TINY.size,
        batch=1,
        peaks={
            "gemm_flop_s": {"fp32": 1e9, "bf16": 4e9},
            "flop_s": {"fp32": 2e9, "bf16": 4e9},
            "bytes_s": 1e9,
            "convolutions": convolutions,
            "device": "cpu",
        },
        parts=found,
        paths={"plain": {"seconds": [3.0, 1.0, 2.0], "images": 1}},
        failed={"compile_bf16": "no compiler"},
    )


@pytest.mark.parametrize("design", ["isnet", "base", "base_ff", "unet_like"])
def test_parts_make_up_the_network_of_every_design(design):
    network = build_generator(design, blocks=2, channels=2).eval()
    paths = [path for found in parts_of(network).values() for path in found]
    inside = [p for path in paths for p in network.get_submodule(path).parameters()]
    assert {id(p) for p in inside} == {id(p) for p in network.parameters()}
    assert len(inside) == len(list(network.parameters()))


def test_parts_have_the_operations_of_the_network(network):
    config = GeneratorConfig(blocks=1, channels=2)
    known = count_networks(config, DiscriminatorConfig(channels=2), size=64, extractor=False)
    parts = count(network, size=64, batch=3, precision="fp32")
    assert total(parts).flop == 3 * known.forward_flop["generator"]


def test_a_part_moves_its_input_output_and_weights_once():
    network = folded(build_generator("isnet", blocks=1, channels=2).eval())
    stem = count(network, size=32, batch=1, precision="bf16")[0]
    weights = 3 * 4 * 9 + 4 * 2 * 9 + 3 * 2
    assert stem.bytes == 2 * ((3 + 2) * 32 * 32 + weights)
    assert stem.layer_bytes == 2 * ((3 + 4 + 4 + 2 + 3 + 2) * 32 * 32 + weights)
    assert count(network, size=32, batch=1, precision="fp32")[0].bytes == 2 * stem.bytes


def test_the_floor_is_the_longer_of_computing_and_moving():
    part = Part(name="a", flop=100, bytes=10, layer_bytes=10)
    assert part.floor_s(flop_s=50, bytes_s=100) == 2
    assert part.floor_s(flop_s=1000, bytes_s=2) == 5


def test_the_shapes_that_cost_most_come_first(network):
    shapes = convolutions_of(network, size=64, batch=2, most=100)
    convolutions = [one for one in network.modules() if isinstance(one, nn.Conv2d)]
    assert 1 < len(shapes) < len(convolutions)
    head = next(shape for shape in shapes if shape.kernel == 7)
    assert head.flop == 2 * 2 * (4 * 2 * 49) * 64 * 64
    assert str(head) == "7x7, 4 to 2 at 64x64"
    assert shapes.index(head) < 3
    assert len(convolutions_of(network, size=64, batch=2, most=3)) == 3


def test_parts_are_timed_within_the_passes_that_they_make_up(network):
    seconds, whole = part_seconds(network, torch.rand(1, 3, 64, 64), repeats=3)
    assert list(seconds) == [*parts_of(network), REST]
    for index, one in enumerate(whole):
        assert sum(values[index] for values in seconds.values()) == pytest.approx(one)
    assert all(value > 0 for values in seconds.values() for value in values)
    assert not any(module._forward_hooks for module in network.modules())


def test_the_machine_is_measured(network):
    called = []
    assert best_seconds(lambda: called.append(1), CPU, budget=0) > 0
    assert len(called) == 4  # the first does not count
    assert gemm_flop_s("bf16", CPU, sides=[16, 32]) > 0
    assert stream_bytes_s(CPU, size=2**16) > 0
    assert convolution_flop_s(convolutions_of(network, size=16, batch=1, most=1)[0], "fp32", CPU)


@pytest.mark.parametrize("name", ["plain", "bf16"])
def test_a_whole_path_is_timed(name):
    found = measure_one(replace(TINY, batch=2), f"path {name}")
    assert len(found["seconds"]) == TINY.repeats
    assert found["images"] == (1 if name == "plain" else 2)


def test_the_rows_of_a_precision_add_up_to_a_pass(measured):
    rows = [dict(zip(HEADERS, row, strict=True)) for row in part_rows(measured, "fp32")]
    assert rows[-1]["part"] == "a pass"
    assert rows[-2]["part"] == REST
    shares = [float(row["share, %"]) for row in rows[:-1]]
    assert sum(shares) == pytest.approx(100, abs=15)  # medians of two passes
    floors = [float(row["floor, ms"].replace(",", "")) for row in rows if row["floor, ms"] != "-"]
    assert floors[-1] == pytest.approx(sum(floors[:-1]), rel=0.02)


def test_the_report_has_the_machine_and_whole_paths(measured):
    text = report(TINY, measured).markdown()
    assert "0.002 TFLOP/s in fp32 (matrix products: 0.001) and 0.004 TFLOP/s in bf16" in text
    floor = measured.pass_floor_s("fp32")
    row = next(line for line in text.splitlines() if line.startswith("| plain"))
    assert row.split("|")[-2].strip() == f"{2 / floor:.1f}"


def test_what_is_missing_from_the_report_is_named(measured):
    notes = report(TINY, measured).notes
    assert notes[-1] == "compile_bf16 could not be measured: no compiler"
    assert not any("int8" in note for note in notes)


def test_paths_without_a_floor_of_their_own_say_whose_it_is(measured):
    paths = {**measured.paths, "openvino_int8": measured.paths["plain"]}
    notes = report(TINY, replace(measured, paths=paths)).notes
    assert any(note.startswith("The floor of int8 is that of bf16") for note in notes)


@pytest.mark.parametrize(("failing", "goes_on"), [("path bf16", True), ("parts fp32", False)])
def test_paths_may_fail_and_the_rest_may_not(failing, goes_on, monkeypatch):
    def in_a_process(config, *, module, one):
        if one == failing:
            raise MeasurementError("no kernel")
        return {"of": one}

    monkeypatch.setattr(roofline, "in_a_process", in_a_process)
    if not goes_on:
        with pytest.raises(MeasurementError, match="no kernel"):
            measure(TINY)
        return
    found = measure(TINY)
    assert found.paths == {"plain": {"of": "path plain"}}
    assert found.failed == {"bf16": "no kernel"}


def test_the_picture_is_drawn(measured, tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.roofline.figure import draw

    draw(measured, str(tmp_path / "roofline.png"))
    with Image.open(tmp_path / "roofline.png") as picture:
        assert picture.width > 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 60}, "--size 60 must be a multiple of 16"),
        ({"precisions": "fp32,fp8"}, "'fp8': choose of fp32, bf16"),
        ({"paths": "bf16_windows"}, "unknown path 'bf16_windows'"),
        ({"repeats": 0}, "must be 1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **change).check()
