"""Which mask is whose: by the paths below the two sources, without their endings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import compute

from isnet.config import InputError
from pipelines.bulk.naming import stems
from pipelines.sources.listing import Listing


def pair(pictures: Listing, masks: Listing, *, suffix: str, name: str) -> np.ndarray:
    """Find each picture's mask: of `a/cat.jpg` and the suffix `_mask`, `a/cat_mask.png`.

    Args:
        pictures: what is filled.
        masks: where masks are looked for; it may hold more.
        suffix: what a mask's name has after its picture's, before the ending.
        name: how messages call the masks: the option and what it was given.

    Returns:
        int64, for each picture the index of its mask, or -1 where there is none.

    Raises:
        InputError: two masks of one picture, or not a single picture with a mask.

    """
    wanted, offered = _suffixed(stems(pictures.keys), suffix), stems(masks.keys)
    found = compute.index_in(wanted, value_set=offered).fill_null(-1)
    chosen: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int64)
    if len(chosen) and chosen.max() < 0:
        raise InputError(
            f"{name} has no mask for any picture: that of {pictures[0].key} is looked for under "
            f"the name {wanted[0]} with any ending, and there is e.g. {masks[0].key}; name the "
            "folder whose paths are the pictures', or give --mask-suffix"
        )
    _require_one_each(wanted, offered, masks, name)
    return chosen


def without_masks(pictures: Listing, suffix: str) -> Listing:
    """Leave out the masks where they lie beside their pictures.

    Raises:
        InputError: no suffix that would tell a mask from a picture.

    """
    if not suffix:
        raise InputError(
            "pictures and masks are in one place, and --mask-suffix is empty; say what the masks' "
            "names have after the pictures', such as _mask"
        )
    names = stems(pictures.keys)
    is_mask = compute.is_in(names, value_set=_suffixed(names, suffix))
    return pictures.take(np.flatnonzero(~is_mask.to_numpy(zero_copy_only=False)))


def _require_one_each(wanted: pa.Array, offered: pa.Array, masks: Listing, name: str) -> None:
    """Refuse two masks of one picture; two that no picture asks for do no harm."""
    encoded = offered.dictionary_encode()
    counts = np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))
    repeated = encoded.dictionary.filter(pa.array(counts > 1))
    asked = repeated.filter(compute.is_in(repeated, value_set=wanted))
    if len(asked):
        both = compute.indices_nonzero(compute.equal(offered, asked[0]))
        first, second = (masks[index.as_py()].key for index in both[:2])
        raise InputError(f"{name} has two masks of one picture, {first} and {second}; remove one")


def _suffixed(names: pa.Array, suffix: str) -> pa.Array:
    behind, nothing = (pa.scalar(text, names.type) for text in (suffix, ""))
    return compute.binary_join_element_wise(names, behind, nothing)
