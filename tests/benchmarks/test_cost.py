"""Points of the cost curve: which there are, one of them measured, what is said of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from benchmarks.cost import CostOptions, measure, points, time_point
from benchmarks.cost_report import bound, report
from benchmarks.processes import MeasurementError
from isnet.config import InputError

TINY = CostOptions(
    channels=2, blocks=1, size=64, passes=2, repeats=1, device="cpu", sizes="", holes="", batches=""
)
PIXELS = 128 * 128


def point(**changes):
    about = {"axis": "size", "value": 64, "size": 64, "hole": 20, "batch": 1}
    found = {"seconds": [1.0, 3.0, 2.0], "passes": [2], "peak_bytes": 2**20}
    return about | found | {"device": "cpu", "precision": "fp32", "context": 96} | changes


def test_one_axis_is_varied_at_a_time():
    config = replace(TINY, sizes="32,64", holes="5", batches="1,2")
    assert {name: (one.size, one.hole, one.batch) for name, one in points(config).items()} == {
        ("size", 32): (32, 20, 1),
        ("size", 64): (64, 20, 1),
        ("hole", 5): (64, 5, 1),
        ("batch", 1): (64, 20, 1),
        ("batch", 2): (64, 20, 2),
    }


def test_a_point_is_measured():
    found = time_point(replace(TINY, batch=3, hole=25, precision="fp32"))
    assert len(found["seconds"]) == 1
    assert found["passes"] == [2, 2, 2]
    assert found["drawn"] == pytest.approx(0.25, abs=1e-3)
    assert found["peak_bytes"] >= found["before_bytes"]


@pytest.mark.parametrize(("context", "pixels"), [("image", None), ("32", 32)])
def test_passes_take_in_what_was_asked_for(context, pixels):
    assert time_point(replace(TINY, context=context))["context"] == pixels


def test_a_point_that_axes_share_is_measured_once(capsys):
    found, failed = measure(replace(TINY, sizes="64", holes="20"))
    assert failed == {}
    assert [one["axis"] for one in found] == ["size", "hole"]
    assert found[0]["seconds"] == found[1]["seconds"]
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_point_that_fails_leaves_the_others():
    # Beside what the network looks at, nothing has room in so few pixels.
    config = replace(TINY, sizes="64,512", max_pixels=64 * 64)
    found, failed = measure(config)
    assert [one["size"] for one in found] == [64]
    (note,) = report(config, found, failed).notes[1:]
    assert note.startswith("size 512 could not be measured: isnet.config.InputError: tiles of 64")
    with pytest.raises(MeasurementError, match=r"no point could be measured: .*tiles of 64"):
        measure(replace(config, sizes="512"))


def test_the_table_has_medians_an_image_and_a_megapixel():
    (row,) = report(TINY, [point(size=1000, batch=2, passes=[1, 2])], {}).rows
    assert row == ["size", "1000", "20", "2", "1.5", "1", "1", "1"]


def test_the_bound_is_stated_with_what_was_seen_on_both_sides_of_it():
    config = replace(TINY, max_pixels=PIXELS)
    small = point(size=128, peak_bytes=30 * 2**20)
    large = point(size=512, peak_bytes=40 * 2**20)
    said = bound(config, [small, large])
    assert "no pass computes more than 16,384 pixels at a time" in said
    assert "The most was 40 MiB, at size 512" in said
    assert "In batches of no more pixels than 16,384: at most 30 MiB" in said
    assert "In batches of more pixels than 16,384: at most 40 MiB" in said


def test_whole_images_are_not_called_bounded():
    assert bound(TINY, [point(context=None)]).startswith("Memory is not bounded")


def test_the_picture_has_a_column_an_axis(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.cost_figure import draw

    found = [point(size=size, value=size) for size in (64, 128)]
    found += [point(axis="batch", value=batch, batch=batch) for batch in (1, 2)]
    draw(found, str(tmp_path / "cost.png"))
    with Image.open(tmp_path / "cost.png") as picture:
        assert picture.width > 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": "64,x"}, "--sizes '64,x' must be numbers"),
        ({"batches": "0"}, "batch 0: both must be 1 or more"),
        ({"holes": "5,100"}, "hole ratio is 1.0"),
        ({"precision": "fp8"}, "unknown precision 'fp8'; choose one of auto, fp32, bf16, int8"),
        ({"precision": "int8"}, "precision int8 is for the backend openvino"),
        ({"backend": "quick"}, "unknown backend 'quick'; choose one of torch"),
        ({"context": "near"}, "--context 'near' must be"),
        ({"figure": "cost.svg"}, "must end in .png"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **change).check()
