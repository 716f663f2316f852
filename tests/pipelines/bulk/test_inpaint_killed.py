"""A job that is killed at any moment leaves, once it is run to its end, what it would have left."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipelines import inpaint
from pipelines.bulk.units import FEWEST
from tests.pipelines.bulk.inpaint_process import InpaintProcess
from tests.pipelines.bulk.pictures import write_masks, write_pictures
from tests.pipelines.cluster_process import ClusterProcess
from tests.pipelines.evaluation.checkpoints import write_checkpoint

pytestmark = pytest.mark.ray

PICTURES = 320
"""40 units, of eight."""

KILLS = 5


@pytest.fixture(scope="module")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> InpaintProcess:
    """A job that nobody disturbs; one picture is damaged, and one has no mask."""
    folder = tmp_path_factory.mktemp("undisturbed")
    photos, masks = folder / "photos", folder / "masks"
    write_pictures(photos, PICTURES)
    write_masks(masks, photos)
    (photos / "a" / "000.png").write_bytes(b"no picture")
    (masks / "b" / "001.png").unlink()
    job = InpaintProcess(folder / "job", write_checkpoint(folder / "model"), photos, masks)
    assert inpaint.main(job.words) == 1
    assert len(job.results()) == PICTURES - 2
    return job


def another(undisturbed: InpaintProcess, folder: Path) -> InpaintProcess:
    """The same job in another folder."""
    source = undisturbed.folder.parent
    return InpaintProcess(folder, source / "model", source / "photos", source / "masks")


def require_same(killed: InpaintProcess, undisturbed: InpaintProcess) -> None:
    """Compare all results byte by byte, and the tables row by row."""
    assert killed.rows() == undisturbed.rows()
    names = [row["input"] for row in killed.rows()]
    assert len(set(names)) == len(names) == PICTURES
    assert killed.results() == undisturbed.results()
    assert not list(killed.out.rglob("*.tmp"))


@pytest.mark.extended
def test_kills_at_random_moments_change_no_byte(undisturbed, tmp_path):
    seed = int(os.environ.get("ISNET_TEST_SEED", time.time_ns() % 2**32))
    print(f"ISNET_TEST_SEED={seed} repeats these moments")
    rng = random.Random(seed)
    killed = another(undisturbed, tmp_path / "killed")
    killed.start()
    kills = 0
    for _ in range(KILLS):
        before = killed.parts()
        if not killed.wait_for_parts(len(before) + rng.randrange(6)):
            break
        time.sleep(rng.uniform(0, 0.3))
        actors = killed.actors()
        if actors and rng.random() < 0.5:
            with suppress(psutil.NoSuchProcess):
                rng.choice(actors).kill()
        elif killed.process.poll() is None:
            killed.kill()
            killed.start()
        kills += 1
        now = killed.parts()
        again = [name for name, when in before.items() if now[name] != when]
        assert len(again) <= 2  # those with the pictures that fail, which each start tries again
    assert killed.finish() == 1, killed.output[-4000:]
    assert kills > 1
    require_same(killed, undisturbed)


@pytest.mark.slow
def test_finished_units_are_not_filled_again(undisturbed, tmp_path):
    killed = another(undisturbed, tmp_path / "killed")
    killed.start()
    assert killed.wait_for_parts(8)
    killed.kill()
    kept = killed.parts()
    assert 8 <= len(kept) < 36
    written = {path: path.stat().st_mtime_ns for path in killed.out.rglob("*.png")}
    killed.start()
    assert killed.finish() == 1, killed.output[-4000:]
    assert f"{PICTURES - 2} of {PICTURES} pictures filled, " in killed.output
    again = {path for path, when in written.items() if path.stat().st_mtime_ns != when}
    assert len(again) <= len(written) - FEWEST * (len(kept) - 1)
    require_same(killed, undisturbed)


@pytest.mark.extended
def test_sigterm_ends_in_order_and_the_same_command_goes_on(undisturbed, tmp_path):
    job = another(undisturbed, tmp_path / "job")
    job.start()
    assert job.wait_for_parts(5)
    job.process.terminate()
    assert job.finish() == 143
    assert '"state": "interrupted"' in (job.out / ".inpaint/progress.json").read_text()
    job.start()
    assert job.finish() == 1, job.output[-4000:]
    require_same(job, undisturbed)


@pytest.mark.cluster
@pytest.mark.extended
def test_a_lost_node_costs_no_picture(undisturbed, tmp_path):
    with ClusterProcess(2) as cluster:
        job = another(undisturbed, tmp_path / "job")
        job.start(**cluster.environment, RAY_ADDRESS=cluster.address)
        assert job.wait_for_parts(6), job.output[-4000:]
        cluster.tell("remove")
        assert job.finish() == 1, job.output[-4000:]
    require_same(job, undisturbed)
