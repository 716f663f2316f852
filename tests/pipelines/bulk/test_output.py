"""The output: whose it is, where it may not lie, what is cleared away."""

from __future__ import annotations

from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.bulk.output import (
    claim_output,
    keep_run_id,
    read_run_id,
    remove_leftovers,
    require_apart,
    require_claimable,
    require_inside,
)
from pipelines.sources.folder import Folder
from pipelines.sources.opening import Source
from pipelines.sources.tar import Tars
from pipelines.sources.zip import Zip
from tests.pipelines.bulk.pictures import config_of

IDENTITY = {"--quality": 95, "pictures": 12}


def refusal(output: Path, identity: dict[str, object] = IDENTITY) -> str:
    with pytest.raises(InputError) as caught:
        claim_output(str(output), identity)
    assert f"{output}" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("there", [None, "", ".DS_Store"])
def test_a_new_folder_or_an_empty_one_may_be_taken(there, tmp_path):
    output = tmp_path / "deep" / "out"
    if there is not None:
        output.mkdir(parents=True)
    if there:
        (output / there).touch()
    assert not require_claimable(str(output), IDENTITY)
    claim_output(str(output), IDENTITY)
    assert require_claimable(str(output), IDENTITY)


def test_looking_at_a_folder_writes_nothing(tmp_path):
    require_claimable(str(tmp_path / "out"), IDENTITY)
    assert not list(tmp_path.iterdir())


def test_the_folder_of_another_job_is_not_taken(tmp_path):
    claim_output(str(tmp_path), IDENTITY)
    message = refusal(tmp_path, {"--quality": 80, "pictures": 12, "--scale": 256})
    assert "another job: --quality was 95, now 80; --scale was not given, now 256" in message
    assert "name another folder" in message


def test_a_folder_with_other_files_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").touch()
    assert "it has 'thesis.tex'); name a new folder" in refusal(tmp_path)


def test_a_damaged_note_of_what_the_job_is_is_named(tmp_path):
    claim_output(str(tmp_path), IDENTITY)
    (tmp_path / ".inpaint/job.json").write_text('{"--qua')
    assert ".inpaint/job.json in --output" in refusal(tmp_path)


def test_a_file_is_no_output(tmp_path):
    (tmp_path / "file").touch()
    assert "is a file; name a folder" in refusal(tmp_path / "file")


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    assert "make room or give access" in refusal(tmp_path / "file" / "out")


def test_the_run_is_remembered(tmp_path):
    assert read_run_id(str(tmp_path)) is None
    keep_run_id(str(tmp_path), "0123")
    assert read_run_id(str(tmp_path)) == "0123"


def folder(location: object) -> Folder:
    return Folder(name="--input", location=str(location))


def place_of(source: Source) -> str:
    return source.location if isinstance(source, Folder | Zip) else source.locations[0]


def apart(tmp_path: Path, output: object, pictures: Source, masks: Source | None = None) -> str:
    """What is said against an output; nothing if it is taken."""
    try:
        places = {"input": place_of(pictures), "masks": place_of(masks or folder("/masks"))}
        require_apart(config_of(tmp_path, tmp_path, output=str(output), **places), pictures, masks)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("below", ["", "/out", "/deep/out"])
def test_results_do_not_go_among_the_pictures_or_masks(below, tmp_path):
    inside, elsewhere = f"{tmp_path}/photos{below}", folder(tmp_path / "elsewhere")
    message = apart(tmp_path, inside, folder(tmp_path / "photos"), elsewhere)
    assert f"--output {inside} lies in --input {tmp_path}/photos" in message
    message = apart(tmp_path, inside, elsewhere, folder(tmp_path / "photos"))
    assert f"--output {inside} lies in --masks {tmp_path}/photos" in message


def test_links_do_not_hide_that_they_would(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to("photos")
    assert apart(tmp_path, tmp_path / "link/out", folder(tmp_path / "photos"))
    assert apart(tmp_path, tmp_path / "photos/out", folder(tmp_path / "link"))


def test_neither_does_a_uri_with_options(tmp_path):
    options = "?region=x"
    pictures = folder(f"s3://bucket/photos{options}")
    assert apart(tmp_path, f"s3://bucket/photos/out{options}", pictures)
    assert apart(tmp_path, "s3://bucket/ph%6Ftos/out", pictures)
    assert not apart(tmp_path, f"s3://bucket/out{options}", pictures)


def test_neither_does_a_uri_of_this_machine(tmp_path):
    assert apart(tmp_path, tmp_path / "photos/out", folder((tmp_path / "photos").as_uri()))


def test_results_may_go_beside_the_pictures(tmp_path):
    assert not apart(tmp_path, tmp_path / "photos-filled", folder(tmp_path / "photos"))
    archive = Zip(name="--input", location=str(tmp_path / "photos.zip"))
    assert not apart(tmp_path, tmp_path / "filled", archive)


def test_leftovers_are_deleted_in_the_output_alone(tmp_path):
    output, outside = tmp_path / "out", tmp_path / "outside"
    leftover = f".{'0a' * 16}.tmp"
    for place in (output / "deep", outside):
        place.mkdir(parents=True)
        for name in (leftover, "0.png", ".hidden", "x.tmp", ".notes.tmp"):
            (place / name).touch()
    (output / "link").symlink_to(outside)
    remove_leftovers(str(output))
    kept = {".hidden", "0.png", "x.tmp", ".notes.tmp"}
    assert {path.name for path in (output / "deep").iterdir()} == kept
    assert {path.name for path in outside.iterdir()} == {*kept, leftover}


@pytest.mark.parametrize(
    "link", ["out", "out/.inpaint", "out/.inpaint/parts", "out/.inpaint/attempts"]
)
def test_no_link_leads_what_is_written_out_of_where_it_may_be(link, tmp_path):
    outside, output = tmp_path / "outside", tmp_path / "root" / "out"
    outside.mkdir()
    config = config_of(tmp_path, tmp_path, output=str(output), within=(str(tmp_path / "root"),))
    require_inside(config)
    path = tmp_path / "root" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(outside)
    with pytest.raises(InputError, match=f"--output {output}.* lies outside the folders"):
        require_inside(config)


def test_results_do_not_go_below_a_folder_of_archives(tmp_path):
    config = config_of(tmp_path, tmp_path, output=f"{tmp_path}/photos/out")
    archives = Tars(name="--input", locations=(f"{tmp_path}/photos/a.tar",), prefixes=("",))
    with pytest.raises(InputError, match=r"lies in --input .*/photos, where"):
        require_apart(config, archives, None)
