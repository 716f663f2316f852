"""Holes as thin as scratches: lines as wide as asked, errors of a network beside Telea's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.thin_holes import SIZE, ThinHoleOptions, lines, main, measure
from isnet.shipped import SMALL


@pytest.mark.parametrize("width", [1, 17])
def test_lines_are_as_wide_as_asked(width: int) -> None:
    missing = ~lines(width)[0, 0]
    assert missing.shape == (SIZE, SIZE)
    assert missing[0].sum() == missing[:, 0].sum() == 4 * width


def test_a_network_that_knows_nothing_is_worse_than_telea(tmp_path: Path) -> None:
    output = tmp_path / "thin.json"
    argv = ["--channels", "4", "--blocks", "1", "--images", "2", "--widths", "2,9"]
    main([*argv, "--output", str(output)])
    report = json.loads(output.read_text())
    assert [row[0] for row in report["rows"]] == ["2 px", "9 px"]
    for found in report["figures"].values():
        assert 0 < found["telea_error"] < found["network_error"] < 1
        assert abs(found["network_dark"]) <= found["network_error"]


def test_the_shipped_weights_fill_three_pixels_about_as_bright_as_they_were() -> None:
    options = ThinHoleOptions(checkpoint=SMALL, images=3, widths="3,5")
    for found in measure(options).figures.values():
        assert abs(found["network_dark"]) < 0.03
        assert found["network_error"] < 2 * found["telea_error"]


@pytest.mark.parametrize("widths", ["0", "64", "thin"])
def test_widths_that_are_none_are_refused(widths: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--widths", widths])
    assert "--widths" in capsys.readouterr().err
