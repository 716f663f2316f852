"""Trained weights that come with the package, found by their names.

weights/SHA256SUMS     of every file below; `sha256sum --check SHA256SUMS` reads it, too
weights/isnet-small/   a checkpoint directory, and the licence of its weights
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from isnet.config import InputError

SMALL = "isnet-small"
"""Narrow enough to be quick on a CPU; what is used where no other model is named."""

SHIPPED = (SMALL,)
"""Names that stand for a model wherever one is asked for."""

FOLDER = Path(__file__).parent / "weights"
CHECKSUMS_FILE = "SHA256SUMS"

LICENCE_FILE = "LICENSE"

FILES = (LICENCE_FILE, "config.json", "generator.safetensors")
"""What each of them consists of."""

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<file>.+)")


def shipped_directory(name: str) -> Path:
    """Return the checkpoint directory of one of `SHIPPED`, its files checked.

    Raises:
        InputError: no such name, or a file that is missing or not the one that was shipped.

    """
    if name not in SHIPPED:
        raise InputError(f"{name} is no shipped model: {', '.join(SHIPPED)}")
    for file, expected in _checksums(name).items():
        path = FOLDER / file
        if not path.is_file():
            raise InputError(f"{name} is incomplete: {path} is missing; install isnet again")
        found = checksum(path)
        if found != expected:
            raise InputError(
                f"{name} is damaged: {path} is not the file that was shipped (SHA-256 "
                f"{found[:12]}..., not {expected[:12]}...); install isnet again"
            )
    return FOLDER / name


def checksum(path: Path) -> str:
    """Return a file's SHA-256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksums(name: str) -> dict[str, str]:
    """Read what the files of one model should be: SHA-256 by path below `FOLDER`."""
    path = FOLDER / CHECKSUMS_FILE
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not installed: {path} cannot be read ({error})") from error
    found = {match["file"]: match["digest"] for match in map(_LINE.fullmatch, lines) if match}
    missing = [f"{name}/{file}" for file in FILES if f"{name}/{file}" not in found]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; install isnet again")
    return {file: digest for file, digest in found.items() if file.startswith(f"{name}/")}
