"""Public data sets, known by the names of their files: each becomes plain options."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from pyarrow import fs

from isnet.config import InputError
from isnet.masks import Polarity
from pipelines.preparation.config import PrepareConfig
from pipelines.storage import is_uri, join, open_filesystem, printable

# A name that ends in a slash is a folder's.
_PLACES_TRAIN = ("train_256_places365standard.tar", "data_256/", "data_256_standard/")
_PLACES_VALIDATION = ("val_256.tar", "val_256/")
_PLACES_TEST = ("test_256.tar", "test_256/")

_CELEBA_FOLDERS = ("", "Img", "Eval", "Anno")
_CELEBA_PHOTOS = ("img_align_celeba.zip", "img_align_celeba/")
_CELEBA_PARTITION = ("list_eval_partition.txt",)

_NVIDIA_TRAINING = ("irregular_mask.zip", "irregular_mask/", "disocclusion_img_mask/")
_NVIDIA_TESTING = ("mask.zip", "mask/testing_mask_dataset/", "testing_mask_dataset/")


def places2(config: PrepareConfig) -> PrepareConfig:
    """Places365-Standard at 256x256: --photos holds its archives, or the folders in them."""
    if config.partition is not None:
        raise InputError("places2 has its splits in files of their own; leave --partition out")
    train = _find(config.photos, _PLACES_TRAIN)
    validation = config.validation_photos or _find(config.photos, _PLACES_VALIDATION)
    if not train:
        raise _missing(config.photos, "the training pictures", _PLACES_TRAIN)
    if not validation:
        raise _missing(config.photos, "the validation pictures", _PLACES_VALIDATION)
    test = config.test_photos or _find(config.photos, _PLACES_TEST)
    resolved = replace(config, photos=train, validation_photos=validation, test_photos=test)
    return resolve_masks(resolved, recognise=True)


def celeba(config: PrepareConfig) -> PrepareConfig:
    """CelebA, aligned and cropped: --photos holds img_align_celeba and list_eval_partition.txt."""
    if config.validation_photos or config.test_photos:
        raise InputError(
            "celeba divides its pictures by list_eval_partition.txt; leave --validation-photos "
            "and --test-photos away"
        )
    photos = _find(config.photos, _CELEBA_PHOTOS, _CELEBA_FOLDERS)
    partition = config.partition or _find(config.photos, _CELEBA_PARTITION, _CELEBA_FOLDERS)
    if not photos:
        raise _missing(config.photos, "the pictures", _CELEBA_PHOTOS, _CELEBA_FOLDERS)
    if not partition:
        raise _missing(config.photos, "the splits", _CELEBA_PARTITION, _CELEBA_FOLDERS)
    return resolve_masks(replace(config, photos=photos, partition=partition), recognise=True)


LAYOUTS = {"places2": places2, "celeba": celeba}


def resolve_masks(config: PrepareConfig, *, recognise: bool = False) -> PrepareConfig:
    """Put NVIDIA's mask files, each with its polarity, in the place of the folder they are in.

    Args:
        config: with any mask layout.
        recognise: look for the files though the layout was not named.

    Raises:
        InputError: the layout was named, and the files are not there.

    """
    named = config.mask_layout == "nvidia"
    if config.masks is None or not (named or recognise):
        return config
    training = _find(config.masks, _NVIDIA_TRAINING)
    testing = _find(config.masks, (*_NVIDIA_TESTING, "mask/") if named else _NVIDIA_TESTING)
    if named and not (training or testing):
        training, testing = _itself(config.masks)
    if named and not (training or testing):
        raise _missing(config.masks, "NVIDIA's masks", (*_NVIDIA_TRAINING, *_NVIDIA_TESTING))
    config = replace(config, mask_layout="plain")
    if training and (testing or config.heldout_masks):
        config = replace(config, masks=training, mask_polarity="black-hole")
        if config.heldout_masks:
            return config
        return replace(config, heldout_masks=testing, heldout_mask_polarity="white-hole")
    if training or testing:
        which = "training" if training else "testing"
        if not config.heldout_masks:
            print(f"of NVIDIA's masks only the {which} set is there; a share of it is held out")
        polarity: Polarity = "black-hole" if training else "white-hole"
        return replace(config, masks=training or testing, mask_polarity=polarity)
    return config


def _itself(location: str) -> tuple[str | None, str | None]:
    """Take one of NVIDIA's files or folders that was named itself: (training, testing)."""
    base = location.partition("?")[0] if is_uri(location) else location
    last = posixpath.basename(base.rstrip("/"))
    if last in {name.rstrip("/") for name in _NVIDIA_TRAINING}:
        return location, None
    if last in ("mask.zip", "mask", "testing_mask_dataset"):
        return None, location
    return None, None


def _find(location: str, names: Sequence[str], folders: Sequence[str] = ("",)) -> str | None:
    """Find the first of some names in a folder, or in some of its sub-folders."""
    for folder in folders:
        for name in names:
            candidate = join(location, *filter(None, (folder, name.rstrip("/"))))
            wanted = fs.FileType.Directory if name.endswith("/") else fs.FileType.File
            try:
                filesystem, path = open_filesystem(candidate)
                kind = filesystem.get_file_info(path).type
            except OSError as error:
                reason = printable(str(error).splitlines()[0])
                raise InputError(f"{printable(location)} cannot be read: {reason}") from error
            if kind == wanted:
                return candidate
    return None


def _missing(
    location: str, what: str, names: Sequence[str], folders: Sequence[str] = ("",)
) -> InputError:
    """Say what was looked for and what is there."""
    looked = " or ".join(names)
    inside = " or in its " + ", ".join(filter(None, folders)) if len(folders) > 1 else ""
    filesystem, path = open_filesystem(location)
    if filesystem.get_file_info(path).type == fs.FileType.File:
        return InputError(f"{printable(location)} is a file; give the folder it is in")
    infos = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    there = sorted(info.base_name for info in infos if not info.base_name.startswith("."))
    listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    return InputError(
        f"{printable(location)} does not hold {what}: looked for {looked} in it{inside}; "
        + (f"it holds {listed}" if there else "it is empty or does not exist")
    )
