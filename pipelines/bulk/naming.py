"""Names of the results: each picture's own, but for the ending where its format had to change.

A name is a base and an ending, and the ending is known only once a picture was encoded. So the
bases are chosen, before the first picture is read, such that whatever the endings will be no two
pictures get one name, and none gets that of a folder with others in it.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pyarrow as pa
from pyarrow import compute

from isnet.config import InputError
from pipelines.bulk.results import FOLDER, RESULTS
from pipelines.sources.listing import SUFFIXES

_ENDING = r"(?i)\.(" + "|".join(suffix[1:] for suffix in SUFFIXES) + r")"
"""A picture's ending; what else follows a dot, as in `version 1.5`, is part of the name."""

_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}

_LONGEST_PART = 255
"""Bytes that file systems take for one part of a path."""

_MOST = 127
"""Highest level."""


def stems(keys: pa.Array) -> pa.Array:
    """Take the pictures' endings off paths."""
    return compute.replace_substring_regex(keys, _ENDING + r"\z", "")


def name_levels(keys: pa.Array) -> np.ndarray:
    """Find out how much of its key each picture's name must show for no two to be the same.

    Args:
        keys: paths of all pictures, no two the same.

    Returns:
        int8, a level for each, as `output_name` takes it: 0 wherever that is possible.

    Raises:
        InputError: keys made to leave no name free.

    """
    stem = stems(keys)
    encoded = stem.dictionary_encode()
    shared = np.bincount(encoded.indices.to_numpy())[encoded.indices.to_numpy()] > 1
    folders = stems(_folders(keys))
    ends = _true(compute.not_equal(keys, stem))
    no_stem = shared | _is_in(stem, folders) | (ends & _is_in(stem, keys))
    # A key without an ending is its own stem, which is no reason against it.
    no_key = _is_in(keys, folders) | np.where(ends, _is_in(keys, stem), shared)
    levels = np.where(no_stem, np.where(no_key, 2, 1), 0).astype(np.int8)
    rest = np.flatnonzero(levels == 2)
    if len(rest):
        taken = {*stem.to_pylist(), *keys.to_pylist(), *folders.to_pylist()}
        levels[rest] = [_free_level(keys[int(index)].as_py(), taken) for index in rest]
    return levels


def output_name(key: str, level: int, ending: str) -> str:
    """Name a picture's result.

    Args:
        key: the picture's path below the input.
        level: what `name_levels` found: 0 puts the ending in the place of the key's own, 1 behind
            the whole key, 2 and above behind the key and a part of its hash.
        ending: of the format that it was encoded in, such as `.png`.

    Returns:
        The key itself where its own ending is one of that format, `.JPG` or `.jpeg` for `.jpg`.

    """
    found = re.search(_ENDING + r"\Z", key)
    own = found.group().lower() if found else ""
    if _SAME.get(own, own) == _SAME.get(ending, ending):
        return key
    return _base(key, level) + ending


def unsafe(key: str) -> str | None:
    """Say why a key may not be a path below the output; None where it may."""
    parts = key.split("/")
    if key.startswith("/"):
        return "is an absolute path"
    if "" in parts:
        return "has an empty part"
    if "." in parts or ".." in parts:
        return "has . or .. among its parts"
    if "\0" in key or "\\" in key or re.match(r"[A-Za-z]:", key):
        return "has a NUL, a backslash or a drive letter"
    if parts[0].lower() == FOLDER or (parts[0].lower() == RESULTS and len(parts) > 1):
        return f"lies in {parts[0]}, where the job's own files are"
    if max(len(part.encode()) for part in parts) > _LONGEST_PART:
        return f"has a part of more than {_LONGEST_PART} bytes"
    return None


def _base(key: str, level: int) -> str:
    if level == 0:
        return re.sub(_ENDING + r"\Z", "", key)
    if level == 1:
        return key
    digest = hashlib.sha256(key.encode() + b"\0" * (level - 2)).hexdigest()
    return f"{key}.{digest[:8]}"


def _free_level(key: str, taken: set[str]) -> int:
    """Find a base with a hash that is nobody's; all are of one length, so no two are the same."""
    for level in range(2, _MOST + 1):
        if _base(key, level) not in taken:
            return level
    raise InputError(f"no name is left for the result of {key}; rename it")


def _folders(keys: pa.Array) -> pa.Array:
    """All folders that the keys lie in."""
    found = [pa.array([], keys.type)]
    inside = keys
    while len(inside):
        inside = inside.filter(compute.match_substring(inside, "/"))
        inside = compute.replace_substring_regex(inside, r"/[^/]*\z", "").unique()
        found.append(inside)
    return pa.concat_arrays(found).unique()


def _is_in(values: pa.Array, among: pa.Array) -> np.ndarray:
    return _true(compute.is_in(values, value_set=among))


def _true(flags: pa.Array) -> np.ndarray:
    found: np.ndarray = flags.to_numpy(zero_copy_only=False)
    return found
