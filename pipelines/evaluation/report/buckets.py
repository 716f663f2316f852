"""The results by hole ratio in the form of Table 5 or 6, the paper's own columns beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isnet.masks import bucket_name
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.report.cells import BY_BUCKET, hashed_table, show_mean
from pipelines.evaluation.report.charts import draw_buckets
from pipelines.evaluation.results import Results, Subject
from pipelines.reporting.document import MISSING, Block, Column, Picture, Section, Table, Words
from pipelines.reporting.figures import Score
from pipelines.reporting.published import TABLE5, TABLE6, PublishedRow

NO_MASK = "no mask"

_TABLES = {"places2": TABLE5, "celeba": TABLE6}
_FILES = {"places2": "table5.csv", "celeba": "table6.csv"}
_NOTES = {
    "places2": "In the form of Table 5. Published columns are the paper's, on 10,000 test images "
    "of Places2.",
    "celeba": "In the form of Table 6. Published columns are the paper's, on 5,000 test images of "
    "CelebA.",
}


def bucket_section(outcome: EvaluationOutcome, results: Results) -> Section:
    """Show the results by hole ratio, as a table and as a chart."""
    blocks: list[Block] = [bucket_table(outcome, results)]
    drawn = [
        subject
        for subject in results.subjects
        if any(results.group(subject, b).estimates["psnr"].count for b in results.buckets)
    ]
    if drawn:
        blocks.append(_chart(results, drawn))
    else:
        blocks.append(Words(text="There is no finite PSNR to draw by hole ratio."))
    return Section(anchor="buckets", title="Results by hole ratio", blocks=tuple(blocks))


def _chart(results: Results, drawn: Sequence[Subject]) -> Picture:
    return Picture(
        file="buckets.png",
        image=draw_buckets(results, drawn),
        title="PSNR by hole ratio",
        caption="Mean PSNR of composites, a colour a model, one-shot dashed, with bars for the "
        "95 % intervals; a little apart within a hole ratio, so that bars do not hide each other. "
        f"Work {results.work_hash}.",
    )


def bucket_table(outcome: EvaluationOutcome, results: Results) -> Table:
    """Lay out PSNR, SSIM and MAE by hole ratio; a hole ratio that nothing is in keeps its rows."""
    rows = [(bucket, score) for bucket in results.buckets for score in BY_BUCKET]
    columns = [
        Column(header="Mask ratio", cells=tuple(bucket_name(each) for each, _ in rows), text=True),
        Column(header="Score", cells=tuple(score.header for _, score in rows), text=True),
        Column(header="Items", cells=tuple(f"{results.items[each]:,}" for each, _ in rows)),
    ]
    columns += [
        Column(
            header=subject.title,
            cells=tuple(_cell(outcome, results, subject, bucket, score) for bucket, score in rows),
        )
        for subject in results.subjects
    ]
    published: Mapping[str, Sequence[PublishedRow]] = _TABLES[outcome.published]
    columns += [
        Column(
            header=model,
            cells=tuple(_published(printed, bucket, score) for bucket, score in rows),
            published=True,
        )
        for model, printed in published.items()
    ]
    caption = _caption(outcome, results)
    return hashed_table(columns, caption, results.work_hash, file=_FILES[outcome.published])


def _cell(
    outcome: EvaluationOutcome, results: Results, subject: Subject, bucket: int, score: Score
) -> str:
    if bucket in outcome.work.without_masks:
        return NO_MASK
    return show_mean(score, results.group(subject, bucket).estimates[score.name])


def _published(printed: Sequence[PublishedRow], bucket: int, score: Score) -> str:
    return printed[bucket].figures[score.name] if bucket < len(printed) else MISSING


def _caption(outcome: EvaluationOutcome, results: Results) -> str:
    """Say what the rows are, and of every kind of gap why it is there."""
    parts = [
        f"{_NOTES[outcome.published]} Ours: means on composites with 95 % intervals; the masks and "
        "the images are not the paper's."
    ]
    if outcome.work.without_masks:
        names = ", ".join(map(bucket_name, outcome.work.without_masks))
        parts.append(f"{names}: the data set has no held-out mask, hence '{NO_MASK}'.")
    empty = [
        bucket
        for bucket in results.buckets
        if not results.items[bucket] and bucket not in outcome.work.without_masks
    ]
    if empty:
        parts.append(f"{', '.join(map(bucket_name, empty))}: the work has no item there.")
    if len(results.buckets) > len(next(iter(_TABLES[outcome.published].values()))):
        parts.append("The paper prints nothing above 50%.")
    flawless = [
        f"{subject.title} at {bucket_name(bucket)}"
        for subject in results.subjects
        for bucket in results.buckets
        if (group := results.group(subject, bucket)).count and group.infinite == group.count
    ]
    if flawless:
        parts.append(f"Without any error on any item, hence no PSNR: {', '.join(flawless)}.")
    return " ".join(parts)
