"""What the endpoint adds to the bare model: one client, one picture at a time, a megapixel each.

    python -m benchmarks.serving_overhead --checkpoint runs/smoke/model

The bare model is `isnet.Inpainter` in this process, with the network arranged as the endpoint has
it, on the same decoded picture; *with files* also decodes the PNGs and encodes the answer, as any
service must. The three are measured in turn on each picture, with the endpoint up throughout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import torch
from PIL import Image

from benchmarks.endpoints import Sample, endpoint, make_samples
from benchmarks.measuring import Report, check_output, machine, median, p95
from isnet.checkpoint import load_generator
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from pipelines.cli import parse, run_main
from pipelines.codec import encode, read_mask, read_upload
from pipelines.machine import cores

_MAX_PIXELS = 50_000_000
_RATIOS = (0.1, 0.2)


@dataclass(frozen=True, kw_only=True)
class OverheadConfig:
    """What is measured."""

    checkpoint: str
    """Checkpoint to serve."""
    photos: str = "samples"
    """Folder of photographs to send."""
    size: int = 1024
    """Side of the pictures in pixels; holes of 10 to 20 %, so that one pass is enough."""
    requests: int = 24
    """Pictures that count; three more come first."""
    threads: int = field(default_factory=cores)
    """PyTorch threads, of the endpoint's replica and of the bare model."""
    output: str | None = None
    """Where to write the table: .md, or .json with every measurement."""


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    config = parse(OverheadConfig, argv, description=__doc__)
    check_output(config.output)
    report(config, measure(config)).publish(config.output)


def measure(config: OverheadConfig) -> dict[str, list[float]]:
    """Time each side on each picture: seconds by side, and what the endpoint says it spent."""
    torch.set_num_threads(config.threads)
    warm_up = 3
    samples = make_samples(
        config.photos, size=config.size, count=config.requests + warm_up, ratio_range=_RATIOS
    )
    inpaint = Inpainter(InferenceGenerator(load_generator(config.checkpoint)))
    seconds: dict[str, list[float]] = {}
    with (
        endpoint(config.checkpoint, threads=config.threads, max_batch=8) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        for index, sample in enumerate(samples):
            for name, value in _one(sample, inpaint, client).items():
                if index >= warm_up:
                    seconds.setdefault(name, []).append(value)
    return seconds


def _one(sample: Sample, inpaint: Inpainter, client: httpx.Client) -> dict[str, float]:
    """Fill one picture in each way."""
    upload = read_upload(sample.image, max_pixels=_MAX_PIXELS)
    mask = read_mask(sample.mask, max_pixels=_MAX_PIXELS)
    picture = upload.picture
    assert isinstance(picture, Image.Image)
    bare, filled = _timed(lambda: inpaint(picture, mask))
    files, _ = _timed(lambda: _with_files(sample, inpaint))
    served, answer = _timed(
        lambda: client.post("/v1/inpaint", files={"image": sample.image, "mask": sample.mask})
    )
    answer.raise_for_status()
    same = encode(upload, filled).data == answer.content
    return {
        "bare": bare,
        "files": files,
        "endpoint": served,
        "model": float(answer.headers["X-Model-Ms"]) / 1000,
        "same": float(same),
    }


def _with_files(sample: Sample, inpaint: Inpainter) -> bytes:
    upload = read_upload(sample.image, max_pixels=_MAX_PIXELS)
    assert isinstance(upload.picture, Image.Image)
    mask = read_mask(sample.mask, max_pixels=_MAX_PIXELS)
    return encode(upload, inpaint(upload.picture, mask)).data


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def report(config: OverheadConfig, seconds: dict[str, list[float]]) -> Report:
    """Lay the measurements out."""
    names = {
        "bare": "the bare model",
        "files": "the bare model, with files",
        "endpoint": "the endpoint",
    }
    rows = [
        [
            name,
            f"{median(seconds[key]) * 1000:.0f}",
            f"{p95(seconds[key]) * 1000:.0f}",
            f"{_beyond(seconds[key], seconds['bare']):+.0f}",
            f"{_beyond(seconds[key], seconds['files']):+.0f}",
        ]
        for key, name in names.items()
    ]
    equal = sum(seconds["same"])
    return Report(
        title="The endpoint over the bare model",
        machine=machine(),
        settings={name: value for name, value in asdict(config).items() if name != "output"},
        headers=[
            "",
            "ms, median",
            "p95",
            "beyond the model, ms",
            "beyond the model with files, ms",
        ],
        rows=rows,
        figures=seconds,
        notes=[
            "Differences are medians over pictures: one side less the other on the same picture.",
            f"{equal:.0f} of {len(seconds['same'])} answers are the bare model's, byte by byte.",
        ],
    )


def _beyond(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return median([(a - b) * 1000 for a, b in zip(ours, theirs, strict=True)])


if __name__ == "__main__":
    run_main(main)
