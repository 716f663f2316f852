"""Training on what the published data sets become, and with everything in an object store."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.object_store import ObjectStore
from tests.pipelines.preparation.archives import write_celeba, write_nvidia, write_places
from tests.pipelines.training_process import Training, assert_same_outcome

pytestmark = [pytest.mark.ray, pytest.mark.extended]


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(("layout", "write"), [("places2", write_places), ("celeba", write_celeba)])
def test_published_archives_are_prepared_and_trained_on(
    layout: str, write: Callable[[Path, Path], Path], samples: Path, tmp_path: Path
) -> None:
    from pipelines import prepare, train

    source = write_nvidia(write(tmp_path / layout, samples))
    places = ["--photos", source, "--masks", source, "--output", tmp_path / "data"]
    prepare.main([layout, *map(str, places), "--size", "32"])
    training = Training(
        str(tmp_path / "data"),
        tmp_path / "training",
        steps=3,
        batch_size=2,
        num_workers=1,
        validation_images=2,
    )
    assert train.main(training.words) == 0
    assert [step for step, _ in training.curve()] == [1, 2, 3]


def test_a_killed_run_goes_on_from_an_object_store(
    undisturbed, prepared, object_store: ObjectStore, tmp_path: Path
) -> None:
    for path in Path(prepared).rglob("*"):
        if path.is_file():
            object_store.put(f"prepared/{path.relative_to(prepared)}", path.read_bytes())
    training = Training(
        object_store.uri("prepared"), tmp_path / "remote", output=object_store.uri("runs")
    ).start()
    training.wait_for_step(8)
    training.process.send_signal(signal.SIGKILL)
    training.finish()
    assert training.start().finish() == 0, training.output[-4000:]
    assert re.search(r"on from the checkpoint of step \d+", training.output)
    assert object_store.secret not in training.output
    assert_same_outcome(training, undisturbed(2))
