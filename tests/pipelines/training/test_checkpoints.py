"""Checkpoints on storage: complete or not, which are kept, and how they are written."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import pytest
import torch

from isnet.checkpoint import load_generator, load_training_state, read_about, snapshot
from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config
from pipelines.claim import Claim
from pipelines.training.checkpoints import best, find, newest, prune, upload
from pipelines.training.restoring import choose
from pipelines.training.saving import Contents, Saver

SMALL = GeneratorConfig(blocks=1, channels=2)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    (folder / "training.pt").write_bytes(b"x" * 1000)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(tmp_path / "runs" / "first")


def _upload(local: Path, run: str, psnr_by_step: dict[int, float]) -> None:
    for step, psnr in psnr_by_step.items():
        upload(local, run, step=step, psnr=psnr)


def _steps(run: str) -> list[int]:
    return [saved.step for saved in find(run)[0]]


def _contents(step: int, **changes) -> Contents:
    values = {
        "psnr": math.nan,
        "curve": [],
        "generator": generator_from_config(SMALL).eval(),
        "config": SMALL,
        "about": {"design": "isnet"},
        "state": {"trainer": {"step": step}},
    }
    return Contents(step=step, **{**values, **changes})


def test_an_uploaded_checkpoint_is_found_with_its_step_and_psnr(local, run):
    _upload(local, run, {0: math.nan, 20: 21.5})
    first, second = find(run)[0]
    assert (first.step, second.step) == (0, 20)
    assert math.isnan(first.psnr)
    assert second.psnr == 21.5
    assert (Path(second.location) / "training.pt").read_bytes() == b"x" * 1000


def test_a_run_without_checkpoints_has_none(run):
    assert find(run) == ([], [])
    assert newest(run) is None
    assert best(run) is None


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: (folder / "complete.json").unlink(), "it was not written to its end"),
        (lambda folder: (folder / "training.pt").write_bytes(b"x"), "has 1 of 1,000 bytes"),
        (lambda folder: (folder / "training.pt").unlink(), "its training.pt is gone"),
        (lambda folder: (folder / "complete.json").write_text("{"), "complete.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_not_taken_for_a_sound_one(local, run, harm, reason):
    _upload(local, run, {2: 20.0, 4: 22.0})
    harm(Path(run) / "checkpoint_000000004")
    sound, (damaged,) = find(run)
    assert [saved.step for saved in sound] == [2]
    assert damaged.step == 4
    assert reason in damaged.reason


def test_the_newest_two_and_the_best_are_kept(local, run):
    _upload(local, run, {1: 20.0, 2: 23.0, 3: math.nan, 4: 21.0, 5: 22.0, 6: math.nan})
    prune(run, keep_best=1, just_saved=6)
    assert _steps(run) == [2, 5, 6]
    found = best(run)
    assert found is not None
    assert found.step == 2


def test_what_was_never_completed_goes_only_once_a_newer_one_is_complete(local, run):
    _upload(local, run, {1: math.nan, 3: math.nan})
    for step in (2, 4):
        (Path(run) / f"checkpoint_{step:09d}").mkdir()
    prune(run, keep_best=1, just_saved=3)
    names = sorted(path.name for path in Path(run).iterdir())
    assert names == [f"checkpoint_{step:09d}" for step in (1, 3, 4)]


def test_other_folders_are_left_alone(local, run):
    _upload(local, run, {1: math.nan})
    for name in ("model", "checkpoint_old"):
        (Path(run) / name).mkdir()
    prune(run, keep_best=1, just_saved=1)
    assert {path.name for path in Path(run).iterdir()} >= {"model", "checkpoint_old"}


def test_the_newest_readable_checkpoint_is_chosen_and_the_others_are_named(run, capsys):
    with Saver(Claim.take(run), keep_best=1, on_saved=lambda _: None) as saver:
        for step in (2, 4):
            saver.wait()
            saver.save(_contents(step))
    path = Path(run) / "checkpoint_000000004" / "training.pt"
    path.write_bytes(b"\0" * path.stat().st_size)  # its size is right, and nothing else
    location, state, passed_over, complaint = choose(run)
    assert str(location).endswith("checkpoint_000000002")
    assert state == {"trainer": {"step": 2}}
    assert (passed_over, complaint) == (4, "")
    assert "checkpoint_000000004 is passed over" in capsys.readouterr().err


def test_without_one_that_can_be_read_nothing_starts_from_scratch(local, run):
    _upload(local, run, {2: math.nan})
    (Path(run) / "checkpoint_000000002" / "training.pt").unlink()
    *_, complaint = choose(run)
    assert "no checkpoint of" in complaint
    assert "training.pt is gone" in complaint
    assert "another --name" in complaint


def test_the_saver_writes_what_evaluation_and_a_resumed_run_read(run):
    saved = []
    with Saver(
        Claim.take(run), keep_best=1, on_saved=lambda contents: saved.append(contents.step)
    ) as saver:
        saver.save(_contents(7, psnr=24.5, curve=[(7, 24.5)]))
    (found,) = find(run)[0]
    assert found.psnr == 24.5
    assert saved == [7]
    assert load_training_state(found.location) == {"trainer": {"step": 7}}
    assert not load_generator(found.location).training
    expected = {"design": "isnet", "step": 7, "psnr": 24.5, "curve": [[7, 24.5]]}
    assert read_about(found.location) == expected


def test_the_saver_writes_the_state_as_it_was_handed_over(run, monkeypatch):
    weights = torch.zeros(3)
    go_on = threading.Event()
    write = Saver._write

    def wait_and_write(*arguments):
        go_on.wait(30)
        return write(*arguments)

    monkeypatch.setattr(Saver, "_write", wait_and_write)
    with Saver(Claim.take(run), keep_best=1, on_saved=lambda _: None) as saver:
        saver.save(_contents(1, state={"weights": weights}))
        weights += 1  # training goes on meanwhile
        go_on.set()
    state = load_training_state(find(run)[0][0].location)
    assert torch.equal(state["weights"], torch.zeros(3))


def test_storage_that_takes_nothing_is_a_failure_with_advice(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.training.saving._PAUSES_S", (0.01,))
    (tmp_path / "file").write_text("no folder can be made here")
    claim = Claim(folder=str(tmp_path / "file" / "run"), token="ours")
    with Saver(claim, keep_best=1, on_saved=pytest.fail) as saver:
        saver.save(_contents(3))
    assert "the checkpoint of step 3 cannot be written to" in str(saver.failure)
    assert "run the same command again" in str(saver.failure)


def test_a_folder_that_cannot_be_claimed_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("no folder can be made here")
    with pytest.raises(InputError, match="cannot write to"):
        Claim.take(str(tmp_path / "file" / "run"))


def test_what_another_command_has_taken_is_not_written_to(run):
    claim = Claim.take(run)
    assert not claim.is_lost()
    Claim.take(run)
    with Saver(claim, keep_best=1, on_saved=pytest.fail) as saver:
        saver.save(_contents(3))
    assert "taken by a command that was started later" in str(saver.failure)
    assert find(run) == ([], [])


def test_metrics_of_a_checkpoint_that_was_taken_over_stay_back(run, monkeypatch):
    claim = Claim.take(run)
    write = Saver._write

    def write_and_lose(*arguments):
        size = write(*arguments)
        Claim.take(run)
        return size

    monkeypatch.setattr(Saver, "_write", write_and_lose)
    with Saver(claim, keep_best=1, on_saved=pytest.fail) as saver:
        saver.save(_contents(3))
    assert "taken by a command that was started later" in str(saver.failure)


def test_snapshot_copies_every_tensor():
    state = {"a": [torch.ones(2), (torch.ones(1), 3)], "b": {"c": None}}
    copy = snapshot(state)
    state["a"][0] += 1
    assert torch.equal(copy["a"][0], torch.ones(2))
    assert copy["a"][1][1] == 3
    assert json.dumps(copy["b"]) == '{"c": null}'


def test_what_is_newer_than_the_last_save_is_left_to_be_written_again(local, run):
    _upload(local, run, {2: math.nan, 4: math.nan, 8: math.nan, 10: math.nan})
    prune(run, keep_best=1, just_saved=4)
    assert _steps(run) == [2, 4, 8, 10]


def test_a_full_temporary_disk_is_a_failure_with_advice(run, monkeypatch):
    monkeypatch.setattr("pipelines.training.saving._PAUSES_S", ())

    def fail(*_):
        raise RuntimeError("[enforce fail at inline_container.cc] . file write failed")

    monkeypatch.setattr("pipelines.training.saving.save_training_state", fail)
    with Saver(Claim.take(run), keep_best=1, on_saved=pytest.fail) as saver:
        saver.save(_contents(3))
    assert "file write failed; make room" in str(saver.failure)


def test_old_checkpoints_that_cannot_be_deleted_end_nothing(run, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("AccessDenied")

    monkeypatch.setattr("pipelines.training.saving.prune", refuse)
    saved = []
    with Saver(
        Claim.take(run), keep_best=1, on_saved=lambda contents: saved.append(contents.step)
    ) as saver:
        saver.save(_contents(3))
    assert saver.failure is None
    assert saved == [3]
