"""Writing an evaluation's report to the output, and handing it to MLflow."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from pipelines.cli import one_line
from pipelines.evaluation.candidates import Entrant
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.evaluation import SCORES
from pipelines.evaluation.examining import Findings
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.plan_file import PLAN
from pipelines.evaluation.recording import record
from pipelines.evaluation.report.figures import figures
from pipelines.evaluation.report.writing import FIGURE_FILES, TABLE_FILES, write_report
from pipelines.evaluation.results import Results
from pipelines.logs import warn
from pipelines.reporting.document import Picture
from pipelines.reporting.writing import HTML
from pipelines.storage import exists, join, local_copy, open_filesystem, printable, write_or_explain

_log = logging.getLogger(__name__)


def publish(
    config: EvaluateConfig,
    entrants: Sequence[Entrant],
    outcome: EvaluationOutcome,
    results: Results,
    findings: Findings,
) -> None:
    """Write the report beside the scores, in place of an older one, log both, and say where."""
    again = exists(*open_filesystem(join(config.output, HTML)))
    with tempfile.TemporaryDirectory(prefix="isnet-") as place:
        local = Path(place)
        written = write_report(outcome, results, _pictures(outcome, findings), local)
        for path in written:
            write_or_explain(join(config.output, path.name), path.read_bytes())
        if again:
            _delete_stale(config.output, {path.name for path in written})
        with local_copy(config.output, (SCORES, PLAN)) as kept:
            record(config, entrants, outcome, results, [local, kept / SCORES, kept / PLAN])
    print(f"report:   {printable(join(config.output, HTML))}")
    print(f"scores:   {printable(join(config.output, SCORES))}", flush=True)


def _delete_stale(output: str, written: Collection[str]) -> None:
    """Delete pictures and tables that an older report had and this one lacks."""
    filesystem, folder = open_filesystem(output)
    for name in (FIGURE_FILES | TABLE_FILES) - set(written):
        if not exists(filesystem, f"{folder}/{name}"):
            continue
        try:
            filesystem.delete_file(f"{folder}/{name}")
        except OSError as error:
            warn(_log, f"{name} of an older report stays: {printable(one_line(error))}")


def _pictures(outcome: EvaluationOutcome, findings: Findings) -> list[Picture]:
    pictures = figures(outcome.candidates, outcome.examples, outcome.published)
    if findings.passes is None:
        return pictures
    first = next(each for each in outcome.candidates if each.generator is not None)
    passes = Picture(
        file="passes.png",
        image=findings.passes,
        title="Every pass",
        caption=f"The composite after each pass of {first.name}; what follows an image's last "
        "pass is left empty.",
        photographic=True,
    )
    return [*pictures, passes]
