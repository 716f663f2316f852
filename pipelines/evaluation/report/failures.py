"""The items that have an error in place of scores."""

from __future__ import annotations

import pandas as pd

from pipelines.evaluation.report.cells import hashed_table
from pipelines.reporting.document import Column, Section, Words
from pipelines.reporting.figures import one_line

SHOWN = 20
_LONGEST = 300
"""Characters of an error that the table shows; the table of all rows has all of it."""
_COLUMNS = {"model": "Model", "item": "Item", "image": "Image", "mask": "Mask", "error": "Error"}


def failures(scores: pd.DataFrame, work_hash: str) -> Section:
    """List the first failures, each item once a model and error."""
    failed = scores.loc[scores["error"].notna(), list(_COLUMNS)].drop_duplicates()
    if failed.empty:
        nothing = Words(text="Every item has its scores.")
        return Section(anchor="failures", title="Failures", blocks=(nothing,))
    shown = failed.head(SHOWN)
    columns = [
        Column(
            header=header,
            cells=tuple(one_line(str(value), _LONGEST) for value in shown[name]),
            text=name != "item",
        )
        for name, header in _COLUMNS.items()
    ]
    caption = f"Items without scores, {len(failed):,} by model, item and error."
    if len(failed) > len(shown):
        caption = caption[:-1] + f"; the first {SHOWN} are shown."
    table = hashed_table(columns, caption, work_hash)
    return Section(anchor="failures", title="Failures", blocks=(table,))
