"""What was measured or averaged otherwise: raw predictions, batch-pooled PSNR, relative MAE."""

from __future__ import annotations

from pipelines.evaluation.report.cells import (
    RELATIVE_MAE,
    hashed_table,
    measured,
    show_mean,
    subject_columns,
)
from pipelines.evaluation.results import Results
from pipelines.evaluation.rows import COMPOSITE, PREDICTION
from pipelines.evaluation.statistics import BATCH
from pipelines.reporting.document import Block, Column, Section, Table, Words
from pipelines.reporting.figures import PSNR


def averages(results: Results) -> Section:
    """Show raw predictions beside composites, and other averages beside the mean."""
    raw = raw_table(results)
    nothing = Words(text="No raw prediction was measured; only networks have one.")
    blocks: tuple[Block, ...] = (raw or nothing, average_table(results))
    return Section(anchor="averages", title="Raw predictions and other averages", blocks=blocks)


def raw_table(results: Results) -> Table | None:
    """Lay out the scores of what networks predict everywhere beside those of their composites."""
    subjects = [each for each in results.subjects if (each, PREDICTION, None) in results.groups]
    if not subjects:
        return None
    columns = subject_columns(subjects)
    columns += [
        Column(
            header=f"{score.header} {picture}",
            cells=tuple(
                show_mean(score, results.group(each, picture=picture).estimates[score.name])
                for each in subjects
            ),
        )
        for score in measured(results)
        for picture in (COMPOSITE, PREDICTION)
    ]
    caption = (
        "Composite: the prediction in the hole, the input elsewhere, as in all other tables. "
        "Prediction: the network's raw output everywhere, known pixels as well; how much worse it "
        "is says how well the network copies what it was given."
    )
    return hashed_table(columns, caption, results.work_hash)


def average_table(results: Results) -> Table:
    """Lay out PSNR averaged in two ways, and the error in Table 2's unit."""
    groups = [results.group(subject) for subject in results.subjects]
    left_out = sum(group.estimates[RELATIVE_MAE.name].left_out for group in groups)
    columns = [
        *subject_columns(results.subjects),
        Column(
            header="PSNR ↑, mean of images",
            cells=tuple(show_mean(PSNR, group.estimates[PSNR.name]) for group in groups),
        ),
        Column(
            header="PSNR ↑, batch-pooled",
            cells=tuple(PSNR.show(group.batch_pooled_psnr) for group in groups),
        ),
        Column(
            header=RELATIVE_MAE.header,
            cells=tuple(
                show_mean(RELATIVE_MAE, group.estimates[RELATIVE_MAE.name]) for group in groups
            ),
        ),
    ]
    caption = (
        f"Batch-pooled is how the paper's authors average: the PSNR of the squared error of "
        f"{BATCH} consecutive items of one hole ratio together, averaged over the batches, those "
        "without any error left out. The worst images weigh most there, so that it is mostly lower "
        "than the mean of images; compare each with its like only. Relative MAE is Table 2's unit: "
        "the sum of |x - y| over the sum of x, a fraction."
    )
    if left_out:
        caption += f" It leaves out items of black ground truth, {left_out:,} in all rows together."
    return hashed_table(columns, caption, results.work_hash)
