"""Evaluation on pictures that are scaled down."""

from __future__ import annotations

import pytest

from pipelines.evaluation.samples import load_samples
from pipelines.evaluation.work import plan_work
from pipelines.shards import read_manifest


@pytest.mark.ray
def test_samples_are_scaled_image_and_hole_alike(prepared):
    manifest = read_manifest(prepared)
    work = plan_work(prepared, manifest, images=12, seed=0)
    for small, sample in zip(
        load_samples(prepared, manifest, work, size=16),
        load_samples(prepared, manifest, work),
        strict=True,
    ):
        assert small.rgb.shape == (16, 16, 3)
        assert small.valid.shape == (1, 16, 16)
        ratios = [1 - picture.valid.float().mean().item() for picture in (small, sample)]
        assert ratios[0] == pytest.approx(ratios[1], abs=0.1)
