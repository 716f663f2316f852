"""Masks of every kind: which pixels they call missing, and what is said where there are none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from isnet.config import InputError
from pipelines.bulk.collection import Collection, open_collection
from pipelines.bulk.config import InpaintConfig, resolve
from pipelines.bulk.pictures import mask_name, open_picture
from tests.pipelines.bulk.pictures import config_of
from tests.pipelines.encoded import HEIGHT, HOLE, WIDTH, noise

FILL = 0.2
"""Grey that is put into holes: 51 of 255, 13107 of 65535."""

Configured = Callable[..., InpaintConfig]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """A job below `tmp_path` whose model nobody loads."""
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    return lambda **changes: resolve(config_of(tmp_path, tmp_path / "model", **changes))


def rgb() -> np.ndarray:
    """Noise without the colours that tests key on."""
    return (20 + noise(HEIGHT, WIDTH, 3, levels=200)).astype(np.uint8)


def write_mask(path: Path, hole: np.ndarray = HOLE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(hole, 255, 0).astype(np.uint8)).save(path)


def painted(collection: Collection, config: InpaintConfig, index: int = 0) -> bytes:
    """The file of a result whose hole is filled with one grey."""
    opened = open_picture(collection, collection.item(index), config)
    for region in opened.regions:
        opened.put(region, np.full((int(region.hole.sum()), 3), FILL, np.float32), 1)
    return opened.encoded(config).data


def hole_found(config: InpaintConfig, index: int = 0) -> np.ndarray:
    opened = open_picture(open_collection(config), open_collection(config).item(index), config)
    (region,) = opened.regions
    return region.hole


def refusal(config: InpaintConfig) -> str:
    with pytest.raises(InputError) as caught:
        open_collection(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def transparent(mode: str, alpha: np.ndarray) -> Image.Image:
    """Noise in LA or RGBA with this alpha."""
    layers = Image.fromarray(rgb()).convert(mode.removesuffix("A"))
    layers.putalpha(Image.fromarray(alpha))
    return layers


@pytest.mark.parametrize(("mode", "ending"), [("LA", ".png"), ("RGBA", ".png"), ("RGBA", ".webp")])
def test_transparent_pixels_are_filled_and_can_be_seen(mode, ending, configured, tmp_path):
    alpha = (128 + noise(HEIGHT, WIDTH, levels=128)).astype(np.uint8)
    alpha[HOLE] = noise(int(HOLE.sum()), levels=128)
    before = transparent(mode, alpha)
    before.save(tmp_path / f"photos/0{ending}", lossless=True, exact=True)
    config = configured(masks="alpha")
    with Image.open(io.BytesIO(painted(open_collection(config), config))) as result:
        assert result.mode == mode
        after = np.asarray(result)
    assert np.array_equal(after[~HOLE], np.asarray(before)[~HOLE])
    assert (after[HOLE] == ([51, 255] if mode == "LA" else [51, 51, 51, 255])).all()


def test_a_transparent_colour_of_a_palette_is_filled(configured, tmp_path):
    levels = (1 + noise(HEIGHT, WIDTH, levels=9)).astype(np.uint8)
    levels[HOLE] = 0
    palette = Image.fromarray(levels).convert("P")
    palette.putpalette(noise(30).astype(np.uint8).tobytes())
    palette.save(tmp_path / "photos/0.png", transparency=0)
    config = configured(masks="alpha")
    with Image.open(io.BytesIO(painted(open_collection(config), config))) as result:
        after = np.asarray(result.convert("RGBA"))
    assert np.array_equal(after[~HOLE], np.asarray(palette.convert("RGBA"))[~HOLE])
    assert (after[HOLE] == [51, 51, 51, 255]).all()


def test_alpha_of_16_bits_keeps_all_of_them(configured, tmp_path):
    before = noise(HEIGHT, WIDTH, 4, levels=2**16).astype(np.uint16)
    before[..., 3] |= 2**15
    before[HOLE, 3] = 2**15 - 1
    (tmp_path / "photos/0.png").write_bytes(cv2.imencode(".png", before)[1].tobytes())
    config = configured(masks="alpha")
    data = np.frombuffer(painted(open_collection(config), config), np.uint8)
    after = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert np.array_equal(after[~HOLE], before[~HOLE])
    assert (after[HOLE] == [13107, 13107, 13107, 65535]).all()


@pytest.mark.parametrize("polarity", ["white-hole", "black-hole"])
def test_what_a_picture_carries_itself_has_no_polarity(polarity, configured, tmp_path):
    before = transparent("RGBA", np.where(HOLE, 0, 255).astype(np.uint8))
    before.save(tmp_path / "photos/0.png")
    assert np.array_equal(hole_found(configured(masks="alpha", mask_polarity=polarity)), HOLE)


def test_a_picture_without_alpha_fails_alone(configured, tmp_path):
    transparent("RGBA", np.where(HOLE, 0, 255).astype(np.uint8)).save(tmp_path / "photos/0.png")
    Image.fromarray(rgb()).save(tmp_path / "photos/1.png")
    config = configured(masks="alpha")
    collection = open_collection(config)
    assert painted(collection, config, 0)
    with pytest.raises(InputError, match=r"no alpha .*; give a mask"):
        painted(collection, config, 1)


@pytest.mark.parametrize(
    ("tolerance", "far", "found"), [(0, 0, 1), (0, 1, 0), (9, 9, 1), (9, 10, 0)]
)
def test_a_colour_is_missing_as_far_as_the_tolerance_goes(
    tolerance, far, found, configured, tmp_path
):
    before = rgb()
    before[HOLE] = [0, 255 - far, 0]
    Image.fromarray(before).save(tmp_path / "photos/0.png")
    config = configured(masks="chroma:00ff00", chroma_tolerance=tolerance)
    opened = open_picture(open_collection(config), open_collection(config).item(0), config)
    assert [np.array_equal(region.hole, HOLE) for region in opened.regions] == [True] * found


def test_a_colour_is_found_in_a_jpeg(configured, tmp_path):
    before, hole = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), bool)
    hole[16:48, 16:48] = True
    before[hole] = [0, 255, 0]
    Image.fromarray(before).save(tmp_path / "photos/0.jpg", quality=90, subsampling=0)
    found = hole_found(configured(masks="chroma:#00FF00"))
    assert (found != hole).mean() < 0.01


def test_one_mask_is_taken_for_all_and_what_it_does_not_fit_fails_alone(configured, tmp_path):
    for number in range(2):
        Image.fromarray(rgb()).save(tmp_path / f"photos/{number}.png")
    Image.fromarray(rgb()[1:]).save(tmp_path / "photos/2.png")
    write_mask(tmp_path / "logo.png")
    config = configured(masks=str(tmp_path / "logo.png"))
    collection = open_collection(config)
    assert np.array_equal(hole_found(config, 0), HOLE)
    assert np.array_equal(hole_found(config, 1), HOLE)
    assert mask_name(collection, collection.item(1)) == "logo.png"
    with pytest.raises(InputError, match="the mask is 11x7, the image 11x6"):
        open_picture(collection, collection.item(2), config)


@pytest.mark.parametrize("start", ["", "file://"])
@pytest.mark.parametrize("end", ["", "/"])
def test_masks_may_lie_beside_their_pictures(start, end, configured, tmp_path):
    (tmp_path / "photos/deep").mkdir()
    for name in ("cat", "deep/cat"):
        Image.fromarray(rgb()).save(tmp_path / f"photos/{name}.jpg")
    write_mask(tmp_path / "photos/cat_mask.png")
    write_mask(tmp_path / "photos/deep/cat_mask.png", ~HOLE)
    place = f"{start}{tmp_path}/photos"
    config = configured(input=place, masks=place + end, mask_suffix="_mask")
    collection = open_collection(config)
    items = [collection.item(index) for index in range(len(collection))]
    pairs = [(item.entry.key, item.mask and item.mask.key) for item in items]
    assert pairs == [
        ("cat.jpg", "cat_mask.png"),
        ("deep/cat.jpg", "deep/cat_mask.png"),
    ]
    assert np.array_equal(hole_found(config, 0), HOLE)
    assert np.array_equal(hole_found(config, 1), ~HOLE)


def test_masks_beside_their_pictures_need_a_suffix(configured, tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "photos/cat.png")
    assert "--mask-suffix is empty" in refusal(configured(masks=str(tmp_path / "photos")))


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_column_may_hold_the_masks(configured, tmp_path):
    grey = np.where(HOLE, 255, 0).astype(np.uint8)
    table = {"image": [png(rgb())] * 2, "where": [png(grey), None]}
    parquet.write_table(pa.table(table), tmp_path / "photos.parquet")
    config = configured(input=str(tmp_path / "photos.parquet"), masks="column:where")
    assert np.array_equal(hole_found(config), HOLE)
    collection = open_collection(config)
    assert mask_name(collection, collection.item(0)) == "column:where"
    with pytest.raises(InputError, match="row 1 has nothing in where"):
        open_picture(collection, collection.item(1), config)


@pytest.mark.parametrize("kind", ["paired", "single", "column"])
def test_black_may_mark_the_hole_in_files_of_masks(kind, configured, tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "photos/0.png")
    write_mask(tmp_path / "masks/0.png", ~HOLE)
    column = {"image": [png(rgb())], "mask": [(tmp_path / "masks/0.png").read_bytes()]}
    parquet.write_table(pa.table(column), tmp_path / "photos.parquet")
    given = {
        "paired": {},
        "single": {"masks": str(tmp_path / "masks/0.png")},
        "column": {"input": str(tmp_path / "photos.parquet"), "masks": "column:mask"},
    }[kind]
    assert np.array_equal(hole_found(configured(mask_polarity="black-hole", **given)), HOLE)


@pytest.mark.parametrize(
    ("masks", "named", "fix"),
    [
        ("chroma:xyz", "--masks chroma:xyz", "such as 00ff00"),
        ("chroma:", "--masks chroma:", "such as 00ff00"),
        ("column:mask", "--masks column:mask", "needs a Parquet --input"),
        ("column:", "--masks column:", "write column:mask"),
        ("{folder}/gone.png", "--masks {folder}/gone.png", "check the spelling"),
        ("{folder}/gone/mask.png", "--masks {folder}/gone/mask.png", "check the spelling"),
        ("{folder}/text.png", "--masks {folder}/text.png", "save it as one of"),
        ("{folder}/folder.png", "--masks {folder}/folder.png", "give the file of a picture"),
        ("{folder}/gone", "--masks {folder}/gone", "check the spelling"),
        ("{folder}/empty", "--masks {folder}/empty", "name the folder they are in"),
        ("{folder}/text.txt", "--masks {folder}/text.txt", "give the folder it is in"),
    ],
)
def test_masks_that_cannot_be_had_are_refused(masks, named, fix, configured, tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "photos/0.png")
    for name in ("empty", "folder.png"):
        (tmp_path / name).mkdir()
    for name in ("text.png", "text.txt"):
        (tmp_path / name).write_text("no picture")
    message = refusal(configured(masks=masks.format(folder=tmp_path)))
    assert named.format(folder=tmp_path) in message
    assert fix in message


def test_one_mask_lies_where_files_may_be_read(configured, tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "photos/0.png")
    write_mask(tmp_path / "elsewhere/mask.png")
    inside = (str(tmp_path / "photos"),)
    for masks in (tmp_path / "elsewhere/mask.png", "s3://elsewhere/mask.png"):
        message = refusal(configured(masks=str(masks), within=inside))
        assert f"--masks {masks} lies outside the folders that may be used" in message
