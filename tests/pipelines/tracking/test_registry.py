"""The model registry: what is registered is what is fetched, and it inpaints."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import requests
import torch
from mlflow.tracking import MlflowClient
from PIL import Image

from isnet.checkpoint import load_generator, save_generator
from isnet.config import GeneratorConfig, InputError
from isnet.images import ImageError
from isnet.inpainter import Inpainter
from isnet.network import generator_from_config
from pipelines.tracking.registered_model import RegisteredInpainter
from pipelines.tracking.registry import fetch_registered, is_registered, register_model
from pipelines.tracking.runs import TrackingConfig, open_run
from pipelines.tracking.server import as_input_error


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "step-100"
    folder.mkdir()
    torch.manual_seed(0)
    config = GeneratorConfig(blocks=1, channels=2)
    save_generator(folder, generator_from_config(config), config)
    (folder / "training.pt").write_bytes(b"optimizers and the like")
    return folder


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def run(uri: str) -> str:
    return open_run(TrackingConfig(uri=uri), name="n", params={}, tags={})


@pytest.fixture(scope="module")
def version(uri: str, run: str, checkpoint: Path) -> str:
    return register_model(uri, run, checkpoint, tags={"vgg": "vgg16 random"})


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_registered_generator_comes_back_without_training_state(
    uri: str, version: str, checkpoint: Path, tmp_path: Path
) -> None:
    for folder in (None, tmp_path / "fetched"):
        fetched = fetch_registered(uri, f"models:/isnet/{version}", folder)
        assert sorted(path.name for path in fetched.iterdir()) == [
            "config.json",
            "generator.safetensors",
        ]
        original = load_generator(checkpoint).state_dict()
        for name, tensor in load_generator(fetched).state_dict().items():
            assert torch.equal(tensor, original[name])


def test_the_version_belongs_to_the_run_and_has_the_tags(uri: str, run: str, version: str) -> None:
    found = MlflowClient(uri).get_model_version("isnet", version)
    assert found.run_id == run
    assert found.status == "READY"
    assert found.tags == {"vgg": "vgg16 random"}


def test_registering_again_makes_the_next_version(
    uri: str, run: str, version: str, checkpoint: Path
) -> None:
    assert int(register_model(uri, run, checkpoint)) == int(version) + 1


def test_a_model_is_found_by_alias(uri: str, version: str) -> None:
    MlflowClient(uri).set_registered_model_alias("isnet", "best", version)
    fetched = fetch_registered(uri, "models:/isnet@best")
    assert fetched == fetch_registered(uri, f"models:/isnet/{version}")


@pytest.mark.parametrize("model", ["isnet/1", "models:/isnet", "models:/isnet/9", "models:/no/1"])
def test_models_that_are_not_there_are_input_errors(uri: str, version: str, model: str) -> None:
    with pytest.raises(InputError, match=model.rpartition("/")[0]):
        fetch_registered(uri, model)


def test_a_folder_without_checkpoint_is_an_input_error(uri: str, run: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no checkpoint"):
        register_model(uri, run, tmp_path)


class FullStore(BaseHTTPRequestHandler):
    """An artifact store that takes no file, for the reason that its path starts with."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def full_store() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), FullStore) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", ["413", "500"])
def test_an_artifact_store_that_refuses_is_an_input_error_with_the_reason(
    uri: str, checkpoint: Path, full_store: str, status: str
) -> None:
    location = f"http://someone:secret@{full_store}/{status}"
    client = MlflowClient(uri)
    client.create_experiment(f"full {status}", artifact_location=location)
    config = TrackingConfig(uri=uri, experiment=f"full {status}")
    run_id = open_run(config, name="n", params={}, tags={})
    with pytest.raises(InputError, match=f"does not take the model .*{status}") as caught:
        register_model(uri, run_id, checkpoint, name=f"refused-{status}")
    assert "secret" not in str(caught.value)
    assert not client.search_registered_models(f"name='refused-{status}'")


def test_an_artifact_store_that_is_away_is_an_input_error(uri: str, checkpoint: Path) -> None:
    MlflowClient(uri).create_experiment("away", artifact_location="http://127.0.0.1:9/x")
    run_id = open_run(TrackingConfig(uri=uri, experiment="away"), name="n", params={}, tags={})
    with pytest.raises(InputError, match=r"does not take the model .*127"):
        register_model(uri, run_id, checkpoint)


@pytest.mark.parametrize("error", [requests.ConnectionError("reset"), OSError("disk full")])
def test_errors_of_network_and_disk_are_input_errors(error: Exception) -> None:
    with pytest.raises(InputError, match=f"http://there: {error}$"), as_input_error("http://there"):
        raise error


def test_other_errors_stay_bugs() -> None:
    with pytest.raises(KeyError), as_input_error("http://there"):
        raise KeyError("bug")


def test_a_registered_model_names_what_is_wrong_with_a_picture(checkpoint: Path) -> None:
    context = SimpleNamespace(artifacts={"checkpoint": str(checkpoint)})
    model = RegisteredInpainter()
    model.load_context(context)  # type: ignore[arg-type]
    rows = pd.DataFrame({"image": [b"no picture"], "mask": [png(np.zeros((8, 8), np.uint8))]})
    with pytest.raises(ImageError, match="not a picture in a format that is read"):
        model.predict(context, rows)  # type: ignore[arg-type]


@pytest.mark.slow
def test_mlflow_loads_the_model_in_a_process_without_the_repository(
    uri: str, version: str, checkpoint: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 52, 3), dtype=np.uint8)
    mask = np.zeros((40, 52), np.uint8)
    mask[10:20, 5:30] = 255
    (tmp_path / "image.png").write_bytes(png(image))
    (tmp_path / "mask.png").write_bytes(png(mask))
    code = (
        "import mlflow, pathlib\n"
        f"model = mlflow.pyfunc.load_model('models:/isnet/{version}')\n"
        "read = lambda name: pathlib.Path(name).read_bytes()\n"
        "rows = {'image': [read('image.png')] * 2, 'mask': [read('mask.png')] * 2}\n"
        "filled = model.predict(rows, params={'polarity': 'white-hole'})['image']\n"
        "assert len(filled) == 2\n"
        "import isnet.inpainter\n"
        "assert 'mlartifacts' in isnet.inpainter.__file__\n"
        "assert not pathlib.Path(isnet.__file__).with_name('weights').exists()  # 11 MB, unused\n"
        "pathlib.Path('filled.png').write_bytes(filled[1])\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["MLFLOW_TRACKING_URI"] = uri
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    expected = Inpainter(load_generator(checkpoint))(Image.fromarray(image), Image.fromarray(mask))
    with Image.open(tmp_path / "filled.png") as filled:
        difference = np.abs(np.asarray(filled).astype(int) - np.asarray(expected))
    assert difference.max() <= 1
    assert not (tmp_path / "mlflow.db").exists()


def test_registered_names_are_told_from_paths() -> None:
    assert is_registered("models:/isnet/1")
    assert not is_registered("runs/models/isnet")
