"""Networks in the form of Tables 7 and 8: designs, and numbers of residual blocks.

Table 8 is about ISNet alone, and its last row, 4 blocks, is ISNet's row in Table 7. So Table 7
lists every network, but for an ISNet of fewer blocks; and Table 8, which would only repeat it,
appears where there is one of those, and lists every ISNet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isnet.config import GeneratorConfig
from pipelines.evaluation.outcome import Candidate, EvaluationOutcome
from pipelines.evaluation.report.cells import hashed_table, measured
from pipelines.evaluation.results import Results, Subject
from pipelines.evaluation.rows import ONE_SHOT, PRA
from pipelines.reporting.document import MISSING, Column, Section, Table, Words
from pipelines.reporting.figures import Score, show_parameters
from pipelines.reporting.published import PUBLISHED, PublishedRow

_BLOCKS = 4
"""Of every network of Table 7."""
_CHANNELS = 32
"""Of the paper's networks."""

_Network = tuple[Candidate, GeneratorConfig]


def networks(outcome: EvaluationOutcome, results: Results) -> Section:
    """Show the networks' sizes and scores."""
    tables = network_tables(outcome, results)
    blocks = tables or (Words(text="There is no network among the candidates."),)
    return Section(anchor="networks", title="Designs and blocks", blocks=tuple(blocks))


def network_tables(outcome: EvaluationOutcome, results: Results) -> tuple[Table, ...]:
    """Lay out Table 7 and Table 8, each where a network belongs into it."""
    built = [(each, each.generator) for each in outcome.candidates if each.generator is not None]
    isnets = [network for network in built if network[1].design == "isnet"]
    fewer = [network for network in isnets if network[1].blocks != _BLOCKS]
    designs = [network for network in built if network not in fewer]
    tables = []
    if designs:
        tables.append(_table(results, designs, 7, _table7_row))
    if fewer:
        tables.append(_table(results, isnets, 8, _table8_row))
    return tuple(tables)


def _table7_row(config: GeneratorConfig) -> PublishedRow | None:
    key = f"table7-{config.design}"
    return PUBLISHED[key] if config.blocks == _BLOCKS and config.channels == _CHANNELS else None


def _table8_row(config: GeneratorConfig) -> PublishedRow | None:
    return PUBLISHED[f"table8-{config.blocks}"] if config.channels == _CHANNELS else None


def _table(
    results: Results,
    shown: Sequence[_Network],
    number: int,
    find: Callable[[GeneratorConfig], PublishedRow | None],
) -> Table:
    rows = [find(config) for _, config in shown]
    sizes = [
        MISSING if each.parameters is None else show_parameters(each.parameters)
        for each, _ in shown
    ]
    columns = [
        Column(header="Model", cells=tuple(each.name for each, _ in shown), text=True),
        Column(header="Design", cells=tuple(config.design for _, config in shown), text=True),
        Column(header="Blocks", cells=tuple(str(config.blocks) for _, config in shown)),
        Column(header="Channels", cells=tuple(str(config.channels) for _, config in shown)),
        Column(header="Parameters", cells=tuple(sizes)),
        *_published("Parameters", "parameters", rows),
    ]
    for score in measured(results):
        columns += _score_columns(results, shown, score)
        columns += _published(score.header, score.name, rows)
    caption = (
        f"In the form of Table {number}; an M of parameters is 2^20. Means over all items, "
        "on composites; their intervals are in the overview."
    )
    if any(rows):
        caption += " Published columns are the paper's figures, of its own data and training."
    return hashed_table(columns, caption, results.work_hash, file=f"table{number}.csv")


def _score_columns(results: Results, shown: Sequence[_Network], score: Score) -> list[Column]:
    return [
        Column(
            header=f"{score.header} {method}",
            cells=tuple(
                score.show(
                    results.group(Subject(model=each.name, method=method))
                    .estimates[score.name]
                    .mean
                )
                for each, _ in shown
            ),
        )
        for method in (PRA, ONE_SHOT)
    ]


def _published(header: str, name: str, rows: Sequence[PublishedRow | None]) -> list[Column]:
    """Make the paper's column where it prints any figure of these rows."""
    figures = [row.figures if row else {} for row in rows]
    if not any(name in printed for printed in figures):
        return []
    cells = tuple(printed.get(name, MISSING) for printed in figures)
    return [Column(header=header, cells=cells, published=True)]
