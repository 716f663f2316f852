"""An evaluation whose data, model and output all lie in a real object store."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

pytestmark = [pytest.mark.ray, pytest.mark.extended]


def _put(store, folder: Path, place: str) -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(f"{place}/{path.relative_to(folder)}", path.read_bytes())
    return store.uri(place)


def test_it_comes_out_as_on_a_disk_and_tells_no_secret(
    object_store, prepared, checkpoint, run, scores, tracking_uri, tmp_path, capsys
):
    folder = checkpoint()
    run(f"ours={folder}", "telea", images=20)
    expected = scores()
    data = _put(object_store, Path(prepared), "evaluation/data")
    model = _put(object_store, folder, "evaluation/model")
    options = {"data": data, "images": 20, "output": object_store.uri("evaluation/out")}
    for _ in range(2):  # the second goes on with what the first left
        assert run(f"ours={model}", "telea", **options) == 0
    copy = tmp_path / "scores.parquet"
    copy.write_bytes(object_store.get("evaluation/out/scores.parquet"))
    pd.testing.assert_frame_equal(pd.read_parquet(copy), expected)
    printed = "".join(capsys.readouterr())
    assert "40 of 40 kept from an earlier run" in printed
    written = [object_store.get(f"evaluation/out/{name}") for name in ("report.html", "plan.json")]
    record = MlflowClient(tracking_uri).search_runs(["1"])[0].to_dictionary()
    for text in (printed, *map(str, written), copy.read_bytes().decode("latin-1"), str(record)):
        assert object_store.secret not in text
