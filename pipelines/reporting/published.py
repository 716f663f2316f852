"""The figures that the paper prints for the models that campaigns train again, digit by digit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One row of a table of the paper."""

    label: str
    """What its first column says; rows of weights, which have none, are numbered."""
    figures: Mapping[str, str]
    """As printed, by the name of the score."""


def _weights_table(table: str, error: str, *rows: tuple[str, str]) -> dict[str, PublishedRow]:
    """Number the rows of a table of loss weights (isnet.config.LOSS_PRESETS has the weights)."""
    return {
        f"{table}-row{number}": PublishedRow(
            label=f"row {number}", figures={"psnr": psnr, error: value}
        )
        for number, (psnr, value) in enumerate(rows, start=1)
    }


def _network(label: str, psnr: str, ssim: str, mae: str, parameters: str) -> PublishedRow:
    """One row of Tables 7 and 8, in the order of their columns."""
    figures = {"psnr": psnr, "ssim": ssim, "mae": mae, "parameters": parameters}
    return PublishedRow(label=label, figures=figures)


PUBLISHED: Mapping[str, PublishedRow] = {
    **_weights_table(
        "table1", "mae",
        ("24.06", "4.445"), ("23.68", "4.583"), ("22.65", "5.265"), ("23.13", "5.269"),
        ("23.60", "4.937"), ("23.45", "4.880"), ("23.88", "4.501"), ("21.99", "5.673"),
        ("22.92", "5.290"), ("23.01", "4.974"),
    ),
    **_weights_table(
        "table2", "relative_mae",
        ("24.04", "0.109"), ("24.14", "0.102"), ("24.45", "0.101"), ("24.28", "0.113"),
        ("24.30", "0.105"), ("24.06", "0.108"), ("24.31", "0.101"),
    ),
    "table7-base": _network("Base Model", "27.91", "0.880", "2.12", "15.75M"),
    "table7-base_ff": _network("Base Model+FF", "28.28", "0.886", "2.06", "13.93M"),
    "table7-isnet": _network("ISNet", "28.53", "0.885", "1.91", "23.63M"),
    "table7-unet_like": _network("UNet-like Model", "25.99", "0.851", "2.51", "23.27M"),
    "table8-1": _network("1", "28.02", "0.884", "2.05", "18.99M"),
    "table8-2": _network("2", "28.47", "0.884", "1.97", "20.53M"),
    "table8-3": _network("3", "28.47", "0.884", "1.97", "22.08M"),
    "table8-4": _network("4", "28.53", "0.885", "1.91", "23.63M"),
}  # fmt: skip
"""By key. Table 1's MAE is in %; Table 2's is the relative one, a fraction; a million is 2^20."""

FIGURE5: Mapping[str, str] = {
    "table1-row4": "High L_perc",
    "table1-row2": "High L_style",
    "table1-row1": "High L_l1",
    "table1-row8": "High L_style L_D",
}
"""The rows of Table 1 that the paper's Figure 5 shows, and its headings, in its order."""
