"""What a file says beside its pixels, and how its pixels were stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.TiffImagePlugin import TiffImageFile

from pipelines.coding.containers import is_lossless_webp, kept_of_jpeg, kept_of_png
from pipelines.coding.orientation import orientation_of
from pipelines.coding.tiff import options_of, plain_exif

_EXIF = b"Exif\0\0"
"""Start of a block, which WebP may leave out."""

_JPEG_EXIF = 65_533
_JPEG_XMP = 65_504
"""Bytes that one segment of a JPEG holds."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What is needed to write a picture back as it came."""

    orientation: int = 1
    """EXIF orientation, 1 to 8."""

    icc_profile: bytes | None = None
    """Colour profile."""

    exif: bytes = b""
    """EXIF block, orientation included; perhaps damaged, but from a TIFF."""

    xmp: bytes = b""
    """XMP packet."""

    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down."""

    native: bytes = b""
    """All of the above and more in the format's own parts, of a PNG or JPEG."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """How the pixels were stored, as options for the format's writer."""

    def portable(self, form: str, mode: str) -> dict[str, Any]:
        """Choose options, by Pillow's names, for a file of another format than it came in.

        Args:
            form: format to write.
            mode: PIL mode to write.

        """
        said = {"icc_profile": self.icc_profile, "exif": self.exif, "xmp": self.xmp}
        if form == "JPEG" and len(self.exif) > _JPEG_EXIF:
            said["exif"] = b""
        if form == "JPEG" and len(self.xmp) > _JPEG_XMP:
            said["xmp"] = b""
        if form == "TIFF" or (self.orientation != 1 and not said["exif"]):
            said["exif"] = plain_exif(_loaded(said["exif"] or b""), self.orientation)
        if form == "WEBP" and mode in ("1", "L", "LA") and self.icc_profile:
            # It becomes RGB, for which a profile of grey says nothing.
            said["icc_profile"] = None if self.icc_profile[16:20] == b"GRAY" else self.icc_profile
        options: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.dpi and form != "WEBP":
            options["dpi"] = self.dpi
        return options


def _loaded(exif: bytes) -> Image.Exif:
    loaded = Image.Exif()
    try:
        loaded.load(exif)
    except Exception:  # noqa: BLE001 (damaged EXIF raises nearly anything)
        return Image.Exif()
    return loaded


def read_metadata(picture: Image.Image, data: bytes) -> Metadata:
    """Read what a file says.

    Args:
        picture: as it was opened from `data`; already loaded, because PNG may say it behind the
            pixels, but for TIFF, whose orientation loading removes.
        data: the file's bytes.

    """
    orientation = orientation_of(picture)
    icc_profile, exif, xmp = (picture.info.get(key) for key in ("icc_profile", "exif", "xmp"))
    said: dict[str, Any] = {
        "orientation": orientation,
        "icc_profile": icc_profile if isinstance(icc_profile, bytes) else None,
        "exif": _EXIF + exif.removeprefix(_EXIF) if isinstance(exif, bytes) else b"",
        "xmp": xmp if isinstance(xmp, bytes) else b"",
        "dpi": _dpi(picture.info.get("dpi")),
    }
    if isinstance(picture, TiffImageFile):
        said["exif"] = plain_exif(picture.getexif(), orientation)
        said["options"] = options_of(picture)
    elif isinstance(picture, JpegImageFile):
        said["native"] = kept_of_jpeg(picture.applist)
        said["options"] = _jpeg_options(picture)
    elif picture.format == "PNG":
        said["native"] = kept_of_png(data)
    elif picture.format == "WEBP":
        said["options"] = {"lossless": is_lossless_webp(data)}
    return Metadata(**said)


def _jpeg_options(picture: JpegImageFile) -> dict[str, Any]:
    # -1 is a subsampling that cannot be written; none at all loses nothing of its colours.
    subsampling = max(get_sampling(picture), 0) if picture.layers == 3 else -1
    return {"subsampling": subsampling, "progressive": "progressive" in picture.info}


def _dpi(found: object) -> tuple[float, float] | None:
    """Two numbers that every format can write, or None."""
    try:
        across, down = (float(value) for value in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    possible = all(math.isfinite(value) and 1 <= value <= 65_535 for value in (across, down))
    return (across, down) if possible else None
