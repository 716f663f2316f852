"""`prepare.py inspect`: what a data set holds, in figures and in a picture."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from isnet.masks import SUSPICIOUS_MEAN_RATIO
from pipelines.logs import warn
from pipelines.preparation.contact_sheet import draw_contact_sheet
from pipelines.reading import read_column
from pipelines.reporting.markdown import markdown_table
from pipelines.shards import CONTACT_SHEET, REJECTED, SCHEMAS, Manifest, read_manifest
from pipelines.storage import join, open_filesystem, printable, write_atomically

_log = logging.getLogger(__name__)

_BAR = 40
"""Characters of the longest bar."""


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """Say what a prepared data set holds, and draw DATA/contact-sheet.png."""

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")]
    """Prepared data set, a folder or a URI."""


def inspect(config: InspectConfig) -> None:
    """Print the figures of a data set and draw its contact sheet.

    Raises:
        InputError: no data set, or one that is not finished, damaged or of another version.

    """
    manifest = read_manifest(config.data)
    print(
        f"{printable(config.data)}: {manifest.size}x{manifest.size} pixels, hash {manifest.hash}\n"
    )
    print(_shard_table(manifest))
    left_out = ", ".join(f"{count} {kind}" for kind, count in manifest.rejected.items())
    print(f"from {manifest.photos} photographs and {manifest.mask_files or 'generated'} masks")
    print(f"left out, as {REJECTED} says: {left_out}\n")
    for split in manifest.masks:
        ratios = np.array(read_column(config.data, manifest, "masks", "hole_ratio", split))
        print("\n".join(_histogram(split, ratios)) + "\n")
        if manifest.mask_files and ratios.mean() > SUSPICIOUS_MEAN_RATIO:
            warn(
                _log,
                f"the {split} masks are {ratios.mean():.0%} hole on average; if that is the wrong "
                "way round, prepare again with the other polarity (--mask-polarity, or "
                "--heldout-mask-polarity)",
            )
    _draw(config.data, manifest)
    print(f"contact sheet: {printable(join(config.data, CONTACT_SHEET))}")


def _shard_table(manifest: Manifest) -> str:
    """Lay out rows and sizes by kind and split."""
    rows = []
    for kind in SCHEMAS:
        for split, shards in getattr(manifest, kind).items():
            sizes = [shard.bytes / 1e6 for shard in shards] or [0.0]
            figures = (sum(sizes), min(sizes), max(sizes))
            counts = (manifest.rows(kind, split), len(shards))
            cells = [*(f"{count:,}" for count in counts), *(f"{size:,.2f}" for size in figures)]
            rows.append([f"{split} {kind}", *cells])
    return markdown_table(["", "rows", "shards", "MB", "smallest", "largest"], rows)


def _histogram(split: str, ratios: np.ndarray) -> Iterator[str]:
    """Draw how many masks have which hole ratio."""
    counts, _ = np.histogram(ratios, bins=10, range=(0, 1))
    yield f"{split} masks by hole ratio, mean {ratios.mean():.1%}"
    for bucket, count in enumerate(counts):
        bar = "#" * -(-_BAR * int(count) // max(1, int(counts.max())))
        yield f"  {bucket * 10:3d}-{bucket * 10 + 10:3d}% {bar:<{_BAR}} {count:,}"


def _draw(data: str, manifest: Manifest) -> None:
    buffer = io.BytesIO()
    draw_contact_sheet(data, manifest).save(buffer, format="PNG", optimize=True)
    filesystem, path = open_filesystem(join(data, CONTACT_SHEET))
    write_atomically(filesystem, path, buffer.getvalue())
