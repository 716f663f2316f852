"""What a second evaluation into the same output, or on the same plan, does."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from isnet.config import InputError
from pipelines.evaluation.plan_file import keep_plan, read_plan
from pipelines.evaluation.work import Work, WorkItem

pytestmark = pytest.mark.ray


def test_a_second_run_keeps_what_is_there_and_measures_what_is_new(
    checkpoint, run, scores, tmp_path, capsys
):
    folder = checkpoint()
    run(folder, images=20)
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").rglob("*.*")}
    first = scores()
    run(folder, "mean-fill", images=20)
    assert "20 of 40 kept from an earlier run" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == then for path, then in parts.items())
    pd.testing.assert_frame_equal(scores().head(len(first)), first)
    assert set(scores()["model"]) == {"ours", "mean-fill"}


def test_a_second_report_leaves_no_picture_of_the_first(checkpoint, run, tmp_path):
    run(checkpoint(), "mean-fill", images=2)
    assert (tmp_path / "out" / "figure7.png").exists()
    run("mean-fill", images=2, published="celeba")
    pictures = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"buckets.png", "figure9.png"}


def test_a_part_that_was_cut_short_is_measured_again(run, scores, tmp_path, capsys):
    run("mean-fill", images=20)
    before = scores()
    part = next((tmp_path / "out" / "parts").rglob("00000.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    run("mean-fill", images=20)
    assert "4 of 20 kept from an earlier run" in capsys.readouterr().out
    pd.testing.assert_frame_equal(scores(), before)


def test_a_plan_is_taken_over_and_gives_the_same_work(run, scores, tmp_path):
    run("mean-fill", seed=5)
    before = scores()
    plan = tmp_path / "out" / "plan.json"
    run("mean-fill", plan=plan, output=tmp_path / "second", images=2)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "second" / "scores.parquet"), before)
    assert plan.read_text() == (tmp_path / "second" / "plan.json").read_text()


@pytest.mark.parametrize("change", [{"items": []}, {"without_masks": [1]}, {"split": "test"}])
def test_a_plan_that_was_edited_is_refused(run, tmp_path, change):
    plan = tmp_path / "plan.json"
    keep_plan(Work(items=(WorkItem(image="i", mask="m", turns=0, bucket=0),)), str(tmp_path))
    plan.write_text(json.dumps({**json.loads(plan.read_text()), **change}))
    with pytest.raises(InputError, match=r"what it lists is work .* take the original file"):
        run("mean-fill", plan=plan)


def test_a_plan_made_for_other_data_is_refused(run, tmp_path):
    run("mean-fill", images=2)
    plan = read_plan(str(tmp_path / "out" / "plan.json"))
    keep_plan(replace(plan, data_hash="0" * 64), str(tmp_path / "moved"))
    with pytest.raises(InputError, match=r"made for data 0{12}, but .* would not compare"):
        run("mean-fill", plan=tmp_path / "moved" / "plan.json", output=tmp_path / "second")
    with pytest.raises(InputError, match="made for data 000000000000"):
        run("mean-fill", output=tmp_path / "moved")


def test_what_a_given_plan_says_is_what_is_recorded(run, tmp_path, tracking_uri):
    run("mean-fill", images=2, seed=5)
    run("mean-fill", plan=tmp_path / "out" / "plan.json", output=tmp_path / "second")
    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name("isnet")
    newest = client.search_runs([experiment.experiment_id])[0]
    assert newest.data.params["images"] == "2"


def test_an_output_with_another_plan_is_left_alone(run, tmp_path):
    run("mean-fill")
    plan = (tmp_path / "out" / "plan.json").read_bytes()
    with pytest.raises(InputError, match=r"holds an evaluation on work .* or another --output"):
        run("mean-fill", seed=1)
    assert (tmp_path / "out" / "plan.json").read_bytes() == plan
