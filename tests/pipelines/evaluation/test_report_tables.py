"""The tables of an evaluation: cells by hand, and the paper's columns beside ours."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluation.gathering import gather
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.report.averages import average_table, raw_table
from pipelines.evaluation.report.buckets import bucket_table
from pipelines.evaluation.report.cells import show_difference, show_mean
from pipelines.evaluation.report.differences import difference_table, psnr_table
from pipelines.evaluation.report.latency import latency_table, passes_table, passes_taken
from pipelines.evaluation.report.networks import network_tables
from pipelines.evaluation.report.overview import summary_table
from pipelines.evaluation.statistics import Estimate
from pipelines.reporting.document import MISSING, Table
from pipelines.reporting.figures import PSNR, SSIM
from tests.pipelines.evaluation.outcomes import (
    make_classical,
    make_network,
    make_outcome,
    make_timing,
    make_work,
    photographs,
)

PSNRS = {"one-shot": 25.0, "PRA": 24.5, "fill": 20.0}
WORK = make_work(photographs(8), [0, 0, 0, 0, 1, 1, 1, 1])


def scores(item, model, method, picture):
    """A step of 1 dB an item within each half of the work; mean 1.5 above the method's."""
    raw = 2.0 if picture == "prediction" else 0.0
    psnr = PSNRS[method] + item % 4 - 10 * (item // 4) - raw
    passes = {"one-shot": 1, "PRA": 1 + item // 4, "fill": 0}[method]
    return {"psnr": psnr, "ssim": 0.9, "mae": 0.0123, "relative_mae": 0.05, "passes": passes}


def make(*candidates, work=WORK, **given) -> EvaluationOutcome:
    return make_outcome(
        candidates or (make_network("net"), make_classical()), work, scores, **given
    )


def estimate(mean, low, high) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, count=9, photographs=9, left_out=0)


def headers(table: Table) -> list[str]:
    return [column.header + " published" * column.published for column in table.columns]


def rows(table: Table) -> list[dict[str, str]]:
    return [dict(zip(headers(table), row, strict=True)) for row in table.rows]


def mean_of(cell: str) -> str:
    return cell.partition(" ")[0]


def test_means_are_printed_with_their_intervals():
    assert show_mean(PSNR, estimate(23.0, 22.1, 23.9)) == "23.00 [22.1, 23.9]"
    assert show_mean(PSNR, estimate(23.0, 22.9, 23.1)) == "23.00 [22.90, 23.10]"
    assert show_mean(SSIM, estimate(0.9, 0.84, 0.951)) == "0.900 [0.84, 0.95]"
    assert show_mean(PSNR, estimate(23.0, None, None)) == f"23.00 [{MISSING}]"
    assert show_mean(PSNR, estimate(None, None, None)) == MISSING


def test_differences_whose_interval_excludes_zero_have_a_star():
    assert show_difference(PSNR, estimate(0.3, 0.1, 0.5)) == "+0.30 [+0.10, +0.50] *"
    assert show_difference(PSNR, estimate(-0.3, -0.7, 0.1)) == "-0.30 [-0.70, +0.10]"


def test_the_summary_has_a_row_a_model_and_method():
    found = rows(summary_table(gather(make())))
    assert [(row["Model"], row["Method"]) for row in found] == [
        ("net", "one-shot"),
        ("net", "PRA"),
        ("mean fill", "fill"),
    ]
    pra = found[1]
    assert (mean_of(pra["PSNR ↑"]), mean_of(pra["MAE(%) ↓"])) == ("21.00", "1.23")
    assert (pra["passes"], pra["items"], pra["failed"], pra["infinite"]) == ("1.5", "8", "0", "0")
    assert not any("LPIPS" in header for header in pra)


def test_table5_has_our_means_then_the_papers_columns():
    table = bucket_table(outcome := make(), gather(outcome))
    assert headers(table)[:6] == [
        *("Mask ratio", "Score", "Items", "net one-shot", "net PRA", "mean fill"),
    ]
    assert len(headers(table)) == 6 + 11
    assert all(column.published for column in table.columns[6:])
    psnr, ssim, mae, second, *_ = rows(table)
    assert (psnr["Mask ratio"], psnr["Score"], psnr["Items"]) == ("10-20%", "PSNR ↑", "4")
    assert mean_of(psnr["net PRA"]) == "26.00"
    assert mean_of(second["net PRA"]) == "16.00"
    assert (mean_of(ssim["mean fill"]), mean_of(mae["mean fill"])) == ("0.900", "1.23")
    paper = "ISNet(Eq.(5))+PRA published"
    assert [row[paper] for row in (psnr, ssim, mae, second)] == ["31.95", "0.962", "0.60", "27.49"]


def test_table6_is_chosen_for_faces():
    table = bucket_table(outcome := make(published="celeba"), gather(outcome))
    assert sum(column.published for column in table.columns) == 5
    assert rows(table)[0]["ISNet(Eq.(5))+PRA published"] == "38.95"
    assert "Table 6" in table.caption


def test_hole_ratios_without_items_keep_their_rows_and_say_why():
    work = make_work(photographs(2), [0, 0], without_masks=(3,))
    table = bucket_table(outcome := make(work=work), gather(outcome))
    found = rows(table)
    assert [row["Mask ratio"] for row in found[::3]] == ["10-20%", "20-30%", "30-40%", "40-50%"]
    assert {row["net PRA"] for row in found[3:9]} == {MISSING}
    assert {row["net PRA"] for row in found[9:]} == {"no mask"}
    assert "20-30%, 30-40%: the work has no item there." in table.caption
    assert "40-50%: the data set has no held-out mask" in table.caption


def test_the_fifth_bucket_appears_with_its_items_and_without_published_figures():
    work = make_work(photographs(2), [0, 4])
    found = rows(bucket_table(outcome := make(work=work), gather(outcome)))
    assert len(found) == 15
    assert found[-1]["Mask ratio"] == "50-60%"
    assert found[-1]["CA published"] == MISSING


def test_differences_are_to_the_first_candidates_pra():
    results = gather(make())
    one_shot, fill = rows(difference_table(results))
    assert (one_shot["Method"], one_shot["PSNR ↑"]) == ("one-shot", "+0.50 [+0.50, +0.50] *")
    assert (fill["Model"], fill["PSNR ↑"]) == ("mean fill", "-4.50 [-4.50, -4.50] *")
    assert fill["SSIM ↑"] == "+0.000 [+0.000, +0.000]"
    assert "* marks an interval without 0" in difference_table(results).caption
    assert headers(psnr_table(results))[2:] == ["10-20% (4)", "20-30% (4)"]


def test_raw_predictions_stand_beside_composites():
    table = raw_table(gather(make()))
    assert table is not None
    one_shot, pra = rows(table)
    assert mean_of(pra["PSNR ↑ composite"]) == "21.00"
    assert mean_of(pra["PSNR ↑ prediction"]) == "19.00"
    assert one_shot["Model"] == "net"
    assert raw_table(gather(make(make_classical()))) is None


def test_batch_pooled_psnr_has_a_column_of_its_own():
    row = rows(average_table(gather(make())))[1]
    pooled = [
        -10 * np.log10(np.mean([10 ** -(a / 10 + b / 10) for b in range(4)])) for a in (24.5, 14.5)
    ]
    assert mean_of(row["PSNR ↑, mean of images"]) == "21.00"
    assert float(row["PSNR ↑, batch-pooled"]) == pytest.approx(np.mean(pooled), abs=0.005)
    assert mean_of(row["relative MAE ↓"]) == "0.050"


def test_table3_has_the_papers_latency_at_one_image_a_batch():
    timings = [
        make_timing("net", method="one-shot"),
        make_timing("net"),
        make_timing("net", batch_size=8, milliseconds=(5.0,)),
    ]
    outcome = make(timings=timings)
    one_shot, pra, batch = rows(latency_table(outcome, outcome.work.hash))
    assert one_shot["ms an image published"] == "52.69"
    assert pra["ms an image published"] == "85.46"
    assert batch["ms an image published"] == MISSING
    assert (pra["ms an image, median"], pra["95th percentile"]) == ("50.00", MISSING)
    assert (pra["warm-up"], batch["images/s"]) == ("90.00", "200.0")
    assert pra["Device, precision"] == "AMD EPYC 7B13, 2 threads, fp32"


def test_a_95th_percentile_needs_twenty_batches():
    milliseconds = tuple(range(1, 21))
    timings = [make_timing("net", milliseconds=milliseconds[:count]) for count in (19, 20)]
    outcome = make(timings=timings)
    few, enough = rows(latency_table(outcome, outcome.work.hash))
    assert (few["batches"], few["95th percentile"]) == ("19", MISSING)
    assert (enough["batches"], enough["95th percentile"]) == ("20", "19.05")


def test_passes_are_counted_by_model():
    counts = passes_taken(make(make_network("net"), make_network("other"), make_classical()))
    table = passes_table(counts, "abc")
    assert headers(table) == ["Passes", "net", "other"]
    assert table.rows == [("1", "4", "4"), ("2", "4", "4")]


def test_networks_stand_in_the_tables_of_designs_and_blocks():
    candidates = [
        make_network("full"),
        make_network("plain", design="base", parameters=16_515_072),
        make_network("narrow", channels=8),
        make_network("two", blocks=2),
        make_classical(),
    ]
    outcome = make(*candidates)
    designs, blocks = network_tables(outcome, gather(outcome))
    assert [row["Model"] for row in rows(designs)] == ["full", "plain", "narrow"]
    assert [row["PSNR ↑ published"] for row in rows(designs)] == ["28.53", "27.91", MISSING]
    full = rows(designs)[0]
    assert (full["Parameters"], full["Parameters published"]) == ("23.63M", "23.63M")
    assert (full["PSNR ↑ PRA"], full["PSNR ↑ one-shot"]) == ("21.00", "21.50")
    assert rows(designs)[1]["Parameters"] == "15.75M"
    assert [row["Model"] for row in rows(blocks)] == ["full", "narrow", "two"]
    assert [row["PSNR ↑ published"] for row in rows(blocks)] == ["28.53", MISSING, "28.47"]


def test_one_full_isnet_is_in_the_table_of_designs_alone():
    outcome = make()
    (table,) = network_tables(outcome, gather(outcome))
    assert "Table 7" in table.caption
    outcome = make(make_classical())
    assert network_tables(outcome, gather(outcome)) == ()
