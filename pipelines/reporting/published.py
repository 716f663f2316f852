"""The figures that the paper prints, digit by digit, for reports to set beside ours."""

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


_MASK_RATIOS = ("10-20%", "20-30%", "30-40%", "40-50%")


def _by_bucket(models: str, *lines: str) -> dict[str, tuple[PublishedRow, ...]]:
    """Read a table by mask ratio: models to the right; PSNR, SSIM, MAE downwards, by bucket."""
    table: dict[str, tuple[PublishedRow, ...]] = {}
    columns = zip(*(line.split() for line in lines), strict=True)
    for model, cells in zip(models.split(), columns, strict=True):
        triples = zip(cells[::3], cells[1::3], cells[2::3], strict=True)
        table[model] = tuple(
            PublishedRow(label=label, figures={"psnr": psnr, "ssim": ssim, "mae": mae})
            for label, (psnr, ssim, mae) in zip(_MASK_RATIOS, triples, strict=True)
        )
    return table


TABLE5 = _by_bucket(
    "CA GLCIC PConv EdgeConnect MED RFR WaveFil CTSDG ISNet(Eq.(4)) ISNet(Eq.(5)) "
    "ISNet(Eq.(5))+PRA",
    "24.36 23.49 28.02 27.95 28.48 27.75 28.93 30.02 31.41 31.95 31.95",
    "0.893 0.862 0.869 0.920 0.934 0.929 0.948 0.950 0.960 0.962 0.962",
    "2.05  2.66  1.14  1.31  1.22  1.27  1.19  1.12  0.63  0.60  0.60",
    "21.19 20.45 24.9  24.92 25.26 25.12 26.28 26.67 26.88 27.51 27.49",
    "0.815 0.771 0.777 0.861 0.902 0.878 0.907 0.911 0.912 0.918 0.918",
    "3.52  4.7   1.98  2.26  2.12  2.19  2.01  1.88  1.38  1.30  1.30",
    "19.13 18.5  22.45 22.84 23.15 23.13 23.67 23.77 23.90 24.59 24.55",
    "0.739 0.686 0.685 0.799 0.803 0.809 0.837 0.853 0.854 0.864 0.865",
    "5.07  6.78  3.02  3.25  3.13  3.11  2.65  2.42  2.34  2.18  2.19",
    "17.75 17.17 20.86 21.16 21.17 21.22 21.29 21.31 21.34 22.01 21.92",
    "0.662 0.603 0.589 0.731 0.749 0.750 0.763 0.775 0.778 0.794 0.796",
    "6.62  8.85  4.11  4.39  3.97  3.89  3.83  3.75  3.74  3.49  3.54",
)
"""Places2, 10,000 test images: by model, a row for each of the four mask ratios; MAE in %."""

TABLE6 = _by_bucket(
    "CA GLCIC EdgeConnect ISNet(Eq.(4)) ISNet(Eq.(5))+PRA",
    "25.32 24.09 33.51 37.31 38.95",
    "0.888 0.865 0.961 0.980 0.984",
    "2.48  2.53  0.76  0.33  0.26",
    "22.09 20.71 30.02 32.13 33.39",
    "0.819 0.773 0.928 0.954 0.963",
    "3.98  4.67  1.38  0.75  0.63",
    "19.94 18.50 27.39 28.69 29.75",
    "0.750 0.689 0.890 0.921 0.934",
    "5.64  6.95  2.13  1.3   1.12",
    "18.41 17.09 25.28 25.37 26.15",
    "0.678 0.609 0.846 0.869 0.888",
    "7.35  9.18  3.03  2.26  2.04",
)
"""CelebA, 5,000 test images, like `TABLE5`; what Table 6 calls L1(%) in its last row is MAE."""

LATENCY: Mapping[str, str] = {"one-shot": "52.69", "PRA": "85.46"}
"""Table 3, by method: milliseconds an image of ISNet on one 1080 Ti."""
