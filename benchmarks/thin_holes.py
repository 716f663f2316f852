r"""Error of one-shot prediction in holes as thin as scratches, beside Telea's method.

A network that learned from thick strokes alone fills lines of a pixel or two dark. Photographs of
`samples/`, straight lines of each width; some seconds:

    python -m benchmarks.thin_holes --checkpoint isnet-small

`error` is the mean absolute error in the hole, `too dark` what the fill is darker there than the
photograph on average, both in percent of full scale. Needs OpenCV, no Ray.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import subjects
from benchmarks.devices import device_name, find_device, use_threads, where
from benchmarks.measuring import Report
from benchmarks.options import NetworkOptions, numbers, read_options, settings
from isnet.config import InputError
from isnet.images import to_tensor
from isnet.reconstruction import reconstruct
from pipelines.evaluation.classical import telea

MODULE = "benchmarks.thin_holes"
SIZE = 256
"""Side of the photographs, in pixels."""
SPACING = 64
"""Pixels from one line to the next."""


@dataclass(frozen=True, kw_only=True)
class ThinHoleOptions(NetworkOptions):
    """The photographs and the lines."""

    images: int = 9
    """photographs that are filled"""
    widths: str = "1,2,3,5,9,17"
    """widths of the lines in pixels, separated by commas"""

    def check(self) -> None:
        """Refuse what could not be measured."""
        super().check()
        if self.images < 1:
            raise InputError(f"--images is {self.images}; give 1 or more")
        for width in self.pixels():
            if not 1 <= width < SPACING:
                raise InputError(f"--widths holds {width}; give 1 to {SPACING - 1}")

    def pixels(self) -> list[int]:
        """The widths as numbers."""
        return numbers(self.widths, int, flag="--widths")


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    config, _ = read_options(ThinHoleOptions, argv, module=MODULE, about=__doc__ or "")
    measure(config).publish(config.output or None)


def lines(width: int) -> Tensor:
    """Cross the image with horizontal and vertical lines: bool (1, 1, H, W), True = known."""
    hole = torch.zeros(SIZE, dtype=torch.bool)
    for start in range(SPACING // 2, SIZE, SPACING):
        hole[start : start + width] = True
    return ~(hole[:, None] | hole[None, :])[None, None]


@torch.no_grad()
def measure(config: ThinHoleOptions) -> Report:
    """Fill every photograph under lines of each width."""
    use_threads(config.threads)
    device = find_device(config.device)
    generator = subjects.network(config).to(device)
    truth = to_tensor(subjects.photographs(config.images, SIZE))
    figures = {
        f"{width} px": _at_width(generator, truth, lines(width), device)
        for width in config.pixels()
    }
    return Report(
        title="Holes as thin as scratches",
        machine=where(device),
        settings=settings(
            config, device=device_name(device), left_out=("output", "design", "widths")
        ),
        headers=["width", "error, %", "Telea's error, %", "too dark, %", "Telea's too dark, %"],
        rows=[_row(width, found) for width, found in figures.items()],
        figures=figures,
    )


def _at_width(
    generator: nn.Module, truth: Tensor, valid: Tensor, device: torch.device
) -> dict[str, float]:
    """Mean absolute error and darkness in the hole, of the network and of Telea's method."""
    predict = partial(reconstruct, generator, max_passes=1)
    valid = valid.expand(len(truth), 1, SIZE, SIZE)
    fills = {
        "network": predict(truth.to(device), valid.to(device)).image.cpu(),
        "telea": telea(truth, valid).image,
    }
    found = {}
    for name, filled in fills.items():
        difference = (truth - filled).movedim(1, -1)[~valid[:, 0]]
        found[f"{name}_error"] = difference.abs().mean().item()
        found[f"{name}_dark"] = difference.mean().item()
    return found


def _row(width: str, found: dict[str, float]) -> list[str]:
    names = ("network_error", "telea_error", "network_dark", "telea_dark")
    return [width, *(f"{100 * found[name]:.1f}" for name in names)]


if __name__ == "__main__":
    main(sys.argv[1:])
