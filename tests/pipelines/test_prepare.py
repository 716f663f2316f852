"""Preparing: every kind of file, rejections, splits, resuming, refusals. Ray does the work."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from pyarrow import parquet

from isnet.config import InputError
from isnet.masks import decode_hole, encode_hole
from pipelines.preparation.plan import MIXED_PHOTOS, Item, PrepareConfig, Unit, make_plan
from pipelines.preparation.units import image_rows, mask_rows, write_units
from pipelines.prepare import main, prepare
from pipelines.shards import MANIFEST, REJECTED, Manifest, read_manifest

SIZE = 32
ORIENTATION = 0x0112

ENTRY_POINT = Path(__file__).parents[2] / "pipelines/prepare.py"
UNUSABLE = ("cut-short.jpg", "empty.png", "text.jpg")


def photo(samples: Path, index: int = 0, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A sample photograph, small."""
    with Image.open(sorted(samples.glob("*.jpg"))[index]) as picture:
        return picture.convert("RGB").resize(size)


def write_photos(folder: Path, samples: Path) -> None:
    """One file of every kind that people have, and three that nobody can read."""
    picture = photo(samples)
    (folder / "deep/er").mkdir(parents=True)
    picture.save(folder / "plain.jpg")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("L").save(folder / "grey.JPEG")
    picture.convert("P").save(folder / "palette.png")
    picture.convert("RGBA").save(folder / "alpha.png")
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "sixteen-bit.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture.save(folder / "deep/er/turned.jpg", exif=exif)
    photo(samples, 1, size=(20, 28)).save(folder / "small.webp")
    whole = (folder / "plain.jpg").read_bytes()
    (folder / "cut-short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("this is not a picture")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("left alone")


@pytest.fixture(scope="module")
def photos(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, samples)
    return folder


@pytest.fixture(scope="module")
def config(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> PrepareConfig:
    return PrepareConfig(
        photos=str(photos),
        output=str(tmp_path_factory.mktemp("prepared") / "set"),
        size=SIZE,
        crops_per_photo=4,
        generated_masks=24,
        validation_percent=25,
    )


@pytest.fixture(scope="module")
def prepared(config: PrepareConfig, ray_session: object) -> Manifest:
    return prepare(config)


@pytest.fixture
def copy(config: PrepareConfig, prepared: Manifest, tmp_path: Path) -> PrepareConfig:
    """A data set of its own to damage."""
    shutil.copytree(config.output, tmp_path / "set")
    return replace(config, output=str(tmp_path / "set"))


def rows(config: PrepareConfig, kind: str, split: str = "*") -> Iterator[dict[str, Any]]:
    """Every row of the shards that the manifest lists."""
    manifest = read_manifest(config.output)
    for shard in manifest.all_shards():
        if Path(shard.path).match(f"{kind}/{split}/*"):
            yield from parquet.read_table(Path(config.output) / shard.path).to_pylist()


def written(config: PrepareConfig) -> dict[str, int]:
    """When each shard was written."""
    root = Path(config.output)
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*.parquet")}


def decode(data: bytes) -> np.ndarray:
    """RGB array of an encoded picture."""
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        return np.asarray(picture).astype(int)


# What the data set holds


@pytest.mark.ray
def test_every_readable_file_gives_its_crops(config: PrepareConfig, prepared: Manifest) -> None:
    names = ["plain.jpg", "cmyk.jpg", "grey.JPEG", "palette.png", "alpha.png", "sixteen-bit.png"]
    expected = {f"{name}#{crop}" for name in [*names, "deep/er/turned.jpg"] for crop in range(4)}
    found = [row["key"] for row in rows(config, "images")]
    assert sorted(found) == sorted(expected | {"small.webp#0"})


@pytest.mark.ray
def test_unusable_files_are_listed_with_their_reason(
    config: PrepareConfig, prepared: Manifest
) -> None:
    lines = (Path(config.output) / REJECTED).read_text().splitlines()
    found = {entry["file"]: entry["reason"] for entry in map(json.loads, lines)}
    assert sorted(found) == sorted(UNUSABLE)
    assert "not a picture" in found["text.jpg"]
    assert prepared.rejected == {"images": len(UNUSABLE), "masks": 0}


@pytest.mark.ray
def test_pictures_are_rgb_of_the_size(config: PrepareConfig, prepared: Manifest) -> None:
    assert {decode(row["image"]).shape for row in rows(config, "images")} == {(SIZE, SIZE, 3)}


@pytest.mark.ray
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_splits_share_no_source(config: PrepareConfig, prepared: Manifest, kind: str) -> None:
    train, validation = (
        {row["key"].rpartition("#")[0] or row["key"] for row in rows(config, kind, split)}
        for split in ("train", "validation")
    )
    assert train
    assert validation
    assert not train & validation


@pytest.mark.ray
def test_masks_carry_their_hole_ratio(config: PrepareConfig, prepared: Manifest) -> None:
    found = [(decode_hole(row["mask"]), row["hole_ratio"]) for row in rows(config, "masks")]
    assert len(found) == config.generated_masks
    assert all(hole.shape == (SIZE, SIZE) for hole, _ in found)
    assert np.allclose([hole.mean() for hole, _ in found], [ratio for _, ratio in found])


@pytest.mark.ray
def test_manifest_sums_up_the_masks(config: PrepareConfig, prepared: Manifest) -> None:
    ratios = [row["hole_ratio"] for row in rows(config, "masks")]
    assert prepared.mean_hole_ratio == pytest.approx(np.mean(ratios), abs=1e-6)
    expected = np.histogram(ratios, bins=10, range=(0, 1))[0]
    assert prepared.hole_ratio_histogram == tuple(expected)


@pytest.mark.ray
def test_manifest_counts_the_rows_of_each_split(config: PrepareConfig, prepared: Manifest) -> None:
    for split in ("train", "validation"):
        assert prepared.rows("images", split) == len(list(rows(config, "images", split)))


@pytest.mark.ray
def test_same_input_gives_the_same_hash(
    config: PrepareConfig, prepared: Manifest, tmp_path: Path
) -> None:
    again = prepare(replace(config, output=str(tmp_path / "again")))
    assert (again.hash, again.images, again.masks) == (
        prepared.hash,
        prepared.images,
        prepared.masks,
    )


# Running it again


@pytest.mark.ray
def test_finished_data_set_is_left_as_it_is(
    config: PrepareConfig, prepared: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(config)
    assert prepare(config) == prepared
    assert written(config) == before
    assert "already prepared" in capsys.readouterr().out


@pytest.mark.ray
@pytest.mark.parametrize("with_manifest", [False, True])
def test_interrupted_run_makes_only_what_is_missing(
    copy: PrepareConfig, prepared: Manifest, with_manifest: bool
) -> None:
    root = Path(copy.output)
    missing, cut_short = (root / prepared.images["train"][index].path for index in (0, 1))
    missing.unlink()
    cut_short.write_bytes(cut_short.read_bytes()[:-7])
    if not with_manifest:
        (root / MANIFEST).unlink()
    before = written(copy)
    assert prepare(copy).hash == prepared.hash
    changed = {path for path, time in written(copy).items() if before.get(path) != time}
    assert changed == {str(missing), str(cut_short)}


@pytest.mark.ray
def test_leftovers_of_killed_tasks_are_removed(copy: PrepareConfig, prepared: Manifest) -> None:
    leftover = Path(copy.output) / "images/train/.00000.parquet.0123.tmp"
    leftover.write_bytes(b"half a shard")
    (Path(copy.output) / MANIFEST).unlink()
    prepare(copy)
    assert not leftover.exists()


@pytest.mark.ray
def test_shards_of_another_plan_are_not_kept(copy: PrepareConfig, prepared: Manifest) -> None:
    (Path(copy.output) / MANIFEST).unlink()
    (Path(copy.output) / "plan.json").unlink()
    shutil.rmtree(Path(copy.output) / "masks")
    shutil.move(Path(copy.output) / "images", Path(copy.output).parent / "images")
    other = prepare(replace(copy, seed=1, output=str(Path(copy.output).parent / "other")))
    assert other.hash != prepared.hash


@pytest.mark.ray
def test_overwrite_replaces_a_data_set(copy: PrepareConfig) -> None:
    stale = Path(copy.output) / "images/train/99999.parquet"
    stale.touch()
    manifest = prepare(replace(copy, size=48, overwrite=True))
    assert manifest == read_manifest(copy.output)
    assert manifest.size == 48
    assert not stale.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_killed_process_loses_and_doubles_nothing(config: PrepareConfig, tmp_path: Path) -> None:
    killed = replace(config, output=str(tmp_path / "killed"), crops_per_photo=400)
    names = ("photos", "output", "size", "crops_per_photo", "generated_masks", "validation_percent")
    argv = [f"--{name.replace('_', '-')}={getattr(killed, name)}" for name in names]
    process = subprocess.Popen([sys.executable, ENTRY_POINT, *argv], stdout=subprocess.DEVNULL)
    images = tmp_path / "killed/images/train"
    while process.poll() is None and len(list(images.glob("0*.parquet"))) < 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / MANIFEST).exists()
    manifest = prepare(killed)
    undisturbed = prepare(replace(killed, output=str(tmp_path / "undisturbed")))
    assert manifest.hash == undisturbed.hash
    keys = [row["key"] for row in rows(killed, "images")]
    assert len(keys) == len(set(keys)) == 7 * killed.crops_per_photo + 1


# What is refused, and what is warned about


@pytest.mark.ray
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 48}, "--size was 32, now 48"),
        ({"seed": 3, "crops_per_photo": 5}, "--seed was 0, now 3, --crops-per-photo was 4, now 5"),
    ],
)
def test_another_data_set_in_the_output_is_refused(
    copy: PrepareConfig, change: dict[str, Any], message: str
) -> None:
    before = written(copy)
    with pytest.raises(InputError, match=f"{re.escape(message)}.*--overwrite"):
        prepare(replace(copy, **change))
    assert written(copy) == before


@pytest.mark.ray
def test_changed_photographs_are_noticed(
    copy: PrepareConfig, photos: Path, samples: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    photo(samples, 2).save(tmp_path / "photos/one-more.jpg")
    with pytest.raises(InputError, match=r"--photos was 11 files, .* now 12 files"):
        prepare(replace(copy, photos=str(tmp_path / "photos")))


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_with_other_files_is_never_touched(
    config: PrepareConfig, tmp_path: Path, overwrite: bool
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"is not empty .*'thesis\.txt'"):
        prepare(replace(config, output=str(tmp_path), overwrite=overwrite))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_output_that_is_a_file_is_refused(config: PrepareConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--output .*file"):
        prepare(replace(config, output=str(tmp_path / "file")))


def test_output_that_cannot_be_made_is_refused(config: PrepareConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to --output"):
        prepare(replace(config, output=str(tmp_path / "file/below")))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_photographs_none_of_which_decodes_are_refused(
    config: PrepareConfig, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "photos" / name).write_text("no picture")
    with pytest.raises(InputError, match=r"none of the files in --photos .* can be used"):
        prepare(replace(config, photos=str(tmp_path / "photos"), output=str(tmp_path / "out")))
    assert not (tmp_path / "out" / MANIFEST).exists()


def mask_files(folder: Path, *, share: float, count: int = 6) -> Path:
    """Write mask files with `share` white, one that is all white and one all black."""
    folder.mkdir()
    for index in range(count):
        levels = np.zeros((50, 50), dtype=np.uint8)
        levels[: int(50 * share)] = 255
        Image.fromarray(np.rot90(levels, index)).save(folder / f"{index}.png")
    Image.new("L", (50, 50), 255).save(folder / "white.png")
    Image.new("L", (50, 50), 0).save(folder / "black.png")
    return folder


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_masks_that_look_inverted_bring_a_warning_with_the_fix(
    config: PrepareConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = mask_files(tmp_path / "masks", share=0.8)
    manifest = prepare(replace(config, masks=str(masks), output=str(tmp_path / "out")))
    assert "--mask-polarity black-hole" in capsys.readouterr().err
    assert manifest.mean_hole_ratio == pytest.approx(0.8, abs=0.02)
    assert manifest.rejected["masks"] == 2


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_the_right_polarity_brings_none(
    config: PrepareConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = mask_files(tmp_path / "masks", share=0.8)
    output = str(tmp_path / "out")
    manifest = prepare(replace(config, masks=str(masks), mask_polarity="black-hole", output=output))
    assert "--mask-polarity" not in capsys.readouterr().err
    assert manifest.mean_hole_ratio == pytest.approx(0.2, abs=0.02)


def test_empty_mask_folder_is_refused(config: PrepareConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--masks .* holds no pictures"):
        make_plan(replace(config, masks=str(tmp_path)))


def test_a_single_photograph_cannot_be_split(
    config: PrepareConfig, samples: Path, tmp_path: Path
) -> None:
    photo(samples).save(tmp_path / "only.jpg")
    with pytest.raises(InputError, match="give two or more"):
        make_plan(replace(config, photos=str(tmp_path)))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--size", "100"], "--size 100 is not divisible by 16; use 96"),
        (["--size", "0"], "--size 0"),
        (["--crops-per-photo", "0"], "--crops-per-photo 0"),
        (["--generated-masks", "1"], "--generated-masks 1"),
        (["--validation-percent", "100"], "--validation-percent 100"),
        (["--hole-ratio-range", "0.6", "0.1"], "--hole-ratio-range 0.6 0.1"),
        (["--mask-polarity", "black"], "--mask-polarity is 'black'; choose one of white-hole"),
    ],
)
def test_nonsense_options_are_refused(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        main(["--photos", "x", "--output", "y", *argv])


def test_dry_run_writes_nothing(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--photos", str(samples), "--output", str(tmp_path / "out"), "--dry-run"])
    assert "16 photographs" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_relative_output_is_refused_inside_a_job(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = json.dumps({"metadata": {"job_submission_id": "raysubmit_1"}})
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", job)
    with pytest.raises(InputError, match=r"--output data/demo is relative"):
        main(["--photos", str(samples), "--output", "data/demo"])


# The parts, without Ray


def one_photo(config: PrepareConfig, key: str, crops: int = 1) -> list[np.ndarray]:
    return [decode(data) for _, data in image_rows(Item(key, 0, crops), config)]


@pytest.mark.parametrize("key", ["plain.jpg", "deep/er/turned.jpg"])
def test_first_crop_is_the_centred_square(config: PrepareConfig, photos: Path, key: str) -> None:
    with Image.open(photos / key) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    expected = ImageOps.fit(upright, (SIZE, SIZE), Image.Resampling.LANCZOS)
    (found,) = one_photo(config, key)
    assert np.abs(found - np.asarray(expected)).mean() < 3  # JPEG's own error


def test_further_crops_differ_and_repeat(config: PrepareConfig) -> None:
    first, second = (one_photo(config, "plain.jpg", crops=4) for _ in range(2))
    assert np.array_equal(first, second)
    assert len({picture.tobytes() for picture in first}) == 4


def test_a_crop_does_not_depend_on_the_shard_it_is_in(config: PrepareConfig) -> None:
    together = image_rows(Item("plain.jpg", 0, 4), config)
    apart = [row for crop in range(4) for row in image_rows(Item("plain.jpg", crop, 1), config)]
    assert together == apart


def test_mask_file_is_cropped_to_a_square_and_stays_binary(
    config: PrepareConfig, tmp_path: Path
) -> None:
    hole = np.zeros((SIZE, 3 * SIZE), dtype=bool)
    hole[:, :SIZE] = True  # left third: outside the square
    hole[: SIZE // 2, SIZE : 2 * SIZE] = True
    (tmp_path / "wide.png").write_bytes(encode_hole(hole))
    ((_, data, ratio),) = mask_rows(Item("wide.png", 0, 1), replace(config, masks=str(tmp_path)))
    assert ratio == 0.5
    assert np.array_equal(decode_hole(data), hole[:, SIZE : 2 * SIZE])


def test_every_crop_of_every_photograph_is_planned_once(config: PrepareConfig) -> None:
    planned = sorted(
        (item.key, crop)
        for unit in make_plan(config).units["images"]
        for item in unit.items
        for crop in range(item.first, item.first + item.crops)
    )
    keys = [key for key, _ in config.photo_source().list()]
    assert planned == sorted((key, crop) for key in keys for crop in range(4))


def test_few_photographs_are_mixed_in_every_shard(samples: Path, tmp_path: Path) -> None:
    config = PrepareConfig(photos=str(samples), output=str(tmp_path), size=64, crops_per_photo=48)
    units = [unit for unit in make_plan(config).units["images"] if unit.split == "train"]
    assert len(units) == 16
    assert min(len({item.key for item in unit.items}) for unit in units) > 5


def test_many_photographs_are_each_decoded_once(tmp_path: Path) -> None:
    for index in range(40 * MIXED_PHOTOS):
        (tmp_path / f"{index}.jpg").touch()
    units = make_plan(PrepareConfig(photos=str(tmp_path), output="x", crops_per_photo=3)).units[
        "images"
    ]
    keys = [item.key for unit in units if unit.split == "train" for item in unit.items]
    assert len(keys) == len(set(keys))


def test_callable_for_ray_data_needs_no_ray(config: PrepareConfig, tmp_path: Path) -> None:
    unit = Unit(kind="masks", split="train", index=7, items=[Item("generated/0000001", 0, 1)])
    batch = {"unit": np.array([unit.to_json()], dtype=object)}
    (done,) = write_units(batch, config=replace(config, output=str(tmp_path)), plan_hash="ab")[
        "done"
    ]
    assert json.loads(done)["shard"]["path"] == "masks/train/00007.parquet"
    assert (tmp_path / "masks/train/00007.parquet").exists()
