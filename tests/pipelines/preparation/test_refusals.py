"""Mistakes that preparing refuses, or warns about, before they cost anything."""

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
from pipelines.shards import MANIFEST


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


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_validation_photographs_none_of_which_decodes_are_refused(
    config: PrepareConfig, tmp_path: Path
) -> None:
    (tmp_path / "held-out").mkdir()
    (tmp_path / "held-out/a.jpg").write_text("no picture")
    held_out = replace(config, validation_photos=str(tmp_path / "held-out"))
    message = r"none of the files in --validation-photos .* can be used; the first, a.jpg: "
    with pytest.raises(InputError, match=message):
        prepare(replace(held_out, output=str(tmp_path / "out")))
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
