"""Evaluation: fixed work, and scores as they are meant."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from isnet import metrics
from isnet.config import InputError
from isnet.images import to_tensor
from isnet.lpips import build_lpips
from isnet.masks import BUCKETS, PUBLISHED_BUCKETS, hole_ratio
from isnet.network import build_generator
from pipelines.evaluation.fills import mean_fill, one_shot
from pipelines.evaluation.samples import Sample, load_samples
from pipelines.evaluation.scores import Score, score, summarise
from pipelines.evaluation.work import WorkItem, plan_work
from pipelines.shards import read_manifest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def manifest(prepared):
    return read_manifest(prepared)


@pytest.fixture(scope="module")
def drawn(prepared, manifest):
    work = plan_work(prepared, manifest, images=12, seed=0)
    return load_samples(prepared, manifest, work)


@pytest.mark.ray
def test_the_same_seed_gives_the_same_work_and_hash(prepared, manifest):
    first = plan_work(prepared, manifest, images=12, seed=0)
    assert first == plan_work(prepared, manifest, images=12, seed=0)
    other = plan_work(prepared, manifest, images=12, seed=1)
    assert first.hash != other.hash


@pytest.mark.ray
def test_masks_lie_in_the_bucket_they_are_planned_for(drawn):
    assert len(drawn) == 12
    for sample in drawn:
        low, high = BUCKETS[sample.item.bucket]
        assert low <= hole_ratio(sample.valid[None]).item() < high


@pytest.mark.ray
def test_fewer_images_or_masks_than_items_are_used_again_and_evenly(prepared, manifest):
    work = plan_work(prepared, manifest, images=60, seed=0)
    images = Counter(item.image for item in work.items)
    masks = Counter((item.mask, item.turns) for item in work.items)
    assert len(images) == 12
    assert set(images.values()) == {5}
    assert len({mask for mask, _ in masks}) < 60
    assert len({item.turns for item in work.items}) == 4


@pytest.mark.ray
def test_buckets_are_the_papers_unless_more_are_asked_for(prepared, manifest):
    for buckets in (PUBLISHED_BUCKETS, len(BUCKETS)):
        work = plan_work(prepared, manifest, images=40, seed=0, buckets=buckets)
        counts = Counter(item.bucket for item in work.items)
        assert set(counts) == set(range(buckets))
        assert set(counts.values()) == {40 // buckets}


@pytest.mark.ray
def test_only_validation_photographs_are_used(prepared, manifest, drawn):
    import pyarrow.parquet as pq

    def photos(split):
        tables = [
            pq.read_table(f"{prepared}/{shard.path}") for shard in manifest.shards("images", split)
        ]
        return {key for table in tables for key in table["key"].to_pylist()}

    used = {sample.item.image for sample in drawn}
    assert used <= photos("validation")
    assert not used & photos("train")


@pytest.mark.ray
def test_scores_are_those_of_the_rounded_composite(drawn):
    generator = build_generator(blocks=1, channels=2).eval()
    scores = list(score(drawn, one_shot(generator), device=CPU, batch_size=5))
    for sample, entry in zip(drawn, scores, strict=True):
        truth, valid = to_tensor(sample.rgb)[None], sample.valid[None]
        with torch.no_grad():
            prediction = generator(truth * valid)
        composite = metrics.round_to_8_bits(torch.where(valid, truth, prediction))
        assert entry.psnr == pytest.approx(metrics.psnr(composite, truth).item(), abs=1e-3)
        assert entry.mae == pytest.approx(metrics.mae(composite, truth).item(), abs=1e-5)
        relative = metrics.relative_mae(composite, truth).item()
        assert entry.relative_mae == pytest.approx(relative, abs=1e-5)
        assert entry.lpips is None
        assert entry.item == sample.item


def test_mean_fill_is_the_mean_of_the_known_pixels():
    image = torch.rand(2, 3, 8, 8)
    valid = torch.rand(2, 1, 8, 8) > 0.5
    filled = mean_fill(torch.where(valid, image, torch.zeros(())), valid).image
    for index in range(2):
        known = valid[index, 0].numpy()
        for channel in range(3):
            plane = image[index, channel].numpy()
            expected = np.where(known, plane, plane[known].mean())
            np.testing.assert_allclose(filled[index, channel].numpy(), expected, atol=1e-6)


def _entry(psnr, bucket=0, relative_mae=0.02, lpips=None):
    item = WorkItem(image="i", mask="m", turns=0, bucket=bucket)
    return Score(
        item=item,
        psnr=psnr,
        ssim=0.5,
        mae=0.01,
        relative_mae=relative_mae,
        lpips=lpips,
        passes=1,
    )


def test_infinite_psnr_is_counted_apart():
    summary = summarise([_entry(20.0), _entry(math.inf), _entry(30.0)])
    assert summary.psnr == 25
    assert summary.infinite == 1
    assert summary.count == 3


def test_only_infinite_psnr_has_no_mean():
    assert math.isnan(summarise([_entry(math.inf)]).psnr)


def test_infinite_relative_mae_is_never_averaged():
    entries = [_entry(20.0, relative_mae=value) for value in (0.1, math.inf, 0.3)]
    assert summarise(entries).relative_mae == pytest.approx(0.2)
    assert math.isnan(summarise([entries[1]]).relative_mae)


def test_lpips_is_averaged_where_it_was_measured():
    assert summarise([_entry(20.0, lpips=0.2), _entry(20.0, lpips=0.4)]).lpips == pytest.approx(0.3)
    assert summarise([_entry(20.0), _entry(20.0)]).lpips is None


@pytest.mark.ray
def test_no_masks_in_any_bucket_is_a_clear_error(prepared, manifest):
    from dataclasses import replace

    empty = replace(manifest, masks={"train": manifest.masks["train"], "validation": ()})
    with pytest.raises(InputError, match="no validation mask with a hole ratio"):
        plan_work(prepared, empty, images=4, seed=0)


def test_samples_are_what_score_expects():
    item = WorkItem(image="i", mask="m", turns=0, bucket=0)
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    sample = Sample(item=item, rgb=rgb, valid=torch.rand(1, 16, 16) > 0.5)
    (entry,) = score([sample], mean_fill, device=CPU)
    assert entry.passes == 0


def test_lpips_is_that_of_the_rounded_composite():
    try:
        lpips = build_lpips("vgg16")
    except InputError as error:
        pytest.skip(str(error))
    draw = np.random.default_rng(0)
    samples = [
        Sample(
            item=WorkItem(image=str(index), mask="m", turns=0, bucket=0),
            rgb=draw.integers(0, 255, (16, 24, 3), dtype=np.uint8),
            valid=torch.from_numpy(draw.random((1, 16, 24)) > 0.3),
        )
        for index in range(3)
    ]
    scores = list(score(samples, mean_fill, device=CPU, batch_size=2, lpips=lpips))
    for sample, entry in zip(samples, scores, strict=True):
        truth, valid = to_tensor(sample.rgb)[None], sample.valid[None]
        composite = metrics.round_to_8_bits(mean_fill(truth * valid, valid).image)
        assert entry.lpips == pytest.approx(lpips(composite, truth).item(), abs=1e-5)
        assert entry.lpips > 0


@pytest.mark.ray
def test_ground_truths_are_the_stored_pixels(prepared, manifest, drawn):
    import io

    from PIL import Image

    from pipelines.reading import read_pictures

    keys = {sample.item.image for sample in drawn}
    stored = read_pictures(prepared, manifest, "images", "validation", keys)
    assert stored.keys() == keys
    for sample in drawn:
        pixels = np.asarray(Image.open(io.BytesIO(stored[sample.item.image])))
        np.testing.assert_array_equal(sample.rgb, pixels)
        assert torch.equal(
            (to_tensor(sample.rgb) * 255).round(), torch.tensor(pixels).permute(2, 0, 1)
        )


@pytest.mark.ray
def test_buckets_without_masks_are_named(prepared, manifest, monkeypatch):
    from pipelines.evaluation import work

    monkeypatch.setattr(work, "bucket_of", lambda ratio: 2 if ratio < 0.5 else None)
    assert plan_work(prepared, manifest, images=4, seed=0).without_masks == (0, 1, 3)
