"""The options of `prepare.py`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from isnet.config import InputError
from isnet.masks import Polarity
from pipelines.storage import absolute, printable

LOCATIONS = (
    "photos",
    "validation_photos",
    "test_photos",
    "partition",
    "masks",
    "heldout_masks",
    "output",
)
"""Fields that hold a path or a URI."""

MaskLayout = Literal["plain", "nvidia"]


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Options of `prepare.py`."""

    photos: str
    """Photographs of any sizes: a folder, a .tar, a .zip, or shards x-{000..099}.tar; or a URI."""
    output: str
    """Folder or URI of the data set to make."""
    validation_photos: str | None = None
    """Photographs of the validation split; without them, a share of the photographs."""
    test_photos: str | None = None
    """Photographs of a test split; without them there is none."""
    partition: str | None = None
    """Text file with a line `NAME 0|1|2` (train, validation, test) for each photograph."""
    masks: str | None = None
    """Mask pictures: a folder or archive, too; without them, irregular masks are generated."""
    mask_polarity: Polarity = "white-hole"
    """Colour of the hole in the mask files; of NVIDIA's training masks black, testing white."""
    heldout_masks: str | None = None
    """Masks for validation and test; without them, a share of the masks."""
    heldout_mask_polarity: Polarity = "white-hole"
    """Colour of the hole in the held-out mask files."""
    mask_layout: MaskLayout = "plain"
    """What --masks holds: pictures, or NVIDIA's irregular_mask.zip and mask.zip (or folders)."""
    size: int = 256
    """Side of the training pictures and masks, in pixels; divisible by 16."""
    crops_per_photo: int = 1
    """Pictures cut from a photograph: its centred square, then random ones if it is large."""
    generated_masks: int = 2000
    """Masks to generate when no masks are given."""
    hole_ratio_range: tuple[float, float] = (0.05, 0.6)
    """Hole ratios of the generated masks, spread evenly over [low, high)."""
    validation_percent: float = 5.0
    """Share of the photographs and of the masks that is held out, at least one of each."""
    seed: int = 0
    """Seed of the crops, the order and the generated masks."""
    overwrite: bool = False
    """Delete the data set that `output` holds, and make it anew."""
    dry_run: bool = False
    """Print the options and what would be made, and stop."""

    def __post_init__(self) -> None:
        """Reject what could not be prepared or trained on."""
        if self.size < 16 or self.size % 16:
            nearest = max(16, round(self.size / 16) * 16)
            raise InputError(f"--size {self.size} is not divisible by 16; use {nearest}")
        for flag, value, least in (
            ("--crops-per-photo", self.crops_per_photo, 1),
            ("--generated-masks", self.generated_masks, 2),
        ):
            if value < least:
                raise InputError(f"{flag} {value}; it must be at least {least}")
        if not 0 < self.validation_percent < 100:
            raise InputError(
                f"--validation-percent {self.validation_percent}; give a value between 0 and 100"
            )
        low, high = self.hole_ratio_range
        if not 0 <= low < high <= 1:
            raise InputError(f"--hole-ratio-range {low} {high}; give 0 <= low < high <= 1")
        self._require_distinct_splits()

    def _require_distinct_splits(self) -> None:
        """Reject splits that are said twice, or that would share their pictures."""
        if self.partition and (self.validation_photos or self.test_photos):
            raise InputError(
                "--partition says the split of each of --photos; give it alone, or "
                "--validation-photos and --test-photos"
            )
        sources = {"photos": "--photos", "validation_photos": "--validation-photos"}
        sources |= {"test_photos": "--test-photos"}
        masks = {"masks": "--masks", "heldout_masks": "--heldout-masks"}
        for group in (sources, masks):
            seen: dict[str, str] = {}
            for name, flag in group.items():
                location = getattr(self, name)
                if location is None:
                    continue
                other = seen.setdefault(absolute(location).rstrip("/"), flag)
                if other != flag:
                    raise InputError(
                        f"{other} and {flag} are both {printable(location)}; splits that share "
                        "pictures measure nothing"
                    )
        if self.mask_layout == "nvidia" and self.masks is None:
            raise InputError("--mask-layout nvidia needs --masks, where NVIDIA's files are")


def shown(config: PrepareConfig) -> dict[str, Any]:
    """List the options without the credentials that URIs may carry."""
    given = {name: getattr(config, name) for name in LOCATIONS}
    return {**asdict(config), **{name: value and printable(value) for name, value in given.items()}}


def everywhere(config: PrepareConfig) -> PrepareConfig:
    """Make paths absolute: workers have working directories of their own."""
    given = {name: getattr(config, name) for name in LOCATIONS}
    found: dict[str, Any] = {name: value and absolute(value) for name, value in given.items()}
    return replace(config, **found)
