"""The driver's memory for a large archive, as `benchmarks/prepare_memory.py` measures it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.shards import read_manifest

BENCHMARK = Path(__file__).parents[3] / "benchmarks/prepare_memory.py"
IMAGES = 100_000

MEASURE = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(BENCHMARK.parent)!r})
from prepare_memory import measure
print(json.dumps(measure(Path(sys.argv[1]), images={IMAGES}, source_size=16, size=16)))
"""


@pytest.mark.extended
@pytest.mark.ray
def test_driver_of_a_hundred_thousand_pictures_stays_below_a_gibibyte(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(ended.stdout)
    assert figures["peak_rss_mib"] < 1024
    manifest = read_manifest(str(tmp_path / "data"))
    rows = sum(manifest.rows("images", split) for split in manifest.images)
    assert (rows, manifest.photos, manifest.rejected["images"]) == (IMAGES, IMAGES, 0)
