"""The endpoint under requests that nobody thought of: it never fails, and does what it says."""

from __future__ import annotations

import asyncio
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.serving.jobs.office import JobOffice
from pipelines.serving.metrics import IngressMetrics
from tests.pipelines.serving.in_process import api_of, error_of, load_model
from tests.pipelines.serving.jobs.hand_run import HandLauncher, archive_of, settings_of
from tests.pipelines.serving.pictures import decoded, encoded, form, mask_of, noise

pytestmark = pytest.mark.slow

TOKEN = "secret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "WEBP": ("L", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "P"),
    "PPM": ("L", "RGB"),
}
"""Pillow's modes that each format is written in."""

STEADY = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def served(
    small_checkpoint: Path,
    ingress_metrics: IngressMetrics,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Serve with a token, on a real socket, in a thread with an event loop of its own."""
    model = asyncio.run(load_model(small_checkpoint))
    folder = tmp_path_factory.mktemp("jobs")
    limits = {"max_pixels": 4096, "max_bytes": 100_000, "max_jobs_per_client": 10_000}
    settings = settings_of(folder / "jobs", job_roots=(str(folder / "photos"),), **limits)
    office = JobOffice(settings, HandLauncher())
    api = api_of(model, ingress_metrics, (TOKEN,), office, **settings.model_dump())
    server = uvicorn.Server(uvicorn.Config(api, lifespan="off", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


# Its command, because its fixtures for pytest stand on what pytest 9.2 no longer has.
def test_it_is_what_its_description_says(served: str, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", "--no-color"]
    command += ["--header", f"Authorization: {HEADERS['Authorization']}"]
    command += ["--generation-deterministic", "--max-examples", "60"]
    # The description says "a file": that random bytes are no picture, no schema can say.
    # A job that is deleted has been cancelled, and is told of as before.
    command += ["--exclude-checks", "positive_data_acceptance,use_after_free"]
    # Nor that they are no archive: most uploads are refused.
    command += ["--warnings", "off", f"{served}/openapi.json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "No issues found" in ended.stdout, ended.stdout
    assert "11 selected / 11 total" in ended.stdout


@st.composite
def pictures(draw: st.DrawFn, size: tuple[int, int] | None = None) -> bytes:
    """Draw files of pictures, some of them damaged."""
    form_ = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[form_]))
    width, height = size or draw(sizes)
    picture = noise(width, height, mode="L" if mode in ("P", "I", "F") else mode)
    options: dict[str, Any] = {}
    if draw(st.booleans()) and form_ in ("PNG", "JPEG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(0, 9))
        options["exif"] = exif
    data = encoded(picture.convert(mode) if picture.mode != mode else picture, form_, **options)
    damage = draw(st.sampled_from(["none"] * 6 + ["cut", "changed"]))
    place = draw(st.integers(0, len(data) - 1))
    if damage == "cut":
        return data[:place]
    if damage == "changed":
        return data[:place] + draw(st.binary(min_size=1, max_size=8)) + data[place + 4 :]
    return data


sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
masks = st.one_of(
    pictures(),
    st.builds(
        lambda size, share: mask_of(np.random.default_rng(0).random(size[::-1]) < share),
        sizes,
        st.sampled_from([0, 0.01, 0.5, 1]),
    ),
)
wanted = st.fixed_dictionaries(
    {},
    optional={
        "strategy": st.sampled_from(["original", "crop", "resize", "tiles"]),
        "passes": st.integers(0, 12),
        "threshold": st.floats(-0.1, 1.1) | st.just(float("nan")),
        "mask_polarity": st.sampled_from(["white-hole", "black-hole"]),
        "format": st.sampled_from(["same", "png", "jpeg", "webp", "tiff", "gif"]),
        "quality": st.integers(0, 101),
    },
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw pictures with masks, mostly of their size."""
    size = draw(sizes)
    if draw(st.integers(0, 4)) == 0:
        return draw(pictures(size)), draw(masks)
    missing = np.random.default_rng(1).random(size[::-1]) < draw(st.sampled_from([0, 0.2, 1]))
    return draw(pictures(size)), mask_of(missing)


@pytest.fixture(scope="module")
def documented(served: str) -> set[int]:
    described = httpx.get(f"{served}/openapi.json").json()
    return {int(code) for code in described["paths"]["/v1/inpaint"]["post"]["responses"]}


@settings(STEADY, max_examples=300)
@given(pair=pairs(), options=wanted)
def test_any_pair_of_files_has_a_documented_answer(
    served: str, documented: set[int], pair: tuple[bytes, bytes], options: dict[str, Any]
) -> None:
    image, mask = pair
    response = httpx.post(
        f"{served}/v1/inpaint", **form(image, mask, **options), headers=HEADERS, timeout=60
    )
    assert response.status_code in documented
    if response.status_code == 200:
        with Image.open(io.BytesIO(image)) as sent:
            assert decoded(response.content).size == sent.size
        assert response.headers["content-type"].startswith("image/")
    else:
        assert response.status_code < 500
        error_of(response)


members = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name), pictures(), max_size=4
)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Draw archives of pictures, some of them damaged."""
    data = archive_of(
        {name.encode("utf-8", "replace").decode(): data for name, data in draw(members).items()}
    )
    place = draw(st.integers(0, len(data) - 1))
    if draw(st.booleans()):
        return data[:place] + draw(st.binary(max_size=8)) + data[place + draw(st.integers(0, 8)) :]
    return data


@settings(STEADY, max_examples=200)
@given(
    uploaded=archives(),
    masks=st.one_of(archives(), pictures(), st.sampled_from(["alpha", "chroma:00ff00", "x"])),
    options=wanted,
)
def test_any_upload_has_a_documented_answer(
    served: str, uploaded: bytes, masks: bytes | str, options: dict[str, Any]
) -> None:
    described = httpx.get(f"{served}/openapi.json").json()
    documented = {int(code) for code in described["paths"]["/v1/jobs"]["post"]["responses"]}
    files = {"pictures": ("a.zip", uploaded)}
    if isinstance(masks, bytes):
        files["masks"] = ("b.zip", masks)
        data = options
    else:
        data = {**options, "masks": masks}
    response = httpx.post(f"{served}/v1/jobs", files=files, data=data, headers=HEADERS, timeout=60)
    assert response.status_code in documented
    if response.status_code != 202:
        assert response.status_code < 500
        error_of(response)
