"""What import-linter, ruff and mypy cannot say about the shape of the code."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "isnet").rglob("*.py"))
PIPELINES = sorted((ROOT / "pipelines").rglob("*.py"))
PACKAGES = LIBRARY + PIPELINES
OTHERS = [
    path
    for folder in ("tests", "benchmarks", "rehearsal", "shipping")
    for path in (ROOT / folder).rglob("*.py")
]
DISTRIBUTIONS = {"PIL": "pillow"}
"""Distributions that are not called what one imports."""
OPTIONAL = {
    "isnet/export.py": {"onnx", "onnxscript", "onnxruntime"},
    "isnet/openvino_backend.py": {"openvino"},
}
"""What a module of the library may import besides, inside functions alone: an extra of its own."""

IMPORT_EACH = """
import importlib, json, logging, os, sys
import numpy, torch
state = torch.get_rng_state(), str(numpy.random.get_state())
for name in sys.argv[1:]:
    importlib.import_module(name)
ray, mlflow = sys.modules.get("ray"), sys.modules.get("mlflow")
print(json.dumps({
    "files written": os.listdir(),
    "logging set up": bool(logging.getLogger().handlers),
    "generators seeded": not torch.equal(state[0], torch.get_rng_state())
    or state[1] != str(numpy.random.get_state()),
    "ray started": bool(ray and ray.is_initialized()),
    "tracking server set": bool(mlflow and mlflow.is_tracking_uri_set()),
    "run open": bool(mlflow and mlflow.active_run()),
}))
"""

IMPORT_ALONE = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import isnet
"""

IMPORTED_EARLY = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
print(*(set(sys.argv[1].split(",")) & set(sys.modules)))
"""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.stmt | ast.expr | ast.ExceptHandler) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def module_names(paths: list[Path]) -> list[str]:
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names]


def imported(path: Path) -> Iterator[str]:
    """Names of all modules that a file imports, wherever it does."""
    for node in ast.walk(tree(path)):
        yield from imported_by(node)


def imported_by(node: ast.AST) -> Iterator[str]:
    """Names of the modules that a statement itself imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module


def function_lengths() -> dict[str, int]:
    """Lines of each function of the two packages, signature and docstring included."""
    return {
        f"{place(path, node)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in PACKAGES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def run_python(code: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_importing_any_module_does_nothing(tmp_path: Path) -> None:
    report = json.loads(run_python(IMPORT_EACH, *module_names(PACKAGES), folder=tmp_path))
    assert [name for name, found in report.items() if found] == []


def test_library_imports_where_pipelines_cannot(tmp_path: Path) -> None:
    absent = ["ray", "mlflow", "fastapi", "pyarrow", "tyro", "pipelines"]
    run_python(IMPORT_ALONE, *absent, *set().union(*OPTIONAL.values()), folder=tmp_path)


def test_library_imports_no_extra_before_it_needs_it(tmp_path: Path) -> None:
    extras = set().union(*OPTIONAL.values())
    names = module_names(LIBRARY)
    imported_early = run_python(IMPORTED_EARLY, ",".join(extras), *names, folder=tmp_path)
    assert imported_early.split() == []
    without = IMPORT_ALONE + "".join(f"import {name}\n" for name in names)
    run_python(without, *extras, folder=tmp_path)


def test_library_imports_only_its_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"\W", text)[0] for text in project["dependencies"]}
    assert declared == {"numpy", "pillow", "safetensors", "torch", "torchmetrics"}
    for path in LIBRARY:
        tops = {name.partition(".")[0] for name in imported(path)}
        foreign = tops - set(sys.stdlib_module_names) - {"isnet"}
        allowed = declared | OPTIONAL.get(path.relative_to(ROOT).as_posix(), set())
        assert {DISTRIBUTIONS.get(name, name) for name in foreign} <= allowed, path


def test_what_the_library_can_do_without_is_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        re.split(r"\W", text)[0]
        for extra in ("onnx", "openvino")
        for text in project["optional-dependencies"][extra]
    }
    assert extras == set().union(*OPTIONAL.values())


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"utils", "util", "helpers", "misc", "common"}
    assert [str(path) for path in PACKAGES if path.stem in drawers] == []


def test_no_bare_except() -> None:
    bare = [
        place(path, node)
        for path in PACKAGES + OTHERS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_every_key_of_a_state_dict_is_accounted_for() -> None:
    lax = [
        place(path, call)
        for path in PACKAGES
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "load_state_dict"
        for keyword in call.keywords
        if keyword.arg == "strict"
    ]
    assert lax == []


def test_functions_are_short() -> None:
    lengths = function_lengths()
    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}
    assert statistics.median(lengths.values()) <= 15
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 45


@pytest.mark.parametrize("path", PACKAGES + OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_readme_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    # As code, at the start of a line or of a `span`: prose may "make sure".
    named = set(re.findall(r"(?:^\s*\$?\s*|`)make ([a-z-]+)", readme, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
    scripts = set(re.findall(r"python (pipelines/\w+\.py)", readme))
    assert [script for script in sorted(scripts) if not (ROOT / script).is_file()] == []
