"""Rows of the per-image table: composite and prediction, and a failure that stays alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from isnet import metrics
from isnet.config import InputError, ReconstructionConfig
from isnet.images import to_tensor
from isnet.lpips import build_lpips
from isnet.reconstruction import reconstruct
from pipelines.evaluation.fills import mean_fill, one_shot, progressive
from pipelines.evaluation.measuring import measure_samples
from pipelines.evaluation.rows import SCHEMA
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.work import WorkItem
from tests.pipelines.evaluation.checkpoints import small_generator

CPU = torch.device("cpu")


@pytest.fixture
def samples():
    draw = np.random.default_rng(0)
    return [
        Sample(
            item=WorkItem(image=f"p{index}#0", mask="m", turns=1, bucket=2),
            rgb=draw.integers(0, 255, (48, 48, 3), dtype=np.uint8),
            valid=torch.from_numpy(draw.random((1, 48, 48)) > 0.35),
        )
        for index in range(3)
    ]


def _rows(samples, method, fill, lpips=None):
    return measure_samples(samples, method, fill, device=CPU, lpips=lpips or {})


def test_composite_and_prediction_are_measured_apart(samples):
    generator = small_generator(0)
    found = _rows(samples, "one-shot", one_shot(generator))
    for sample, (composite, prediction) in zip(samples, found, strict=True):
        truth, valid = to_tensor(sample.rgb)[None], sample.valid[None]
        result = reconstruct(generator, truth * valid, valid, max_passes=1)
        for row, picture in ((composite, result.image), (prediction, result.prediction)):
            rounded = metrics.round_to_8_bits(picture)
            assert row["psnr"] == pytest.approx(metrics.psnr(rounded, truth).item(), abs=1e-3)
            assert row["mae"] == pytest.approx(metrics.mae(rounded, truth).item(), abs=1e-5)
        assert composite["psnr"] > prediction["psnr"]
        assert (composite["picture"], prediction["picture"]) == ("composite", "prediction")
        assert composite["hole_ratio"] == pytest.approx(1 - valid.float().mean().item())


def test_a_classical_method_has_its_composite_alone(samples):
    found = _rows(samples, "fill", mean_fill)
    assert [[row["picture"] for row in rows] for rows in found] == [["composite"]] * 3
    assert all(rows[0]["passes"] == 0 for rows in found)


def test_rows_fit_the_table(samples):
    lpips = {"lpips_alexnet": build_lpips("alexnet")}
    rows = [row for own in _rows(samples, "fill", mean_fill, lpips) for row in own]
    assert all(row.keys() <= set(SCHEMA.names) for row in rows)
    assert all(row["lpips_alexnet"] > 0 for row in rows)


def _failing(bad, how):
    """Mean fill that fails on one picture, known by what of it can be seen."""

    def fill(image, valid):
        result = mean_fill(image, valid)
        for index in range(len(image)):
            if torch.equal(valid[index], bad.valid):
                how(result, index)
        return result

    return fill


def _raise(result, index):
    raise RuntimeError("out of luck\nsecond line")


def _spoil(result, index):
    result.image[index, :, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("how", "reason"), [(_raise, "RuntimeError: out of luck"), (_spoil, "not finite")]
)
def test_a_failure_on_one_image_leaves_the_others_alone(samples, how, reason):
    whole = _rows(samples, "fill", mean_fill)
    found = _rows(samples, "fill", _failing(samples[1], how))
    ((lost,),) = [found[1]]
    assert reason in lost["error"]
    assert "second line" not in lost["error"]
    assert "psnr" not in lost
    assert lost["image"] == "p1#0"
    for index in (0, 2):
        assert found[index][0]["psnr"] == pytest.approx(whole[index][0]["psnr"], abs=1e-4)


def test_a_prediction_that_is_not_finite_leaves_the_composite_its_scores(samples):
    def fill(image, valid):
        result = mean_fill(image, valid)
        return replace(result, prediction=torch.full_like(image, float("inf")))

    for composite, prediction in _rows(samples, "one-shot", fill):
        assert "error" not in composite
        assert "not finite" in prediction["error"]
        assert "psnr" not in prediction


def test_a_network_that_fails_has_an_error_in_place_of_both_pictures(samples):
    def fill(image, valid):
        raise RuntimeError("out of luck")

    for rows in _rows(samples, "PRA", fill):
        assert [row["picture"] for row in rows] == ["composite", "prediction"]
        assert all("out of luck" in row["error"] for row in rows)


def test_what_is_missing_for_every_image_is_no_images_error(samples):
    def fill(image, valid):
        raise InputError("no such library")

    with pytest.raises(InputError, match="no such library"):
        _rows(samples, "fill", fill)


def test_progressive_takes_its_passes(samples):
    config = ReconstructionConfig(kernel_size=3, threshold=0.01, max_passes=4)
    found = _rows(samples, "PRA", progressive(small_generator(0), config))
    assert all(1 < row["passes"] <= 4 for rows in found for row in rows)
