"""The files of an evaluation's report, whatever went wrong in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from pipelines.evaluation.gathering import gather
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.report.writing import (
    FIGURE_FILES,
    TABLE_FILES,
    compose,
    terminal_tables,
    write_report,
)
from pipelines.reporting.document import MISSING, Picture
from pipelines.reporting.markdown import table_to_markdown
from tests.pipelines.evaluation.outcomes import (
    INFINITE,
    known_scores,
    make_classical,
    make_network,
    make_outcome,
    make_timing,
    make_work,
    photographs,
)

NET, FILL = make_network("net"), make_classical()
WORK = make_work(photographs(12), [place % 4 for place in range(12)])
FIGURE = Picture(file="figure.png", image=Image.new("RGB", (8, 8)), title="Figure", caption="Grey.")


def all_failed(item, model, method, picture):
    return {"error": "it | broke\nhere"}


def net_failed(item, model, method, picture):
    return {"error": "broke"} if model == "net" else known_scores(item, model, method, picture)


def all_infinite(item, model, method, picture):
    return {"psnr": INFINITE, "ssim": 1.0, "mae": 0.0, "relative_mae": 0.0, "passes": 1}


def black(item, model, method, picture):
    return known_scores(item, model, method, picture) | {"relative_mae": INFINITE}


def with_lpips(item, model, method, picture):
    return known_scores(item, model, method, picture) | {
        "lpips_alexnet": 0.1 + item / 100,
        "relative_mae": 0.1,
    }


OUTCOMES = {
    "everything": make_outcome(
        [NET, make_network("small", blocks=2), FILL],
        make_work(photographs(20), [place % 5 for place in range(20)]),
        with_lpips,
        timings=[
            make_timing("net", milliseconds=(40.0, 50.0, 60.0) * 7),
            make_timing("net", batch_size=16),
        ],
    ),
    "no masks": make_outcome([NET], make_work(photographs(6), [0] * 6, without_masks=(2, 3))),
    "all failed": make_outcome([NET, FILL], WORK, all_failed),
    "network failed": make_outcome([NET, FILL], WORK, net_failed),
    "all infinite": make_outcome([NET, FILL], WORK, all_infinite),
    "black": make_outcome([NET, FILL], WORK, black),
    "one photograph": make_outcome([NET, FILL], make_work(["a.jpg#0", "a.jpg#1"], [0, 1])),
    "one item": make_outcome([NET], make_work(["a.jpg#0"], [3])),
    "classical only": make_outcome([FILL], WORK, published="celeba"),
    "no predictions": make_outcome([NET], WORK, predictions=False),
    "nothing timed": make_outcome([NET], WORK, timings=[make_timing("net", milliseconds=())]),
    "no rows": make_outcome([NET, FILL], make_work([], [])),
}


@pytest.fixture(params=OUTCOMES.values(), ids=OUTCOMES)
def outcome(request: pytest.FixtureRequest) -> EvaluationOutcome:
    return request.param


def write(outcome: EvaluationOutcome, folder: Path, figures: Sequence[Picture] = ()) -> list[Path]:
    return write_report(outcome, gather(outcome), figures, folder)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def prose(folder: Path) -> str:
    return " ".join((folder / "report.md").read_text(encoding="utf-8").split())


def test_every_outcome_has_a_report_without_holes(outcome: EvaluationOutcome, tmp_path: Path):
    written = write(outcome, tmp_path, [FIGURE])
    assert sorted(written) == sorted(tmp_path.iterdir())
    names = {path.name for path in written}
    assert names >= {"report.md", "report.html", "figure.png"}
    assert names >= {"summary.csv", "differences.csv", "latency.csv"}
    for path in written:
        if path.suffix == ".png":
            Image.open(path).verify()
        else:
            text = re.sub(r"data:image\S+", "", path.read_text(encoding="utf-8"))
            assert not re.search(r"\b(nan|inf|None|NaN|Infinity|NaT)\b", text)


def test_every_table_names_the_work(outcome: EvaluationOutcome):
    tables = compose(outcome, gather(outcome), [FIGURE]).tables()
    assert len(tables) >= 4
    assert [table.caption for table in tables if outcome.work.hash not in table.caption] == []


def test_all_files_are_known_so_that_older_ones_can_be_cleared(tmp_path: Path):
    figures = {"figure5.png", "figure6.png", "figure7.png", "figure8.png", "figure9.png"}
    written = set()
    for name, outcome in OUTCOMES.items():
        (tmp_path / name).mkdir()
        written |= {path.name for path in write(outcome, tmp_path / name)}
    assert {name for name in written if name.endswith(".png")} | figures | {"passes.png"} == (
        FIGURE_FILES
    )
    assert {name for name in written if name.endswith(".csv")} == TABLE_FILES


def test_the_papers_tables_are_csv_files_with_its_columns(tmp_path: Path):
    write(OUTCOMES["everything"], tmp_path)
    latency, buckets, designs, blocks, passes = (
        read(tmp_path / f"{name}.csv")
        for name in ("table3", "table5", "table7", "table8", "passes")
    )
    assert latency[0]["ms an image (published)"] == "85.46"
    assert latency[1]["95th percentile"] == MISSING
    assert len(buckets) == 5 * 3
    assert buckets[0]["ISNet(Eq.(5))+PRA (published)"] == "31.95"
    assert buckets[0]["small PRA"].endswith("]")
    assert [row["PSNR ↑ (published)"] for row in designs] == ["28.53"]
    assert [row["PSNR ↑ (published)"] for row in blocks] == ["28.53", "28.47"]
    assert passes == [{"Passes": "3", "net": "20", "small": "20"}]


def test_table6_is_a_csv_file_of_faces(tmp_path: Path):
    names = {path.name for path in write(OUTCOMES["classical only"], tmp_path)}
    assert "table6.csv" in names
    assert not names & {"table3.csv", "table5.csv", "table7.csv", "table8.csv", "passes.csv"}
    assert read(tmp_path / "table6.csv")[0]["ISNet(Eq.(5))+PRA (published)"] == "38.95"


def test_a_terminal_shows_the_means_over_all_items_and_by_hole_ratio(outcome: EvaluationOutcome):
    summary, buckets = map(table_to_markdown, terminal_tables(outcome, gather(outcome)))
    assert summary.startswith("| Model")
    assert buckets.startswith("| Mask ratio")


def test_few_photographs_are_warned_of(tmp_path: Path):
    write(OUTCOMES["one photograph"], tmp_path)
    assert "**Note:** Only 1 photograph: the intervals are wide, and lean on " in prose(tmp_path)
    write(OUTCOMES["everything"], tmp_path)
    assert "Fewer than 10 photographs by hole ratio: 10-20% (4), " in prose(tmp_path)
    many = make_outcome([FILL], make_work(photographs(40), [place % 4 for place in range(40)]))
    write(many, tmp_path)
    assert "**Note:**" not in prose(tmp_path)


def test_a_candidate_without_scores_is_named(tmp_path: Path):
    write(OUTCOMES["network failed"], tmp_path)
    assert "net PRA has no scores: all 12 items failed." in prose(tmp_path)
    assert "Best mean PSNR on composites: mean fill" in prose(tmp_path)
    assert "Not ranked, without a finite PSNR on every item: net one-shot, net PRA." in prose(
        tmp_path
    )


@pytest.mark.parametrize("missed", [{"error": "broke"}, {"psnr": INFINITE, "passes": 1}])
def test_only_those_with_a_psnr_on_every_item_can_win(missed, tmp_path: Path):
    """A mean without the hard items is no better mean."""

    def scores(item, model, method, picture):
        hard = item < 2
        if hard and model == "net":
            return missed
        return {"psnr": 5.0 if hard else 20.0 + (model == "net"), "ssim": 0.5, "passes": 1}

    write(make_outcome([NET, FILL], WORK, scores), tmp_path)
    text = prose(tmp_path)
    assert "Best mean PSNR on composites: mean fill, 17.50 dB. Not ranked" in text
    assert "every item: net one-shot, net PRA." in text


def test_nobody_wins_over_different_items(tmp_path: Path):
    def scores(item, model, method, picture):
        left_out = {"net": 0, "mean fill": 1}[model]
        return {"error": "broke"} if item == left_out else {"psnr": 20.0, "ssim": 0.5, "passes": 1}

    write(make_outcome([NET, FILL], WORK, scores), tmp_path)
    assert "No winner is named: no candidate has a finite PSNR on every item" in prose(tmp_path)
    assert "Best mean PSNR" not in prose(tmp_path)


def test_all_are_ranked_where_all_have_every_item(tmp_path: Path):
    write(OUTCOMES["everything"], tmp_path)
    assert "Best mean PSNR on composites: " in prose(tmp_path)
    assert "Not ranked" not in prose(tmp_path)


def test_what_was_noticed_on_the_way_is_a_warning_after_the_reports_own(tmp_path: Path):
    noticed = ("The GPU was busy.", "Two images are the same.")
    work = make_work(["a.jpg#0", "a.jpg#1"], [0, 1])
    write(make_outcome([FILL], work, warnings=noticed), tmp_path)
    text = prose(tmp_path)
    own, first, second = (
        text.index(f"**Note:** {words}") for words in ("Only 1 photograph", *noticed)
    )
    assert own < first < second < text.index("| Model")


def test_failures_are_listed_once_and_cut_short(tmp_path: Path):
    work = make_work(photographs(30), [0] * 30)
    write(make_outcome([NET], work, all_failed), tmp_path)
    text = prose(tmp_path)
    assert text.count(r"it \| broke here") == 20
    assert "30 by model, item and error; the first 20 are shown." in text


def test_the_summary_has_every_figure_to_its_last_digit(tmp_path: Path):
    outcome = OUTCOMES["everything"]
    write(outcome, tmp_path)
    results = gather(outcome)
    rows = read(tmp_path / "summary.csv")
    assert len(rows) == (4 * 2 + 1) * (1 + 5)
    row = next(
        row
        for row in rows
        if (row["bucket"], row["model"], row["method"], row["picture"])
        == ("20-30%", "net", "PRA", "composite")
    )
    group = results.group(results.reference, 1)
    found = group.estimates["psnr"]
    assert (float(row["psnr"]), float(row["psnr_low"]), float(row["psnr_high"])) == (
        found.mean,
        found.low,
        found.high,
    )
    assert float(row["batch_pooled_psnr"]) == group.batch_pooled_psnr
    assert (row["items"], row["failed"], row["infinite"]) == ("4", "0", "0")
    assert (row["work"], row["lpips_vgg16"]) == (outcome.work.hash, "")


def test_the_differences_have_all_pairs(tmp_path: Path):
    write(OUTCOMES["everything"], tmp_path)
    rows = read(tmp_path / "differences.csv")
    psnr = [row for row in rows if row["metric"] == "psnr"]
    assert len(psnr) == 10 * (1 + 5)
    assert {row["bucket"] for row in psnr} >= {"all", "50-60%"}
    assert {row["work"] for row in rows} == {OUTCOMES["everything"].work.hash}


def test_latency_is_exported_with_the_papers(tmp_path: Path):
    write(OUTCOMES["everything"], tmp_path)
    single, batch = read(tmp_path / "latency.csv")
    assert (single["median_ms"], single["p95_ms"], single["warm_up_ms"]) == ("50.0", "60.0", "90.0")
    assert (single["images_per_second"], single["published_ms"]) == ("20.0", "85.46")
    assert (single["batches"], batch["batches"]) == ("21", "3")
    assert (batch["p95_ms"], batch["published_ms"]) == ("", "")
