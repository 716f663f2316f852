"""A bulk job from its configuration to its results."""

from __future__ import annotations

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import ray

from isnet.config import InputError
from pipelines import logs
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.measuring import measure_all
from pipelines.bulk.outcome import Outcome
from pipelines.bulk.output import claim_output, remove_leftovers
from pipelines.bulk.recording import open_record
from pipelines.bulk.reporting import Reporter
from pipelines.bulk.results import FOLDER, RESULTS, Counts, find_parts, join_parts
from pipelines.bulk.running import choose_device, choose_pool, fill_units, local_cpus
from pipelines.bulk.survey import Survey, survey
from pipelines.bulk.units import make_units
from pipelines.bulk.worker import Job
from pipelines.claim import Claim, ClaimLostError
from pipelines.cli import one_line, unwrap
from pipelines.cluster import connect
from pipelines.logs import say
from pipelines.shared_storage import require_shared
from pipelines.signals import terminable
from pipelines.storage import join, printable, write_or_explain

_log = logging.getLogger(__name__)


def run_job(config: InpaintConfig) -> Outcome:
    """Fill the pictures of a job, or go on with one that was interrupted.

    Args:
        config: resolved.

    Raises:
        InputError: what is asked cannot be done; results that were written stay.
        Terminated: SIGTERM came. The same job goes on from there.

    """
    found = survey(config)
    logs.set_up(bulk_job=printable(config.output))
    print("\n".join(found.lines()), flush=True)
    claim_output(config.output, found.identity)
    claim = Claim.take(join(config.output, FOLDER))
    connect(num_cpus=local_cpus(config))
    # Ray's own handler of SIGTERM, which aborts, is there by now.
    with terminable(), Reporter(config.output, total=len(found.collection)) as reporter:
        try:
            outcome = _run(found, claim, reporter)
        except ClaimLostError as lost:
            reporter.leave()
            raise InputError(str(lost)) from lost
        except KeyboardInterrupt:
            reporter.end("interrupted")
            raise
        except Exception as error:
            reporter.end("failed", one_line(unwrap(error) or error))
            raise
        reporter.end("stopped" if outcome.stopped else "finished")
    return outcome


def _run(found: Survey, claim: Claim, reporter: Reporter) -> Outcome:
    config, collection = found.config, found.collection
    device = choose_device(config)
    pool = choose_pool(config, device, len(collection))
    require_shared(config.output, collection.places())
    reference = ray.put(collection)
    units = make_units(measure_all(collection, reference, config, pool, reporter))
    parts = find_parts(config.output)
    waiting = _unfinished(parts, units)
    job = Job(
        config=config,
        collection=reference,
        generator=found.model.config,
        weights=ray.put(found.model.generator.state_dict()),
        device=device,
        claim=claim,
    )
    with open_record(found, reporter) as record:
        kept = {number: counts.done for number, counts in parts.items()}
        reporter.begin(done=sum(kept.values()), run_id=record.run_id)
        outcome = _fill(job, waiting, reporter, kept)
        if not outcome.stopped:
            _finish(found, len(units))
        record.close(outcome, units)
    return outcome


def _unfinished(
    parts: Mapping[int, Counts], units: Sequence[np.ndarray]
) -> Mapping[int, np.ndarray]:
    """Units that no earlier start has finished, and those with pictures that failed then."""
    whole = {number for number, counts in parts.items() if not counts.failed}
    return {number: items for number, items in enumerate(units) if number not in whole}


def _fill(
    job: Job, waiting: Mapping[int, np.ndarray], reporter: Reporter, kept: Mapping[int, int]
) -> Outcome:
    """Fill units until all are done, or too many pictures have failed.

    Args:
        job: what is filled, and how.
        waiting: the units, by number.
        reporter: counts what is done.
        kept: pictures that earlier starts have filled, by unit.

    """
    started = time.monotonic()
    reasons: Counter[str] = Counter()
    most = job.config.max_failures
    stopped = False
    if waiting:
        pool = choose_pool(job.config, job.device, len(waiting))
        say(_log, f"filling on {pool}")
        for report in fill_units(job, waiting, pool):
            job.claim.require()
            reasons.update(report["reasons"])
            new = report["done"] - kept.get(report["unit"], 0)
            reporter.advance(new, report["reasons"], report["failures"])
            stopped = most is not None and reasons.total() > most
            if stopped:
                break
    progress = reporter.progress
    return Outcome(
        total=progress.total,
        done=progress.done,
        kept=sum(kept.values()),
        failed=progress.failed,
        reasons=dict(reasons.most_common()),
        failures=progress.failures,
        seconds=time.monotonic() - started,
        stopped=stopped,
    )


def _finish(found: Survey, units: int) -> None:
    """Leave the table, and nothing of processes that were killed."""
    output = found.config.output
    about = {"model": found.model.location, **found.identity}
    with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
        table = Path(folder) / RESULTS
        join_parts(output, units, table, about)
        write_or_explain(join(output, RESULTS), table.read_bytes())
    remove_leftovers(output)
