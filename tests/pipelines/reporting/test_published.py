"""The paper's figures, cell by cell."""

from __future__ import annotations

import pytest

from pipelines.reporting.published import LATENCY, TABLE5, TABLE6


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TABLE5, "31.95/.962/.60 | 27.49/.918/1.30 | 24.55/.865/2.19 | 21.92/.796/3.54"),
        (TABLE6, "38.95/.984/.26 | 33.39/.963/.63 | 29.75/.934/1.12 | 26.15/.888/2.04"),
    ],
)
def test_the_papers_main_proposal_is_as_printed(table, expected):
    rows = [tuple(row.figures.values()) for row in table["ISNet(Eq.(5))+PRA"]]
    printed = " | ".join("/".join(cell.removeprefix("0") for cell in row) for row in rows)
    assert printed == expected


def test_cells_of_other_columns_are_as_printed():
    assert dict(TABLE5["PConv"][1].figures) == {"psnr": "24.9", "ssim": "0.777", "mae": "1.98"}
    assert dict(TABLE5["WaveFil"][3].figures) == {"psnr": "21.29", "ssim": "0.763", "mae": "3.83"}
    assert dict(TABLE5["GLCIC"][2].figures) == {"psnr": "18.5", "ssim": "0.686", "mae": "6.78"}
    assert dict(TABLE6["ISNet(Eq.(4))"][2].figures)["mae"] == "1.3"
    assert [row.label for row in TABLE6["CA"]] == ["10-20%", "20-30%", "30-40%", "40-50%"]


def test_every_column_of_the_papers_tables_is_there():
    assert (len(TABLE5), len(TABLE6)) == (11, 5)
    assert dict(LATENCY) == {"one-shot": "52.69", "PRA": "85.46"}
