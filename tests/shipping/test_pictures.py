"""The pictures of a card: drawn from scores, chosen by them alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from isnet.config import InputError
from pipelines import evaluate, prepare
from shipping.pictures import choose, find_gains, joined, main, require_measured
from tests.pipelines.command_process import ROOT


def rows(model: str, method: str, psnr: list[float]) -> pd.DataFrame:
    given = {"model": model, "method": method, "picture": "composite", "psnr": psnr}
    return pd.DataFrame({"item": range(len(psnr)), **given})


def test_gains_are_over_the_classical_method_that_is_best_on_average():
    scores = pd.concat(
        [
            rows("isnet-small", "PRA", [30.0, 20.0, np.inf]),
            rows("isnet-small", "one-shot", [0.0, 0.0, 0.0]),
            rows("telea", "fill", [25.0, 25.0, 25.0]),
            rows("mean-fill", "fill", [29.0, 10.0, 10.0]),
        ]
    )
    assert find_gains(scores, "isnet-small").to_dict() == {0: 5.0, 1: -5.0}


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (rows("telea", "fill", [1.0]), "no scores of isnet-small; name it"),
        (rows("isnet-small", "PRA", [1.0]), "measured no classical method"),
    ],
)
def test_what_was_not_measured_is_named(scores, message):
    with pytest.raises(InputError, match=message):
        find_gains(scores, "isnet-small")


def test_scores_of_other_weights_choose_nothing(tmp_path):
    table = tmp_path / "scores.parquet"
    models = [{"name": "isnet-small", "fingerprint": "0123"}]
    about = {b"isnet.evaluation": json.dumps({"models": models})}
    parquet.write_table(pa.table({"item": [1]}).replace_schema_metadata(about), table)
    require_measured(table, "isnet-small", "0123")
    with pytest.raises(InputError, match=r"other weights of isnet-small \(0123\) than .* \(4567\)"):
        require_measured(table, "isnet-small", "4567")


def test_the_worst_are_shown_whatever_else_is():
    gains = pd.Series(np.random.default_rng(0).permutation(20).astype(float))
    chosen = {words: {gains[item] for item, said in choose(gains).items() if said == words}
              for words in ("the worst", "the middle", "the best")}  # fmt: skip
    assert chosen["the worst"] == {0.0, 1.0, 2.0}
    assert chosen["the middle"] == {8.0, 9.0, 10.0}
    assert chosen["the best"] == {17.0, 18.0, 19.0}


def test_few_items_are_shown_once_each():
    assert sorted(choose(pd.Series([1.0, 2.0, 3.0, 4.0]))) == [0, 1, 2, 3]


def test_the_curve_goes_on_from_run_to_run():
    curve = [[10, 20.0], [20, 21.0]]
    runs = [{"step": 25, "curve": curve}, {"step": 5, "curve": []}, {"step": 20, "curve": curve}]
    assert joined(runs) == [([10, 20], [20.0, 21.0]), ([40, 50], [20.0, 21.0])]


@pytest.mark.ray
@pytest.mark.slow
def test_the_pictures_are_drawn_from_an_evaluation(tmp_path, ray_session):
    data, output = str(tmp_path / "data"), str(tmp_path / "comparison")
    prepare.main(["--photos", str(ROOT / "samples"), "--output", data, "--size", "48",
                  "--generated-masks", "40", "--validation-percent", "30"])  # fmt: skip
    words = ["--models", "isnet-small", "telea", "--data", data, "--output", output]
    rest = ["--images", "12", "--latency-images", "0", "--lpips"]
    assert evaluate.main([*words, *rest, "--tracking.uri", f"sqlite:///{tmp_path}/mlflow.db"]) == 0
    main(["isnet-small", "--evaluation", output, "--data", data, "--output", str(tmp_path)])
    for part in ("curve.png", "cases.jpg"):
        assert (tmp_path / f"isnet-small-{part}").stat().st_size > 1000
