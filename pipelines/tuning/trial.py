"""Looking after one trial: it is trained as `pipelines/train.py` trains a run, and then scored."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.actor import ActorHandle

from isnet.checkpoint import GENERATOR_FILES, read_about
from isnet.config import InputError
from pipelines import logs
from pipelines.claim import Claim
from pipelines.cli import one_line, unwrap
from pipelines.storage import local_copy, printable
from pipelines.tracking.runs import log_artifact_bytes, log_once
from pipelines.training.checkpoints import delete_all
from pipelines.training.config import TrainConfig
from pipelines.training.fit import Membership, TerminatedError, fit
from pipelines.training.link import new_link
from pipelines.training.runs import Run
from pipelines.tuning.config import within_budget
from pipelines.tuning.folder import Campaign, Outcome
from pipelines.tuning.scoring import Scoring, score_on_cluster, side_by_side
from pipelines.tuning.trials import Trial, proposed, trial_seed, with_overrides

PLANNED = "trial"
"""Key of a trial's name in what Ray Tune hands over; a proposal has options there instead."""

FAILED_PSNR = 0.0
"""What a failed trial counts as in a search: the worst."""

_POLL_S = 0.5
STOPPING_S = 120.0
"""Seconds that a trial is given to write its last checkpoint."""

_INTERRUPTED = {"ended": "interrupted", "reason": ""}
_COMMON = ("data", "output", "name", "steps", "size", "device", "num_workers", "wait", "tracking")
"""Options that all trials of a campaign share."""


def trial_config(campaign: Campaign, trial: Trial) -> TrainConfig:
    """Put a trial's training run together.

    Raises:
        InputError: an option that is unknown, does not take the value, or is the campaign's.

    """
    for name in trial.overrides:
        plain = name.replace("-", "_")
        if plain.split(".")[0] in _COMMON or plain.endswith("s_per_worker"):
            raise InputError(
                f"trial {trial.name} sets {name}, which all trials share; give it to the campaign"
            )
    shared = replace(
        campaign.config.shared(),
        output=campaign.trials,
        name=trial.name,
        seed=trial_seed(campaign.config.seed, trial.name),
        **campaign.placed,
    )
    config = with_overrides(shared, trial.overrides)
    return within_budget(config, campaign.config.samples_per_trial)


class TrialRunner(tune.Trainable):
    """One trial, for Ray Tune: each step is a validation of the training run, the last its score.

    A result holds `trial`, `step`, `psnr` (held-out, of progressive reconstruction), and in the
    last one `ended`: finished or failed, with a `reason`.
    """

    def setup(
        self,
        config: dict[str, Any],
        campaign: Campaign | None = None,
        claim: Claim | None = None,
        halt: ActorHandle | None = None,
    ) -> None:
        """Begin to train; a trial that has an outcome only tells it again."""
        assert campaign is not None  # Ray Tune hands them over by name
        assert claim is not None
        self._halt: Any = halt
        named = {trial.name: trial for trial in campaign.definition.trials}
        self._campaign = campaign
        self._trial = named[config[PLANNED]] if PLANNED in config else proposed(config)
        logs.set_up(campaign=str(campaign.config.name), trial=self._trial.name)
        self._told = 0
        self._last: dict[str, Any] = {"trial": self._trial.name, "step": 0, "psnr": FAILED_PSNR}
        self._end: dict[str, Any] | None = None
        self._stopping = self._deaf = False
        self._thread: threading.Thread | None = None
        outcome = campaign.outcome(self._trial.name)
        if outcome is not None:
            self._curve, self._end = list(outcome.curve), _end_of(outcome)
            return
        if claim.is_lost() or self._is_halted():
            self._curve, self._end = [], dict(_INTERRUPTED)
            return
        campaign.begin(self._trial)
        self._link: ActorHandle = new_link()
        self._thread = threading.Thread(target=self._train, name="trial", daemon=True)
        self._thread.start()

    def step(self) -> dict[str, Any]:
        """Wait for the next validation, or for the end."""
        while True:
            curve = self._known_curve()
            if len(curve) > self._told:
                step, psnr = curve[self._told]
                self._told += 1
                self._last |= {"step": step, "psnr": psnr}
                return dict(self._last)
            if self._is_halted():
                self._halt_training()
            if self._thread is None or not self._thread.is_alive() or self._deaf:
                if len(self._known_curve()) > self._told:
                    continue
                return {**self._last, **(self._end or _INTERRUPTED), "done": True}
            time.sleep(_POLL_S)

    def cleanup(self) -> None:
        """End training with a last checkpoint, where it is under way."""
        self._halt_training()

    def _is_halted(self) -> bool:
        """Whether the campaign was asked to end."""
        return bool(ray.get(self._halt.stop_requested.remote()))

    def _halt_training(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            return
        self._stopping = True
        link: Any = self._link
        # Deaf while no worker trains yet: then there is nothing to save.
        self._deaf = not ray.get(link.request_stop.remote())
        if not self._deaf:
            self._thread.join(STOPPING_S)

    def _known_curve(self) -> list[tuple[int, float]]:
        if self._thread is not None:
            link: Any = self._link
            self._curve = ray.get(link.curve.remote())
        return self._curve

    def _train(self) -> None:
        """Train and score: the body of the thread."""
        try:
            self._end = _end_of(train_and_score(self._campaign, self._trial, self._link))
        except TerminatedError:
            pass  # asked to by `cleanup`; the trial goes on when the campaign does
        except Exception as error:  # noqa: BLE001 (whatever it is, the other trials go on)
            if not self._stopping:
                # For the driver to note: if that has died, what failed here is no failure.
                self._end = {"ended": "failed", "reason": _reason(error), "psnr": FAILED_PSNR}


def train_and_score(campaign: Campaign, trial: Trial, link: ActorHandle) -> Outcome:
    """Train a trial to its end, score its generator, and note the outcome; whatever is done, stays.

    Raises:
        TerminatedError: the link asked it to end.
        InputError: it cannot be trained, or its training failed.

    """
    began = time.monotonic()
    config = trial_config(campaign, trial)
    membership = Membership(
        parent_run_id=str(campaign.run_id),
        run_name=f"{campaign.config.name} {trial.label or trial.name}",
        link=link,
        tags={"campaign": str(campaign.config.name), "trial": trial.name},
    )
    run = fit(config, membership)
    scoring = score_on_cluster(run.config, run.model, campaign.config.evaluation_images)
    samples = side_by_side(scoring.samples)
    outcome = _outcome(run, scoring, seconds=time.monotonic() - began)
    _track(run, outcome, samples)
    campaign.conclude(trial.name, outcome, samples)
    if not campaign.config.keep_trial_checkpoints:
        delete_all(run.location)
    return outcome


def _outcome(run: Run, scoring: Scoring, *, seconds: float) -> Outcome:
    with local_copy(run.model, GENERATOR_FILES) as folder:
        about = read_about(folder)
    return Outcome(
        state="finished",
        steps=about["step"],
        seconds=seconds,
        parameters=scoring.parameters,
        progressive=scoring.progressive,
        one_shot=scoring.one_shot,
        curve=tuple((step, psnr) for step, psnr in about["curve"]),
        run_id=run.run_id,
    )


def _track(run: Run, outcome: Outcome, samples: bytes) -> None:
    """Put the scores beside the curves of the trial's run in MLflow."""
    assert outcome.progressive is not None
    assert outcome.one_shot is not None
    scores = {"progressive": outcome.progressive, "one_shot": outcome.one_shot}
    values = {
        f"final/{method}/{name}": value
        for method, means in scores.items()
        for name, value in means.items()
    }
    uri, run_id = run.config.tracking.uri, str(run.run_id)
    log_once(uri, run_id, outcome.steps, values)
    log_artifact_bytes(uri, run_id, samples, "final/samples.png")


def _end_of(outcome: Outcome) -> dict[str, Any]:
    """Turn an outcome into the keys of a trial's last result."""
    psnr = FAILED_PSNR if outcome.progressive is None else outcome.progressive["psnr"]
    return {"ended": outcome.state, "reason": outcome.reason, "step": outcome.steps, "psnr": psnr}


def _reason(error: Exception) -> str:
    mistake = unwrap(error)
    if mistake is not None:
        return one_line(mistake)
    return printable(one_line(f"{type(error).__name__}: {str(error).strip()[-600:]}"))
