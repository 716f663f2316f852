"""What `pip install .` puts into place: the weights and their licence go along."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from isnet.shipped import SHIPPED

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_wheel_holds_the_shipped_weights_as_they_are(tmp_path):
    source = tmp_path / "source"
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    words = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *words, str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = {name: opened.read(name) for name in opened.namelist() if "/weights/" in name}
    for name in SHIPPED:
        for path in (ROOT / "isnet/weights" / name).iterdir():
            assert held[f"isnet/weights/{name}/{path.name}"] == path.read_bytes()
    assert "isnet/weights/SHA256SUMS" in held
