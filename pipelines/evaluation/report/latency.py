"""How long networks take, in the form of Table 3, and how many passes PRA took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipelines.evaluation.outcome import ENOUGH_BATCHES, EvaluationOutcome, Timing
from pipelines.evaluation.report.cells import hashed_table
from pipelines.evaluation.report.charts import draw_passes_taken
from pipelines.evaluation.rows import COMPOSITE, PRA
from pipelines.reporting.document import MISSING, Block, Column, Picture, Section, Table, Words
from pipelines.reporting.published import LATENCY

_Row = TypeVar("_Row")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds an image, over the timed batches; None where there was none."""

    median: float | None
    p95: float | None
    """None as well of fewer than `ENOUGH_BATCHES`."""
    images_per_second: float | None
    published: str | None
    """The paper's, of one image at a time."""


def latency_of(timing: Timing) -> Latency:
    """Sum up what was timed."""
    published = LATENCY.get(timing.method) if timing.batch_size == 1 else None
    if not timing.milliseconds:
        return Latency(median=None, p95=None, images_per_second=None, published=published)
    median, p95 = np.percentile(timing.milliseconds, (50, 95))
    enough = len(timing.milliseconds) >= ENOUGH_BATCHES
    return Latency(
        median=float(median),
        p95=float(p95) if enough else None,
        images_per_second=1000 / float(np.mean(timing.milliseconds)),
        published=published,
    )


def latency_section(outcome: EvaluationOutcome, work_hash: str) -> Section:
    """Show latency and passes, as far as they were measured."""
    blocks: list[Block] = []
    if outcome.timings:
        blocks.append(latency_table(outcome, work_hash))
    else:
        blocks.append(Words(text="No latency was measured."))
    counts = passes_taken(outcome)
    if counts:
        blocks += [passes_table(counts, work_hash), _chart(counts, work_hash)]
    else:
        blocks.append(Words(text="Nothing was filled by progressive reconstruction."))
    return Section(anchor="latency", title="Latency and passes", blocks=tuple(blocks))


def latency_table(outcome: EvaluationOutcome, work_hash: str) -> Table:
    """Lay out milliseconds an image by model, method and batch size."""
    timings = outcome.timings
    latencies = [latency_of(timing) for timing in timings]
    columns = [
        _words("Model", [timing.model for timing in timings]),
        _words("Method", [timing.method for timing in timings]),
        _figures("Batch", timings, lambda timing: timing.batch_size, 0),
        _figures("batches", timings, lambda timing: len(timing.milliseconds), 0),
        _figures("ms an image, median", latencies, lambda latency: latency.median, 2),
        _figures("95th percentile", latencies, lambda latency: latency.p95, 2),
    ]
    published = tuple(latency.published or MISSING for latency in latencies)
    if set(published) != {MISSING}:
        columns.append(Column(header="ms an image", cells=published, published=True))
    columns += [
        _figures("warm-up", timings, lambda timing: timing.warm_up, 2),
        _figures("images/s", latencies, lambda latency: latency.images_per_second, 1),
        _words("Size", [f"{timing.size}x{timing.size}" for timing in timings]),
        _words("Device, precision", [f"{each.device}, {each.precision}" for each in timings]),
    ]
    caption = (
        "Prediction only, without loading, decoding or scoring, in milliseconds an image. "
        "Batches is how many were timed; 95 % of them took no longer than the 95th percentile, "
        f"which is not given of fewer than {ENOUGH_BATCHES}. Before the others the first batch is "
        "run once more, as the warm-up; that run is in none of the other figures. Published "
        "is Table 3: ISNet, images of 256x256 one by one on a 1080 Ti."
    )
    return hashed_table(columns, caption, work_hash, file="table3.csv")


def _words(header: str, cells: Sequence[str]) -> Column:
    return Column(header=header, cells=tuple(cells), text=True)


def _figures(
    header: str, rows: Sequence[_Row], take: Callable[[_Row], float | None], digits: int
) -> Column:
    values = map(take, rows)
    cells = tuple(MISSING if value is None else f"{value:,.{digits}f}" for value in values)
    return Column(header=header, cells=cells)


def passes_taken(outcome: EvaluationOutcome) -> dict[str, Counter[int]]:
    """Count items by the passes that PRA took, for every model that has any."""
    rows = outcome.scores
    chosen = rows[(rows["method"] == PRA) & (rows["picture"] == COMPOSITE) & rows["error"].isna()]
    taken = {
        candidate.name: Counter(
            chosen.loc[chosen["model"] == candidate.name, "passes"].astype(int).tolist()
        )
        for candidate in outcome.candidates
    }
    return {name: counts for name, counts in taken.items() if counts}


def passes_table(counts: Mapping[str, Mapping[int, int]], work_hash: str) -> Table:
    """Lay out how many items took how many passes."""
    passes = sorted({number for taken in counts.values() for number in taken})
    columns = [Column(header="Passes", cells=tuple(map(str, passes)))]
    columns += [
        Column(header=model, cells=tuple(f"{taken.get(number, 0):,}" for number in passes))
        for model, taken in counts.items()
    ]
    caption = "Items by the passes that progressive reconstruction took."
    return hashed_table(columns, caption, work_hash, file="passes.csv")


def _chart(counts: Mapping[str, Mapping[int, int]], work_hash: str) -> Picture:
    return Picture(
        file="passes-histogram.png",
        image=draw_passes_taken(counts),
        title="Passes of progressive reconstruction",
        caption="The table above as bars. Each pass is one more prediction, so that latency grows "
        f"with it; the passes follow from the mask, not from the model. Work {work_hash}.",
    )
