"""The table in the paper's form: its order, its figures, the paper's beside them."""

from __future__ import annotations

from isnet.config import LOSS_PRESETS
from pipelines.reporting.document import MISSING, Table
from pipelines.reporting.published import PUBLISHED
from pipelines.tuning.report.ranking import by_psnr
from pipelines.tuning.report.tables import results_table
from tests.pipelines.tuning.campaigns import make_campaign, make_trial, random_trial


def table_of(kind: str, *trials) -> Table:
    outcome = make_campaign(kind, *trials)
    return results_table(outcome, by_psnr(outcome.trials))


def row_of_table1(number: int, psnr: float, **scores: float):
    key = f"table1-row{number}"
    return make_trial(
        f"row{number}",
        label=f"row {number}",
        psnr=psnr,
        scores=scores,
        weights=LOSS_PRESETS[key],
        published=key,
    )


def headers(table: Table) -> list[str]:
    return [column.header + " published" * column.published for column in table.columns]


def test_the_best_psnr_comes_first():
    table = table_of("table1", random_trial(0, 20.0), random_trial(1, 22.0), random_trial(2, 21.0))
    assert [row[1] for row in table.rows] == ["trial-01", "trial-02", "trial-00"]


def test_only_finished_trials_are_ranked():
    waiting = make_trial("trial-01", state="unfinished")
    assert len(table_of("table1", random_trial(0, 20.0), waiting).rows) == 1


def test_table1_has_the_papers_columns_and_its_figures_beside_ours():
    table = table_of("table1-rows", row_of_table1(3, 21.987, mae=0.052651, ssim=0.71249, lpips=0.2))
    assert dict(zip(headers(table), table.rows[0], strict=True)) == {
        "#": "1",
        "Trial": "row 3",
        "L_l1": "24.159013",
        "L_D": "66.923958",
        "L_style": "0.103212",
        "L_perc": "6.038855",
        "L_FM": "206.568582",
        "PSNR ↑": "21.99",
        "PSNR ↑ published": "22.65",
        "MAE(%) ↓": "5.265",
        "MAE(%) ↓ published": "5.265",
        "SSIM ↑": "0.712",
        "LPIPS ↓": "0.200",
    }


def test_a_random_search_has_no_published_columns():
    assert not any(
        "published" in header for header in headers(table_of("table1", random_trial(0, 20.0)))
    )


def test_table2_prints_the_relative_error_as_a_fraction():
    key = "table2-row3"
    trial = make_trial("row3", label="row 3", psnr=24.0, published=key, weights=LOSS_PRESETS[key])
    row = dict(zip(headers(table := table_of("table2", trial)), table.rows[0], strict=True))
    assert row["MAE(%) ↓"] == "0.100"
    assert row["MAE(%) ↓ published"] == "0.101"
    assert [row[name] for name in ("L_l1", "L_D", "L_style", "L_perc", "L_FM")] == list("11110")


def test_table8_counts_parameters_as_the_paper_does():
    trial = make_trial("blocks-4", label="4 blocks", psnr=27.5, published="table8-4")
    table = table_of("table8", trial)
    row = dict(zip(headers(table), table.rows[0], strict=True))
    assert row["Blocks"] == "4"
    assert row["Parameters"] == row["Parameters published"] == "23.63M"
    assert row["MAE(%) ↓ published"] == "1.91"


def test_table7_names_models_as_the_paper_does():
    designs = ("base", "base_ff", "isnet", "unet_like")
    trials = [make_trial(name, psnr=20.0, published=f"table7-{name}") for name in designs]
    table = table_of("table7", *trials)
    names = [row[1] for row in table.rows]
    assert names == ["Base Model", "Base Model+FF", "ISNet", "UNet-like Model"]


def test_a_campaign_file_has_its_options_as_columns():
    first = make_trial("a", psnr=21.0, overrides={"seed": 3, "optimizer.generator_lr": 0.0001})
    second = make_trial("b", psnr=20.0, overrides={"seed": 4})
    table = table_of("file", first, second)
    assert headers(table)[2:4] == ["seed", "optimizer.generator_lr"]
    assert [row[2:4] for row in table.rows] == [("3", "0.0001"), ("4", MISSING)]


def test_every_published_row_of_weights_is_a_loss_preset():
    keys = [key for key in PUBLISHED if key.startswith(("table1-", "table2-"))]
    assert set(keys) == {key for key in LOSS_PRESETS if key.startswith("table")}


def test_what_is_no_number_is_a_dash():
    table = table_of("table1", make_trial("trial-00", psnr=20.0, scores={"ssim": float("nan")}))
    assert "nan" not in str(table.rows).lower()
