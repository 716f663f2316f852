"""Places2, CelebA and NVIDIA's masks as published: found, divided, and read the right way round."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isnet.config import InputError
from isnet.images import open_image
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import main
from pipelines.shards import Manifest, read_manifest
from tests.pipelines.preparation.archives import (
    NVIDIA_HOLES,
    PARTITION,
    extract,
    mask_png,
    write_celeba,
    write_nvidia,
    write_places,
)
from tests.pipelines.preparation.photographs import decode, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

PLACES = {"train": 8, "validation": 3, "test": 3}

TRAINING = 0.156
TESTING = {round(height * width / 32**2, 3) for height, width in NVIDIA_HOLES}
"""Hole ratios of NVIDIA's masks at 32x32."""


def prepared(*argv: object, output: Path) -> Manifest:
    main([*map(str, argv), "--output", str(output), "--size", "32", "--generated-masks", "8"])
    return read_manifest(str(output))


def counts(manifest: Manifest, kind: str = "images") -> dict[str, int]:
    return {split: manifest.rows(kind, split) for split in getattr(manifest, kind)}


def content(output: Path) -> list[tuple[str, bytes]]:
    """Split and picture of every row, in no particular order."""
    config = PrepareConfig(photos="", output=str(output))
    splits = read_manifest(str(output)).images
    return sorted(
        (split, row["image"]) for split in splits for row in rows(config, "images", split)
    )


def keys(output: Path, split: str, kind: str = "images") -> set[str]:
    return {row["key"] for row in rows(PrepareConfig(photos="", output=str(output)), kind, split)}


@pytest.fixture
def places(tmp_path: Path, samples: Path) -> Path:
    return write_places(tmp_path / "places", samples)


def test_places_has_its_three_splits(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = prepared("places2", "--photos", places, output=tmp_path / "out")
    assert counts(manifest) == PLACES
    assert manifest.photos == 14
    assert "data_256/a/airfield/00000001.jpg#0" in keys(tmp_path / "out", "train")
    assert "val_256/Places365_val_00000001.jpg#0" in keys(tmp_path / "out", "validation")
    assert "test_256/Places365_test_00000001.jpg#0" in keys(tmp_path / "out", "test")
    out = capsys.readouterr().out
    assert f"places2: --photos {places}/train_256_places365standard.tar" in out
    assert f"places2: --test-photos {places}/test_256.tar" in out


@pytest.mark.parametrize("folder", ["data_256", "data_256_standard"])
def test_extracted_places_gives_the_same_rows(places: Path, tmp_path: Path, folder: str) -> None:
    prepared("places2", "--photos", places, output=tmp_path / "archives")
    for archive in sorted(places.iterdir()):
        extract(archive)
    (places / "data_256").rename(places / folder)
    prepared("places2", "--photos", places, output=tmp_path / "folders")
    assert "a/airfield/00000001.jpg#0" in keys(tmp_path / "folders", "train")
    assert content(tmp_path / "archives") == content(tmp_path / "folders")


def test_places_without_test_pictures_has_two_splits(samples: Path, tmp_path: Path) -> None:
    write_places(tmp_path / "places", samples, test=False)
    manifest = prepared("places2", "--photos", tmp_path / "places", output=tmp_path / "out")
    assert set(manifest.images) == {"train", "validation"}


@pytest.mark.parametrize(
    ("missing", "what"),
    [("train_256_places365standard.tar", "training"), ("val_256.tar", "validation")],
)
def test_places_without_what_it_needs_says_what_is_there(
    places: Path, tmp_path: Path, missing: str, what: str
) -> None:
    (places / missing).unlink()
    with pytest.raises(InputError, match=rf"{what} pictures: looked for {missing} .*test_256.tar"):
        prepared("places2", "--photos", places, output=tmp_path / "out")


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("extracted", [False, True])
def test_celeba_is_divided_by_its_partition(
    samples: Path, tmp_path: Path, published: bool, extracted: bool
) -> None:
    celeba = write_celeba(tmp_path / "celeba", samples, published=published)
    if extracted:
        extract(next(celeba.rglob("img_align_celeba.zip")))
    manifest = prepared("celeba", "--photos", celeba, output=tmp_path / "out")
    assert counts(manifest) == {"train": 4, "validation": 2, "test": 2}
    prefix = "" if extracted else "img_align_celeba/"
    for code, split in enumerate(("train", "validation", "test")):
        expected = {f"{prefix}{name}#0" for name, value in PARTITION.items() if value == code}
        assert keys(tmp_path / "out", split) == expected


def test_celeba_is_cropped_to_the_centred_square(samples: Path, tmp_path: Path) -> None:
    celeba = write_celeba(tmp_path / "celeba", samples)
    prepared("celeba", "--photos", celeba, output=tmp_path / "out")
    extract(celeba / "img_align_celeba.zip")
    config = PrepareConfig(photos="", output=str(tmp_path / "out"))
    for row in rows(config, "images"):
        name = row["key"].removesuffix("#0")
        whole = open_image(celeba / name).convert("RGB")
        assert whole.size == (178, 218)
        square = whole.crop((0, 20, 178, 198)).resize((32, 32), Image.Resampling.LANCZOS)
        assert np.abs(decode(row["image"]) - np.asarray(square)).mean() < 4  # JPEG's own error


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("Img", "pictures: looked for img_align_celeba.zip or img_align_celeba/ .*Eval"),
        ("Eval", "splits: looked for list_eval_partition.txt .*; it holds Img"),
    ],
)
def test_celeba_without_what_it_needs_says_what_is_there(
    samples: Path, tmp_path: Path, missing: str, message: str
) -> None:
    celeba = write_celeba(tmp_path / "celeba", samples, published=True)
    shutil.rmtree(celeba / missing)
    with pytest.raises(InputError, match=message):
        prepared("celeba", "--photos", celeba, output=tmp_path / "out")


@pytest.mark.parametrize("extracted", [False, True])
@pytest.mark.parametrize("command", [["places2"], ["--mask-layout", "nvidia"]])
def test_nvidia_masks_are_held_out_and_read_by_their_own_polarity(
    places: Path, tmp_path: Path, extracted: bool, command: list[str], capsys
) -> None:
    nvidia = write_nvidia(tmp_path / "nvidia")
    if extracted:
        for archive in sorted(nvidia.iterdir()):
            extract(archive)
    photos = places if command == ["places2"] else places / "val_256.tar"
    manifest = prepared(*command, "--photos", photos, "--masks", nvidia, output=tmp_path / "out")
    assert counts(manifest, "masks") == {"train": 6, "validation": 12}
    assert _ratios(tmp_path / "out") == {"train": {TRAINING}, "validation": TESTING}
    captured = capsys.readouterr()
    assert "warning" not in captured.err
    assert "--heldout-masks" in captured.out
    assert "--mask-polarity black-hole" in captured.out


def _ratios(output: Path) -> dict[str, set[float]]:
    config = PrepareConfig(photos="", output=str(output))
    return {
        split: {round(row["hole_ratio"], 3) for row in rows(config, "masks", split)}
        for split in ("train", "validation")
    }


@pytest.mark.parametrize("which", ["training", "testing"])
@pytest.mark.parametrize("itself", [False, True])
def test_one_of_nvidias_sets_is_divided_by_a_share(
    places: Path, tmp_path: Path, which: str, itself: bool, capsys
) -> None:
    nvidia = write_nvidia(
        tmp_path / "nvidia", training=which == "training", testing=which == "testing"
    )
    masks = next(nvidia.iterdir()) if itself else nvidia
    arguments = ("--photos", places / "val_256.tar", "--masks", masks, "--mask-layout", "nvidia")
    prepared(*arguments, output=tmp_path / "out")
    found = _ratios(tmp_path / "out")
    expected = {TRAINING} if which == "training" else TESTING
    assert found["train"] | found["validation"] == expected
    assert f"only the {which} set is there; a share" in capsys.readouterr().out


def test_masks_of_ones_own_stay_as_they_are_with_a_layout(places: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for index in range(4):
        path = tmp_path / f"masks/{index}.png"
        path.write_bytes(mask_png(0.25, white_hole=False, turns=index, side=64))
    arguments = ("--photos", places, "--masks", tmp_path / "masks", "--mask-polarity", "black-hole")
    prepared("places2", *arguments, output=tmp_path / "out")
    assert _ratios(tmp_path / "out") == {"train": {0.25}, "validation": {0.25}}


def test_nvidia_layout_without_its_files_is_refused(places: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    arguments = ("--photos", places / "val_256.tar", "--masks", tmp_path / "masks")
    with pytest.raises(InputError, match=r"NVIDIA's masks: looked for irregular_mask.zip"):
        prepared(*arguments, "--mask-layout", "nvidia", output=tmp_path / "out")


def test_the_warning_names_the_option_of_the_masks_that_look_inverted(
    places: Path, tmp_path: Path, capsys
) -> None:
    nvidia = write_nvidia(tmp_path / "nvidia")
    arguments = ("--photos", places / "val_256.tar", "--masks", nvidia / "irregular_mask.zip")
    held_out = ("--heldout-masks", nvidia / "mask.zip", "--heldout-mask-polarity", "black-hole")
    polarity = ("--mask-polarity", "black-hole")
    prepared(*arguments, *polarity, *held_out, output=tmp_path / "out")
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "hole on" in line]
    assert "mask.zip are 70% hole on average, read as black-hole" in warning
    assert "--heldout-mask-polarity white-hole --overwrite" in warning


def test_an_unknown_layout_is_refused(places: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unexpected argument 'places'; .* places2, celeba"):
        prepared("places", "--photos", places, output=tmp_path / "out")
