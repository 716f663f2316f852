"""Splits that are given: a partition file, or sources of their own. Without Ray."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.plan import Plan, make_plan

NAMES = ("a.jpg", "b.jpg", "deep/c.jpg", "d.jpg")


@pytest.fixture
def divided(tmp_path: Path) -> PrepareConfig:
    """Four photographs, and where a partition file is expected."""
    for name in NAMES:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    return PrepareConfig(
        photos=str(tmp_path / "photos"), output="x", partition=str(tmp_path / "partition.txt")
    )


def keys(plan: Plan, kind: str = "images") -> dict[str, set[str]]:
    found: dict[str, set[str]] = {split: set() for split in plan.origins[kind]}
    for unit in plan.units[kind]:
        found[unit.split] |= {item.entry.key for item in unit.items}
    return found


def plan(config: PrepareConfig, text: str | bytes) -> Plan:
    data = text if isinstance(text, bytes) else text.encode()
    Path(config.partition).write_bytes(data)
    return make_plan(config)


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg 0\nb.jpg 0\nc.jpg 1\nd.jpg 2\n",
        "a.jpg    0  \r\nb.jpg\t0\r\n\r\ndeep/c.jpg 1\r\nd.jpg 2",
        "\ufeffd.jpg 2\nb.jpg 0\na.jpg 0\nc.jpg 1\n",
    ],
)
def test_a_partition_file_says_every_split(divided: PrepareConfig, text: str) -> None:
    found = keys(plan(divided, text))
    expected = {"train": {"a.jpg", "b.jpg"}, "validation": {"deep/c.jpg"}, "test": {"d.jpg"}}
    assert found == expected


def test_without_test_pictures_there_is_no_test_split(divided: PrepareConfig) -> None:
    found = keys(plan(divided, "a.jpg 0\nb.jpg 0\nc.jpg 1\nd.jpg 1\n"))
    assert set(found) == {"train", "validation"}


def test_pictures_that_are_not_named_are_left_out_with_a_warning(
    divided: PrepareConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(divided, "a.jpg 0\nc.jpg 1\n")
    assert keys(made) == {"train": {"a.jpg"}, "validation": {"deep/c.jpg"}}
    assert made.photos == 2
    assert re.search(
        r"warning: .*does not name 2 of the pictures .*left out", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a.jpg 0\nc.jpg 1\nx.jpg 0\ny.jpg 2\n",
            r"names 2 pictures that .* lacks, x.jpg, y.jpg first; is the archive complete\?",
        ),
        ("a.jpg 0\nb.jpg\n", r"line 2: 'b.jpg'; write a name and 0 \(train\)"),
        ("a.jpg 0\n\nb.jpg 3\n", "line 3: 'b.jpg 3'"),
        ("a.jpg 0\na.jpg 1\n", "names a.jpg twice"),
        ("a.jpg 1\nb.jpg 1\n", "no picture into the train split; mark some with 0"),
        ("a.jpg 0\nb.jpg 0\n", "no picture into the validation split; mark some with 1"),
        ("\n", "names no picture"),
        (b"\xff\xfe\x00", "is no text file"),
    ],
)
def test_partition_files_that_do_not_fit_are_refused(
    divided: PrepareConfig, text: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=rf"^--partition .*{message}"):
        plan(divided, text)


def test_a_name_that_means_two_pictures_is_refused(divided: PrepareConfig) -> None:
    (Path(divided.photos) / "deep/a.jpg").touch()
    (Path(divided.photos) / "other").mkdir()
    (Path(divided.photos) / "other/c.jpg").touch()
    with pytest.raises(InputError, match=r"means both a.jpg and deep/a.jpg by a.jpg"):
        plan(divided, "a.jpg 0\nb.jpg 1\n")
    with pytest.raises(InputError, match=r"means both deep/c.jpg and other/c.jpg by c.jpg; write"):
        plan(divided, "b.jpg 0\nc.jpg 1\n")


def test_a_partition_file_that_is_missing_is_refused(divided: PrepareConfig) -> None:
    with pytest.raises(InputError, match=r"^--partition .*partition.txt cannot be read: .*No such"):
        make_plan(divided)


def test_another_partition_is_another_plan(divided: PrepareConfig) -> None:
    first = plan(divided, "a.jpg 0\nb.jpg 0\nc.jpg 1\nd.jpg 1\n")
    assert first.hash == plan(divided, "a.jpg 0\nb.jpg 0\nc.jpg 1\nd.jpg 1\n").hash
    assert first.hash != plan(divided, "a.jpg 0\nb.jpg 1\nc.jpg 0\nd.jpg 1\n").hash


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    """A folder of two pictures for each option."""
    found = {}
    for name in ("photos", "validation_photos", "test_photos", "masks", "heldout_masks"):
        (tmp_path / name).mkdir()
        for picture in ("1.png", "2.png"):
            (tmp_path / name / picture).touch()
        found[name] = str(tmp_path / name)
    return found


def test_every_split_may_have_a_source_of_its_own(sources: dict[str, str]) -> None:
    made = make_plan(PrepareConfig(output="x", **sources))
    both = {"1.png", "2.png"}
    assert keys(made) == {"train": both, "validation": both, "test": both}
    assert keys(made, "masks") == {"train": both, "validation": both}
    assert (made.photos, made.mask_files) == (6, 4)
    assert made.origins["images"]["test"].flag == "--test-photos"
    assert made.origins["masks"]["validation"].flag == "--heldout-masks"


def test_test_photographs_leave_a_share_of_the_others_for_validation(
    sources: dict[str, str],
) -> None:
    given = {name: sources[name] for name in ("photos", "test_photos")}
    found = keys(make_plan(PrepareConfig(output="x", **given)))
    assert {split: len(members) for split, members in found.items()} == {
        "train": 1,
        "validation": 1,
        "test": 2,
    }


def test_generated_masks_may_stand_beside_held_out_ones(sources: dict[str, str]) -> None:
    given = {name: sources[name] for name in ("photos", "heldout_masks")}
    found = keys(make_plan(PrepareConfig(output="x", generated_masks=5, **given)), "masks")
    assert len(found["train"]) == 5
    assert found["validation"] == {"1.png", "2.png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation_photos": "{photos}"}, "--photos and --validation-photos are both"),
        ({"test_photos": "{validation_photos}/"}, "--validation-photos and --test-photos are both"),
        ({"heldout_masks": "{masks}"}, "--masks and --heldout-masks are both"),
        ({"partition": "p.txt"}, "--partition says the split"),
        ({"mask_layout": "nvidia", "masks": None}, "--mask-layout nvidia needs --masks"),
    ],
)
def test_splits_that_share_pictures_or_are_said_twice_are_refused(
    sources: dict[str, str], change: dict[str, str | None], message: str
) -> None:
    config = PrepareConfig(output="x", **sources)
    filled = {name: value and value.format(**sources) for name, value in change.items()}
    with pytest.raises(InputError, match=message):
        replace(config, **filled)
