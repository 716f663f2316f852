"""Training that is killed, or started twice, ends like training that was left alone."""

from __future__ import annotations

import signal

import pytest

from tests.pipelines.training_process import Training, assert_same_outcome

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.extended)])
def test_a_killed_driver_and_killed_workers_change_nothing(undisturbed, prepared, tmp_path, ranks):
    """First all workers, with rank 0's, which writes the checkpoints and the metrics; then one."""
    training = Training(prepared, tmp_path / "killed", num_workers=ranks).start()
    training.wait_for_step(8)
    training.process.send_signal(signal.SIGKILL)
    training.finish()

    training.start().wait_for_step(16)
    for killed in (slice(None), slice(-1, None)):
        workers = training.workers()
        assert len(workers) == ranks
        for worker in workers[killed]:
            worker.kill()
        training.wait_for_step(training.saved_step() + 1)
    assert training.finish() == 0
    assert_same_outcome(training, undisturbed(ranks))


@pytest.mark.extended
def test_a_command_that_is_given_again_takes_the_run(undisturbed, prepared, tmp_path):
    training = Training(prepared, tmp_path / "taken").start()
    training.wait_for_step(8)
    first, workers = training.process, training.workers()
    training.hold(workers)  # or the first may be through before the second has begun
    training.start().wait_for_output("on from the checkpoint of step")
    for worker in workers:
        worker.resume()
    assert first.wait(timeout=120) == 2
    assert training.finish() == 0
    assert "was taken by a command that was started later" in training.output
    assert_same_outcome(training, undisturbed(2))
