"""The split that is measured: validation or test, both under the held-out masks."""

from __future__ import annotations

import shutil

import pytest

from isnet.config import GeneratorConfig, InputError
from pipelines.evaluation.samples import load_samples
from pipelines.evaluation.work import Work, WorkItem, plan_work
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import prepare
from pipelines.shards import read_manifest

SMALL = GeneratorConfig(blocks=1, channels=2)


@pytest.fixture(scope="module")
def with_test(ray_session, samples, tmp_path_factory) -> str:
    """A data set with a test split of two photographs."""
    folder = tmp_path_factory.mktemp("three")
    for index, path in enumerate(sorted(samples.glob("*.jpg"))[:6]):
        place = folder / ("test" if index < 2 else "photos")
        place.mkdir(exist_ok=True)
        shutil.copy(path, place)
    config = PrepareConfig(
        photos=str(folder / "photos"),
        test_photos=str(folder / "test"),
        output=str(folder / "data"),
        size=32,
        generated_masks=60,
        validation_percent=30,
    )
    prepare(config)
    return config.output


@pytest.mark.ray
def test_test_images_are_measured_under_the_held_out_masks(with_test):
    manifest = read_manifest(with_test)
    assert set(manifest.masks) == {"train", "validation"}
    work = plan_work(with_test, manifest, images=2, seed=0, split="test")
    images = {item.image.partition("#")[0] for item in work.items}
    assert images == {"beacon-street-sunset.jpg", "blue-periwinkle.jpg"}
    assert len(load_samples(with_test, manifest, work)) == 2


def test_the_hash_of_work_says_which_split():
    item = WorkItem(image="i", mask="m", turns=0, bucket=0)
    assert Work(items=(item,)).hash != Work(items=(item,), split="test").hash


@pytest.mark.ray
def test_a_data_set_without_a_test_split_says_so(prepared):
    with pytest.raises(InputError, match="no split 'test'; it has train, validation"):
        plan_work(prepared, read_manifest(prepared), images=4, seed=0, split="test")


@pytest.mark.ray
def test_the_report_says_which_split(with_test, run, tmp_path):
    assert run("mean-fill", data=with_test, images=2, split="test") == 0
    assert "of the test split" in (tmp_path / "out" / "report.md").read_text()
