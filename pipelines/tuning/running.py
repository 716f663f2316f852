"""Running a campaign's trials by Ray Tune, and noting on the driver how each of them ended."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import optuna
import ray
from ray import tune
from ray.actor import ActorHandle
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from pipelines.claim import Claim
from pipelines.cli import one_line
from pipelines.logs import say
from pipelines.progress import clock
from pipelines.seeding import stable_hash
from pipelines.signals import on_first_signal
from pipelines.storage import join, open_filesystem, printable
from pipelines.tracking.runs import finish_run
from pipelines.training.link import new_link
from pipelines.training.runs import recorded_run_id
from pipelines.tuning.config import VALIDATIONS
from pipelines.tuning.folder import Campaign, Outcome
from pipelines.tuning.metrics import CampaignMetrics
from pipelines.tuning.room import TRIAL_CPUS
from pipelines.tuning.space import domains
from pipelines.tuning.trial import PLANNED, STOPPING_S, TrialRunner
from pipelines.tuning.trials import proposed

_log = logging.getLogger(__name__)

_POLL_S = 0.5
_REDUCTION = 3
"""ASHA goes on with the better third of the trials at each rung."""


def run_trials(campaign: Campaign, claim: Claim, at_once: int) -> None:
    """Train every trial that has no outcome yet; return when all have one, or on interruption.

    Args:
        campaign: placed, with its run in MLflow.
        claim: to the campaign's folder; once lost, the trials are another command's.
        at_once: trials that train at the same time.

    """
    points = _points(campaign)
    if points is not None and not points:
        return
    metrics = CampaignMetrics(str(campaign.config.name))
    notes = _Notes(campaign, claim, metrics)
    filesystem, storage_path = open_filesystem(campaign.location)
    # Ray Tune's own tables and curves: ours are in MLflow and in the report.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # draws boxes, however quiet it is to be
    for name in ("ray.tune.analysis.experiment_analysis", "ray.tune.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    halt = new_link()
    runner = tune.with_parameters(TrialRunner, campaign=campaign, claim=claim, halt=halt)
    tuner = tune.Tuner(
        tune.with_resources(runner, {"CPU": TRIAL_CPUS}),
        param_space=_param_space(campaign, points),
        tune_config=tune.TuneConfig(
            metric="psnr",
            mode="max",
            search_alg=_optuna(campaign) if points is None else None,
            scheduler=_scheduler(campaign),
            num_samples=campaign.config.trials if points is None else 1,
            max_concurrent_trials=at_once,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=storage_path,
            storage_filesystem=filesystem,
            # A trial is resumed from its training run's own checkpoints.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=campaign.config.max_failures),
            callbacks=[notes],
            verbose=0,
        ),
    )
    end_softly = partial(_end_softly, halt, notes)
    with closing(metrics), on_first_signal((signal.SIGTERM, signal.SIGINT), end_softly):
        tuner.fit()


def _points(campaign: Campaign) -> list[str] | None:
    """Names of the planned trials to run; None where they are proposed one by one."""
    if campaign.is_adaptive:
        return None
    trials = campaign.definition.trials
    waiting = [trial.name for trial in trials if campaign.outcome(trial.name) is None]
    if campaign.config.asha and waiting:
        # It compares with what the others had at the same step, and they tell it again.
        return [trial.name for trial in trials]
    return waiting


def _param_space(campaign: Campaign, points: Sequence[str] | None) -> dict[str, Any]:
    if points is None:
        return dict(domains(campaign.definition.space))
    return {PLANNED: tune.grid_search(list(points))}


def _optuna(campaign: Campaign) -> Searcher:
    """Make Optuna's sampler; the trials of an interrupted campaign come first, as they were."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    begun = [dict(trial.overrides) for trial in campaign.begun()]
    return OptunaSearch(
        metric="psnr",
        mode="max",
        # The sampler begins anew: with the same seed it would propose what it has proposed.
        seed=stable_hash(campaign.config.seed, len(begun)) % 2**32,
        points_to_evaluate=begun or None,
    )


def _scheduler(campaign: Campaign) -> TrialScheduler:
    if not campaign.config.asha:
        return FIFOScheduler()
    steps = campaign.config.samples_per_trial // campaign.config.batch_size
    return ASHAScheduler(
        time_attr="step",
        max_t=steps + 1,
        grace_period=max(1, steps // VALIDATIONS),
        reduction_factor=_REDUCTION,
    )


def _end_softly(halt: ActorHandle, notes: _Notes) -> None:
    """Let the trials under way end, each with a last checkpoint, and then Ray Tune.

    Its own way, on Ctrl-C, kills them after ten seconds.
    """
    say(_log, "ending: each trial under way writes a last checkpoint")
    remote: Any = halt
    ray.get(remote.request_stop.remote())
    under_way, until = set(notes.under_way), time.monotonic() + STOPPING_S
    while under_way & notes.under_way and time.monotonic() < until:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGUSR1)  # Ray Tune's word for an interruption


class _Notes(tune.Callback):
    """Prints how the campaign goes, and notes the trials that failed or were ended early.

    Finished trials note themselves. Failures are noted here: a trial whose driver has died has not
    failed, whatever it saw last.
    """

    def __init__(self, campaign: Campaign, claim: Claim, metrics: CampaignMetrics) -> None:
        self._campaign, self._claim, self._metrics = campaign, claim, metrics
        self._curves: dict[str, dict[int, float]] = {}
        self.under_way: set[str] = set()
        """Trials that Ray Tune has started, by its own ids."""
        self._began, self._ended = time.monotonic(), 0
        outcomes = {trial.name: campaign.outcome(trial.name) for trial in campaign.listed()}
        self._states = {name: outcome.state for name, outcome in outcomes.items() if outcome}
        self._tell()

    def __getstate__(self) -> dict[str, Any]:
        """Keep out of Ray Tune's files, which would hold the passwords of URIs."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        """Know which trials are under way."""
        self.under_way.add(trial.trial_id)
        self._tell()

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Print a validation, or how the trial ended."""
        name, ended = result["trial"], result.get("ended")
        if ended is None:
            self._curves.setdefault(name, {})[result["step"]] = result["psnr"]
            self._metrics.validated(result["psnr"])
            step, psnr = result["step"], result["psnr"]
            self._say(name, f"step {step}  PSNR {psnr:.2f} dB", step=step, psnr_db=psnr)
        elif ended == "failed":
            self._note(name, "failed", result["reason"], result["step"])
        elif ended == "interrupted":
            self._say(name, f"interrupted at step {result['step']}", step=result["step"])
        else:
            self._count(name, ended, f"PSNR {result['psnr']:.2f} dB")

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        """Note a trial that the scheduler has ended."""
        self.under_way.discard(trial.trial_id)
        result = trial.last_result or {}
        if "trial" in result and result.get("ended") is None:
            reason = f"ASHA ended it at step {result['step']}: others were better there"
            self._note(result["trial"], "stopped", reason, result["step"])
        self._tell()

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        """Note a trial whose process has died too often."""
        self.under_way.discard(trial.trial_id)
        name = trial.config.get(PLANNED) or proposed(trial.config).name
        text = one_line(trial.get_error() or "its process died")
        self._note(name, "failed", printable(text[:600]), 0)
        self._tell()

    def _note(self, name: str, state: Any, reason: str, step: int) -> None:
        if self._claim.is_lost() or self._campaign.outcome(name) is not None:
            return  # another command's, or told again by a trial that has ended before
        run_id = recorded_run_id(join(self._campaign.trials, name))
        curve = tuple(self._curves.get(name, {}).items())
        self._campaign.conclude(
            name, Outcome(state=state, reason=reason, steps=step, curve=curve, run_id=run_id)
        )
        if state == "failed" and run_id is not None:
            finish_run(self._campaign.config.tracking.uri, run_id, "FAILED")
        self._count(name, state, reason)

    def _tell(self) -> None:
        """Tell Prometheus of the trials' states."""
        self._metrics.counted(
            Counter(self._states.values()),
            running=len(self.under_way),
            total=self._campaign.total,
        )

    def _say(self, name: str, message: str, **numbers: Any) -> None:
        say(_log, f"{name}  {message}", trial=name, **numbers)

    def _count(self, name: str, state: Any, what: str) -> None:
        self._ended += 1
        self._states[name] = state
        total = self._campaign.total
        done = sum(1 for trial in self._campaign.listed() if self._campaign.outcome(trial.name))
        left = (time.monotonic() - self._began) / self._ended * max(0, total - done)
        rest = f"({done} of {total} trials, about {clock(left)} left)"
        self._say(name, f"{state}: {what}  {rest}", state=state, done=done, total=total)
