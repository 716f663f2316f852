"""`prepare.py inspect`: figures, warnings and the contact sheet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isnet.config import InputError
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import main, prepare
from pipelines.shards import CONTACT_SHEET, MANIFEST, Manifest
from tests.pipelines.preparation.archives import mask_png

pytestmark = pytest.mark.ray


def test_figures_of_every_split_are_printed(
    copy: PrepareConfig, manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["inspect", copy.output])
    out = capsys.readouterr().out
    assert f"32x32 pixels, hash {manifest.hash}" in out
    for kind in ("images", "masks"):
        for split in ("train", "validation"):
            (line,) = [line for line in out.splitlines() if line.startswith(f"| {split} {kind} ")]
            cells = [cell.strip() for cell in line.split("|")[2:4]]
            shards = manifest.shards(kind, split)
            assert cells == [str(manifest.rows(kind, split)), str(len(shards))]
    assert "from 11 photographs and generated masks" in out
    assert "3 images" in out
    assert out.count("masks by hole ratio, mean") == 2


def test_bars_are_as_long_as_there_are_masks(
    copy: PrepareConfig, manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["inspect", copy.output])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    counts = [int(line.split()[-1]) for line in lines]
    assert len(lines) == 20
    both = [train + held_out for train, held_out in zip(counts[:10], counts[10:], strict=True)]
    assert tuple(both) == manifest.hole_ratio_histogram
    assert max(line.count("#") for line in lines) == 40
    assert all(
        bool(line.count("#")) == bool(count) for line, count in zip(lines, counts, strict=True)
    )


def test_contact_sheet_shows_pictures_masks_and_both(
    copy: PrepareConfig, manifest: Manifest
) -> None:
    main(["inspect", copy.output])
    with Image.open(Path(copy.output) / CONTACT_SHEET) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[1] > 8 * 160
    assert pixels.shape[0] > 6 * 160
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    assert not list(Path(copy.output).glob("*.tmp"))


def test_contact_sheet_is_part_of_the_data_set(copy: PrepareConfig, manifest: Manifest) -> None:
    main(["inspect", copy.output])
    assert prepare(copy) == manifest
    prepare(replace(copy, seed=1, overwrite=True))
    assert not (Path(copy.output) / CONTACT_SHEET).exists()


@pytest.mark.usefixtures("ray_session")
def test_masks_that_look_inverted_bring_a_warning(
    config: PrepareConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, white_hole in (("masks", True), ("heldout", False)):
        (tmp_path / name).mkdir()
        for index in range(4):
            data = mask_png(0.25, white_hole=white_hole, turns=index, side=64)
            (tmp_path / f"{name}/{index}.png").write_bytes(data)
    masks, heldout = str(tmp_path / "masks"), str(tmp_path / "heldout")
    output = str(tmp_path / "out")
    prepare(replace(config, masks=masks, heldout_masks=heldout, output=output))
    capsys.readouterr()
    main(["inspect", output])
    (warning,) = capsys.readouterr().err.splitlines()
    assert "the validation masks are 75% hole on average" in warning


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no prepared data set"):
        main(["inspect", str(tmp_path)])


def test_inspect_wants_a_data_set() -> None:
    with pytest.raises(InputError, match="inspect what"):
        main(["inspect"])


def test_a_data_set_of_another_version_is_refused(copy: PrepareConfig) -> None:
    path = Path(copy.output) / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 1}))
    with pytest.raises(InputError, match="has schema version 1, this program reads 2"):
        main(["inspect", copy.output])
