"""The head of an evaluation's report: who did best, how sure that is, what it stands on."""

from __future__ import annotations

from isnet.masks import bucket_name
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.report.cells import (
    PASSES,
    hashed_table,
    measured,
    show_mean,
    subject_columns,
)
from pipelines.evaluation.results import Results
from pipelines.evaluation.statistics import FEW_PHOTOGRAPHS, MANY_PHOTOGRAPHS, RESAMPLES
from pipelines.reporting.document import MISSING, Block, Column, Section, Table, Words
from pipelines.reporting.figures import facts_table
from pipelines.storage import printable


def overview(outcome: EvaluationOutcome, results: Results) -> Section:
    """Say in a few lines how the candidates stand and how far the figures can be trusted."""
    blocks: list[Block] = [Words(text=_standing(outcome, results), tone="lead")]
    blocks += [
        Words(text=text, tone="warning") for text in (*_warnings(results), *outcome.warnings)
    ]
    blocks += [
        summary_table(results),
        Words(text=_HOW_SURE),
        _candidate_table(outcome, results),
        facts_table(
            _facts(outcome, results),
            f"What every figure of this report stands on. Work {results.work_hash}.",
        ),
    ]
    return Section(anchor="overview", title="Overview", blocks=tuple(blocks))


_HOW_SURE = (
    f"How sure: in brackets stands the 95 % interval of a mean, from {RESAMPLES:,} bootstrap "
    "samples. Whole photographs are drawn, with all their crops and masks, because crops of one "
    f"photograph are not independent. Of {MANY_PHOTOGRAPHS} photographs or more it goes from the "
    "2.5th to the 97.5th percentile of the samples' means. Of fewer these lie too close together: "
    "there it is the mean plus and minus the samples' standard error times the quantile of "
    "Student's t with one degree of freedom less than there are photographs; so it may reach past "
    "the values that a score can have. An interval says how much a mean would move with other "
    "photographs like these; it knows nothing of other data, other masks or another training. "
    "Whether one model beats another is said by the paired differences, not by whether two "
    "intervals overlap."
)

_NORMAL = "lean on the assumption that photographs' means are about normally distributed"


def _standing(outcome: EvaluationOutcome, results: Results) -> str:
    photographs = _count(results.photographs[None], "photograph")
    return (
        f"{_count(len(outcome.candidates), 'candidate')} on {_count(results.items[None], 'item')} "
        f"from {photographs} of the {outcome.work.split} split. "
        f"{_winner(results)}"
    )


def _winner(results: Results) -> str:
    """Name the best of those whose means are over the same items: all of them."""
    found = [(each.title, results.group(each).estimates["psnr"]) for each in results.subjects]
    if all(psnr.mean is None for _, psnr in found):
        return "No candidate has a mean PSNR."
    ranked = [
        (psnr.mean, title)
        for title, psnr in found
        if psnr.mean is not None and psnr.count == results.items[None]
    ]
    if not ranked:
        return (
            "No winner is named: no candidate has a finite PSNR on every item, so that their means "
            "may be over different items. Go by the differences, which compare what two have."
        )
    mean, best = max(ranked, key=lambda pair: pair[0])
    text = f"Best mean PSNR on composites: {best}, {mean:.2f} dB."
    others = [title for title, psnr in found if psnr.count < results.items[None]]
    if others:
        text += f" Not ranked, without a finite PSNR on every item: {', '.join(others)}."
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _warnings(results: Results) -> list[str]:
    """Say what keeps figures from being trusted."""
    warnings = [_rough(results)] if _rough(results) else []
    for subject in results.subjects:
        group = results.group(subject)
        if not group.count:
            failed = f"all {_count(group.failed, 'item')} failed" if group.failed else "nothing ran"
            warnings.append(f"{subject.title} has no scores: {failed}.")
        elif group.failed:
            warnings.append(
                f"{subject.title} failed on {_count(group.failed, 'item')}; its means are over the "
                f"other {group.count:,}. The differences compare what both have."
            )
    return warnings


def _rough(results: Results) -> str:
    """Warn of intervals that few photographs stand behind."""
    total = results.photographs[None]
    if total < FEW_PHOTOGRAPHS:
        return (
            f"Only {_count(total, 'photograph')}: the intervals are wide, and {_NORMAL}; of "
            f"a single one there is none. Use at least {FEW_PHOTOGRAPHS}, better hundreds."
        )
    few = [
        f"{bucket_name(bucket)} ({results.photographs[bucket]})"
        for bucket in results.buckets
        if 0 < results.photographs[bucket] < FEW_PHOTOGRAPHS
    ]
    if not few:
        return ""
    return (
        f"Fewer than {FEW_PHOTOGRAPHS} photographs by hole ratio: {', '.join(few)}; the intervals "
        f"there are wide, and {_NORMAL}."
    )


def summary_table(results: Results) -> Table:
    """Lay out the means of all items on composites, a row a subject."""
    groups = [results.group(subject) for subject in results.subjects]
    columns = subject_columns(results.subjects)
    columns += [
        Column(
            header=score.header,
            cells=tuple(show_mean(score, group.estimates[score.name]) for group in groups),
        )
        for score in measured(results)
    ]
    columns += [
        Column(
            header=PASSES.header,
            cells=tuple(PASSES.show(group.estimates[PASSES.name].mean) for group in groups),
        ),
        Column(header="items", cells=tuple(f"{group.count:,}" for group in groups)),
        Column(header="failed", cells=tuple(f"{group.failed:,}" for group in groups)),
        Column(header="infinite", cells=tuple(f"{group.infinite:,}" for group in groups)),
    ]
    caption = (
        "Means over the items that have scores, on composites rounded to 8 bits, with 95 % "
        "intervals; passes are the mean. Failed items are in no mean. Infinite counts the items "
        "without any error: their PSNR is in no mean of PSNR, their other scores are."
    )
    return hashed_table(columns, caption, results.work_hash)


def _candidate_table(outcome: EvaluationOutcome, results: Results) -> Table:
    candidates = outcome.candidates
    trained = [
        "; ".join(f"{name} {value}" for name, value in each.facts.items()) or MISSING
        for each in candidates
    ]
    columns = (
        Column(header="Candidate", cells=tuple(each.name for each in candidates), text=True),
        Column(
            header="Where", cells=tuple(printable(each.location) for each in candidates), text=True
        ),
        Column(
            header="Fingerprint", cells=tuple(each.fingerprint for each in candidates), text=True
        ),
        Column(header="What is known of it", cells=tuple(trained), text=True),
    )
    caption = f"The candidates; differences are to {results.reference.title}."
    return hashed_table(columns, caption, results.work_hash)


def _facts(outcome: EvaluationOutcome, results: Results) -> dict[str, str]:
    return {
        **outcome.facts,
        "items": f"{results.items[None]:,}, from {_count(results.photographs[None], 'photograph')}",
        "split": outcome.work.split,
        "hash of the data": outcome.work.data_hash[:12],
        "hash of the work": results.work_hash,
    }
