"""Evaluation end to end: models of every kind, a row an image, a report, a record in MLflow."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import NamedTuple

import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image
from pyarrow import parquet

from isnet.config import InputError
from pipelines import evaluate
from pipelines.cli import run_main
from pipelines.evaluation.evaluation import usable_lpips
from pipelines.tracking.registry import register_model
from tests.pipelines.evaluation.checkpoints import FACTS, small_generator
from tests.pipelines.evaluation.evaluations import Evaluations
from tests.reference import published_state

pytestmark = pytest.mark.ray

SCORES = ["psnr", "ssim", "mae", "relative_mae"]


def _of(scores, model, method):
    rows = scores.query("model == @model and method == @method and picture == 'composite'")
    return rows.sort_values("item")[SCORES].to_numpy()


class Whole(NamedTuple):
    """An evaluation of all there is."""

    evaluations: Evaluations
    printed: str
    trained: Run
    """The run that trained the first model, as it was before."""


@pytest.fixture(scope="module")
def whole(prepared, new_database, tmp_path_factory) -> Whole:
    """Two trained networks, where one of them began, and two methods."""
    folder = tmp_path_factory.mktemp("whole")
    made = Evaluations(folder, prepared, new_database(folder))
    run_id = made.training_run()
    trained = MlflowClient(made.tracking_uri).get_run(run_id)
    recorded = {"mlflow": {"uri": made.tracking_uri, "run_id": run_id}}
    ours = made.checkpoint(seed=1, about={**FACTS, **recorded, "extractor": "vgg16 of somebody"})
    other = f"other={made.checkpoint('other', seed=2)}"
    models, wanted = (ours, other, "mean-fill", "telea"), {"seed": 3, "latency-images": 2}
    with redirect_stdout(io.StringIO()) as printed:
        assert made.run(*models, flags=["--untrained", "--min-gain", "-99"], **wanted) == 0
    return Whole(made, printed.getvalue(), trained)


def test_every_image_has_a_row_for_each_model_method_and_picture(whole):
    rows = whole.evaluations.scores()
    counts = rows.groupby(["model", "method", "picture"]).size().to_dict()
    assert counts == {
        **{
            (model, method, picture): 4
            for model in ("ours", "ours, untrained", "other")
            for method in ("one-shot", "PRA")
            for picture in ("composite", "prediction")
        },
        ("mean-fill", "fill", "composite"): 4,
        ("telea", "fill", "composite"): 4,
    }
    assert rows["error"].isna().all()
    assert rows["lpips_alexnet"].notna().all()
    assert rows["lpips_vgg16"].isna().all()
    for _, own in rows.groupby("item"):
        about = own[["image", "mask", "turns", "hole_ratio", "bucket"]]
        assert len(about.drop_duplicates()) == 1


def test_the_report_and_its_figures_are_written(whole):
    out = whole.evaluations.out
    assert f"report:   {out / 'report.html'}" in whole.printed
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    work = json.loads((out / "plan.json").read_text())["hash"]
    for written in (page, text):
        assert work in written
        assert "vgg16 of somebody" in written
        assert "opencv-python-headless" in written
    names = {path.name for path in out.iterdir()}
    assert {"summary.csv", "table5.csv", "figure6.png", "figure7.png", "figure8.png"} <= names
    about = json.loads(parquet.read_schema(out / "scores.parquet").metadata[b"isnet.evaluation"])
    assert about["work"] == work
    models = [model["name"] for model in about["models"]]
    assert models == ["ours", "ours, untrained", "other", "mean-fill", "telea"]
    assert "| mean-fill" in whole.printed
    with Image.open(out / "passes.png") as picture:
        assert picture.width > picture.height / 4


def test_latency_is_measured_of_trained_networks_alone(whole):
    rows = pd.read_csv(whole.evaluations.out / "latency.csv")
    assert set(rows["model"]) == {"ours", "other"}
    assert set(rows["method"]) == {"one-shot", "PRA"}


def test_the_record_is_a_child_of_the_training_run_which_stays_as_it_is(whole):
    client = MlflowClient(whole.evaluations.tracking_uri)
    (record,) = _records(client)
    after = client.get_run(record.data.tags["mlflow.parentRunId"])
    assert after.to_dictionary() == whole.trained.to_dictionary()
    assert record.info.status == "FINISHED"
    _assert_complete(client, record)


def _records(client):
    experiment = client.get_experiment_by_name("isnet")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return [run for run in runs if "evaluated" in run.data.tags]


def _assert_complete(client, record):
    assert record.data.params["seed"] == "3"
    assert record.data.params["reconstruction.threshold"] == "0.2"
    assert len(record.data.params["data_hash"]) == 64
    assert len(record.data.params["work_hash"]) == 12
    assert record.data.metrics["evaluation/ours/PRA/all/psnr"] > 0
    files = {item.path for item in client.list_artifacts(record.info.run_id, "evaluation")}
    wanted = {"report.html", "report.md", "scores.parquet", "plan.json", "figure6.png"}
    assert {f"evaluation/{name}" for name in wanted} <= files


def test_the_last_line_says_what_training_brought(whole):
    last = whole.printed.splitlines()[-1]
    rows = whole.evaluations.scores()
    psnr = {
        name: _of(rows, *name)[:, 0].mean()
        for name in (
            ("ours", "PRA"),
            ("ours, untrained", "one-shot"),
            ("other", "PRA"),
            ("mean-fill", "fill"),
        )
    }
    trained, untrained, rival, filled = psnr.values()
    assert last == (
        f"PSNR: ours, untrained {untrained:.2f} dB, ours with PRA {trained:.2f} dB: "
        f"{trained - untrained:+.2f} dB; "
        f"{trained - rival:+.2f} dB over other, {rival:.2f} dB; "
        f"{trained - filled:+.2f} dB over mean fill, {filled:.2f} dB"
    )


@pytest.fixture(scope="module")
def of_every_form(prepared, new_database, tmp_path_factory) -> Evaluations:
    """One network as a folder, a URI and a registered model, and an authors' file."""
    place = tmp_path_factory.mktemp("forms")
    made = Evaluations(place, prepared, new_database(place))
    elsewhere = {"mlflow": {"uri": "http://elsewhere:5000", "run_id": "0" * 32}}
    folder = made.checkpoint(about={**FACTS, **elsewhere})
    version = register_model(made.tracking_uri, made.training_run(), folder)
    state = {name: tensor.float() for name, tensor in published_state("isnet_blocks1").items()}
    torch.save({"generator": state, "epoch": 1}, place / "G.pth")
    forms = [f"folder={folder}", f"uri={folder.as_uri()}", f"registered=models:/isnet/{version}"]
    assert made.run(*forms, place / "G.pth") == 0
    return made


def test_a_uri_and_a_registered_model_score_as_the_folder_does(of_every_form):
    rows = of_every_form.scores()
    for method in ("one-shot", "PRA"):
        expected = _of(rows, "folder", method)
        assert expected.shape == (4, 4)
        assert (_of(rows, "uri", method) == expected).all()
        assert (_of(rows, "registered", method) == expected).all()


def test_an_authors_file_is_measured(of_every_form):
    rows = of_every_form.scores()
    assert rows["error"].isna().all()
    assert _of(rows, "G", "PRA").shape == (4, 4)


def test_a_model_of_another_server_gets_a_record_without_a_parent(of_every_form):
    (record,) = _records(MlflowClient(of_every_form.tracking_uri))
    assert "mlflow.parentRunId" not in record.data.tags


def test_an_unreachable_server_only_costs_the_record(run, closed_port, tmp_path):
    dead = {"tracking.uri": f"http://127.0.0.1:{closed_port}"}
    assert run("mean-fill", images=1, **dead) == 0
    assert (tmp_path / "out" / "report.html").exists()


def test_untrained_is_the_network_that_training_started_from(checkpoint, run, scores):
    first = checkpoint("first", seed=7)
    second = checkpoint(seed=7, about={"config": {**FACTS["config"], "init_from": str(first)}})
    by_seed = checkpoint("by-seed", seed=FACTS["config"]["seed"])
    run(second, f"seeded={by_seed}", f"start=untrained:{by_seed}", flags=["--untrained"])
    rows = scores()
    for model, untrained in (("ours", "ours, untrained"), ("seeded", "start")):
        same = _of(rows, model, "one-shot")
        assert (_of(rows, untrained, "one-shot") == same).all()


def test_a_start_that_is_gone_is_named(checkpoint, run):
    about = {"config": {**FACTS["config"], "init_from": "/gone"}}
    with pytest.raises(InputError, match=r"trained from /gone.*leave --untrained out"):
        run(checkpoint(about=about), flags=["--untrained"])


def test_a_start_that_holds_other_weights_by_now_is_not_taken_for_it(checkpoint, run):
    start = {"init_from": str(checkpoint("first", seed=7))}
    about = {"config": {**FACTS["config"], **start}, "started_from": "0123456789ab"}
    with pytest.raises(InputError, match=r"holds other weights by now: \w{12}, not 0123456789ab"):
        run(checkpoint(about=about), flags=["--untrained"])


def test_untrained_needs_the_facts_of_training(checkpoint, run):
    with pytest.raises(InputError, match="does not say how it was initialised; leave --untrained"):
        run(checkpoint(about={}), flags=["--untrained"])


def test_too_small_a_gain_fails_after_everything_was_written(
    checkpoint, run, tracking_uri, tmp_path, capsys
):
    new = f"new=untrained:{checkpoint('other')}"
    assert run(f"ours={checkpoint(seed=1)}", new, flags=["--min-gain", "99"]) == 1
    printed = capsys.readouterr()
    assert "over new, and --min-gain asks for 99 dB" in printed.err
    # The gain is over any untrained model that is named.
    last = printed.out.splitlines()[-1]
    assert last.startswith("PSNR: new ")
    assert ", ours with PRA " in last
    assert (tmp_path / "out" / "report.html").exists()
    assert len(_records(MlflowClient(tracking_uri))) == 1


def test_a_model_without_a_finite_output_has_errors_and_the_others_go_on(
    checkpoint, run, scores, tmp_path, capsys
):
    broken = small_generator(0)
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    name = f"broken={checkpoint('broken', generator=broken)}"
    assert run(name, "mean-fill", **{"latency-images": 2}) == 1
    assert "broken PRA has no score of any image" in capsys.readouterr().err
    rows = scores()
    lost = rows[rows["model"] == "broken"]
    assert len(lost) == 16
    assert lost["error"].str.contains("not finite").all()
    assert lost[SCORES].isna().all(axis=None)
    assert _of(rows, "mean-fill", "fill").shape == (4, 4)
    report = (tmp_path / "out" / "report.md").read_text()
    assert " nan" not in report.lower()
    assert "broken failed: PRA on the examples" in report


def test_a_dry_run_measures_nothing(checkpoint, run, tmp_path, capsys):
    assert run(checkpoint(), "telea", flags=["--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(": 4 images for ours, telea")
    assert not (tmp_path / "out").exists()


def test_lpips_is_left_out_of_pictures_that_are_too_small_for_it(capsys):
    assert list(usable_lpips(("alexnet", "vgg16"), 16)) == ["vgg16"]
    assert "LPIPS on alexnet is not measured: pictures of 16x16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("/none", [], "no checkpoint at /none"),
        ("file:///none", [], "file:///none does not exist; check the URI"),
        ("nosuch://bucket/x", [], "cannot open nosuch://bucket/x"),
        ("models:/isnet/9", [], "has no usable models:/isnet/9"),
        ("/none", ["--min-gain", "3"], "add --untrained"),
        ("telea", ["--min-gain", "3"], "--min-gain is of the first model, and telea is not"),
        ("untrained:/none", ["--min-gain", "3"], "and untrained:/none is not trained"),
        ("/none", ["--images", "0"], "images is 0"),
        ("telea", ["--untrained"], "telea is not trained; name a checkpoint first"),
        ("telea", ["--plan", "/none.json"], "there is no plan at /none.json"),
        ("telea", ["--device", "gpu"], "the cluster has no GPU"),
        ("telea", ["--actors", "99"], "--actors 99: the cluster has 4 CPU(s)"),
    ],
)
def test_mistakes_are_one_line(prepared, tracking_uri, tmp_path, capsys, model, more, message):
    words = ["--models", model, "--data", prepared, "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        run_main(evaluate.main, [*words, "--tracking.uri", tracking_uri, *more])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
