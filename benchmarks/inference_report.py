"""What `benchmarks.inference` says of its measurements: speed, memory, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.devices import find_device, where
from benchmarks.inference_paths import PATHS, WINDOWS_AGAINST, obstacle
from benchmarks.measuring import Report, median, paired_ratio
from benchmarks.options import settings
from benchmarks.processes import Rounds, failures
from isnet.metrics import psnr, round_to_8_bits

if TYPE_CHECKING:
    from benchmarks.inference import InferenceOptions

HEADERS = [
    "",
    "images/s",
    "ms an image",
    "x plain",
    "PSNR, dB",
    "to plain, dB",
    "to plain, levels",
    "to full passes",
    "peak MiB",
    "first image, s",
]


def report(
    config: InferenceOptions,
    rounds: Rounds,
    filled: Mapping[str, np.ndarray],
    truth: np.ndarray,
) -> Report:
    """Lay the measurements out.

    Args:
        config: the options.
        rounds: what `time_path` returned, by path and round.
        filled: the images that each path filled, float32 (N, 3, H, W).
        truth: the images before, uint8 (N, H, W, 3).

    """
    found = rounds.found
    errors = {name: compare(name, filled, truth) for name in found}
    device = found["plain"][0]["device"]
    return Report(
        title="Filling images",
        machine=where(find_device(config.device)),
        settings=settings(config, device=device, left_out=("output", "paths")),
        headers=HEADERS,
        rows=[_row(config, name, found, errors[name]) for name in found],
        figures={"times": dict(found), "errors": errors, "failed": dict(rounds.failed)},
        notes=[*_notes(config, found), *failures(rounds.failed)],
    )


def compare(name: str, filled: Mapping[str, np.ndarray], truth: np.ndarray) -> dict[str, Any]:
    """Hold a path's images against the truth, against plain's, and against full passes.

    Returns:
        `psnr` in dB and `psnr_change` to plain's, means over the images as 8-bit files have them;
        `levels`, by how many of 256 a pixel differs from plain's at most; for windows `window`,
        the same against full passes where there are any, as float in [0, 1] and `window_levels`.

    """
    wanted = torch.from_numpy(np.moveaxis(truth, -1, 1)) / 255
    values = {one: _psnr(filled[one], wanted) for one in (name, "plain")}
    result = {
        "psnr": values[name],
        "psnr_change": values[name] - values["plain"],
        "levels": _levels(filled[name], filled["plain"]),
    }
    if PATHS[name].windows and WINDOWS_AGAINST in filled:
        full = filled[WINDOWS_AGAINST]
        result["window"] = float(np.abs(filled[name] - full).max())
        result["window_levels"] = _levels(filled[name], full)
        result["window_psnr_change"] = values[name] - _psnr(full, wanted)
    return result


def _psnr(image: np.ndarray, wanted: torch.Tensor) -> float:
    return float(psnr(round_to_8_bits(torch.from_numpy(image)), wanted).mean())


def _levels(one: np.ndarray, other: np.ndarray) -> int:
    a, b = (np.rint(image.clip(0, 1) * 255).astype(np.int16) for image in (one, other))
    return int(np.abs(a - b).max())


def _row(
    config: InferenceOptions,
    name: str,
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    errors: Mapping[str, Any],
) -> list[str]:
    times = {one: [sum(run["seconds"]) for run in found[one]] for one in (name, "plain")}
    an_image = median(times[name]) / config.images
    return [
        name,
        f"{1 / an_image:.3g}",
        f"{1000 * an_image:,.{0 if an_image >= 0.1 else 2}f}",
        f"{paired_ratio(times['plain'], times[name]):.2f}",
        f"{errors['psnr']:.2f}",
        f"{errors['psnr_change']:+.3f}",
        str(errors["levels"]),
        _window(errors),
        f"{median([run['peak_bytes'] for run in found[name]]) / 2**20:,.0f}",
        f"{median([run['first_s'] for run in found[name]]):.1f}",
    ]


def _window(errors: Mapping[str, Any]) -> str:
    """Say how far windows are from full passes."""
    if "window" not in errors:
        return "-"
    if errors["window"] == 0:
        return "bit-identical"
    change = f"{errors['window_psnr_change']:+.3f} dB"
    return f"{errors['window']:.1e}, {errors['window_levels']} levels, {change}"


def _notes(config: InferenceOptions, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    device = find_device(config.device)
    made = sum(found["plain"][0]["passes"]) / config.images
    notes = [
        f"Plain fills one image at a time, in {made:.1f} passes on average. Times plain is the "
        "median of the rounds' ratios. PSNR is of the filled images against the photographs, as "
        "8-bit files; levels are the largest difference of 256. The first image's seconds begin "
        "with the checkpoint; exporting and compiling fall into them."
    ]
    if not config.checkpoint:
        notes.append(
            "The network is new: its PSNR says what arithmetic changes, not how well it fills."
        )
    if WINDOWS_AGAINST in found and any(PATHS[name].windows for name in found):
        notes.append(
            f"To full passes: the largest difference to {WINDOWS_AGAINST} of colours in [0, 1], "
            "in levels of 256, and in PSNR."
        )
    if device.type == "cuda":
        notes.append("fp32 is PyTorch's default: convolutions round their factors to TF32.")
    barred = {name: obstacle(path, device) for name, path in PATHS.items()}
    if not config.paths and (out := [f"{n} ({why})" for n, why in barred.items() if why]):
        notes.append(f"Left out: {'; '.join(out)}.")
    return notes
