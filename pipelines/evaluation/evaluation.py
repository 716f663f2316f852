"""An evaluation from its plan to what its report is made of."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import ray

from isnet.config import InputError
from isnet.lpips import SMALLEST, build_lpips
from isnet.masks import SUSPICIOUS_MEAN_RATIO
from isnet.vgg_weights import PackageNetwork
from pipelines.cluster import connect
from pipelines.evaluation.candidates import Entrant
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.examining import Findings, examine_all
from pipelines.evaluation.job import Job, versions
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.parts import join_parts
from pipelines.evaluation.plan_file import keep_plan
from pipelines.evaluation.running import choose_devices, choose_pool, measure_all
from pipelines.evaluation.units import make_units
from pipelines.evaluation.work import Work
from pipelines.logs import warn
from pipelines.shards import MANIFEST, Manifest
from pipelines.shared_storage import require_shared
from pipelines.storage import join, printable, write_or_explain
from pipelines.tracking.runs import git_commit

_log = logging.getLogger(__name__)

SCORES = "scores.parquet"
"""The per-image table, below the output."""


def evaluate(
    config: EvaluateConfig, manifest: Manifest, work: Work, entrants: Sequence[Entrant]
) -> tuple[EvaluationOutcome, Findings]:
    """Measure every entrant on the plan, or go on with an evaluation that was interrupted.

    Args:
        config: resolved.
        manifest: of the data.
        work: from `find_plan`.
        entrants: from `find_entrants`.

    Raises:
        InputError: an output that cannot be written, data that cannot be read, or a cluster that
            has not what was asked for.

    """
    lpips = usable_lpips(config.lpips, manifest.size)
    connect()
    devices = choose_devices(config, [entrant.candidate for entrant in entrants])
    for device in devices.values():
        choose_pool(config, device, len(work.items))
    require_shared(config.output, [("--data", config.data, join(config.data, MANIFEST))])
    keep_plan(work, config.output)
    job = Job(
        data=config.data,
        manifest=manifest,
        work=work,
        output=config.output,
        candidates=tuple(entrant.candidate for entrant in entrants),
        states={
            entrant.candidate.name: ray.put(entrant.state)
            for entrant in entrants
            if entrant.state is not None
        },
        lpips=tuple(lpips),
        reconstruction=config.reconstruction,
        devices=devices,
    )
    facts = _facts(config, job, lpips)
    scores = _scores(config, job, facts)
    findings = examine_all(job, latency_images=config.latency_images)
    outcome = EvaluationOutcome(
        candidates=job.candidates,
        scores=scores,
        work=work,
        published=config.published,
        timings=findings.timings,
        examples=findings.examples,
        facts=facts,
        warnings=(*polarity_warning(manifest), *findings.warnings),
    )
    return outcome, findings


def polarity_warning(manifest: Manifest) -> tuple[str, ...]:
    """Say that the masks were probably prepared with the wrong polarity, where that is so."""
    ratio = manifest.mean_hole_ratio
    if ratio <= SUSPICIOUS_MEAN_RATIO:
        return ()
    return (
        f"The data set's masks cover {ratio:.0%} of a picture on average: were they prepared with "
        "the wrong polarity? Look at them with prepare.py inspect.",
    )


def usable_lpips(asked: Sequence[PackageNetwork], size: int) -> dict[PackageNetwork, str]:
    """Leave out, with a warning, networks of LPIPS that cannot measure here; name their weights."""
    usable: dict[PackageNetwork, str] = {}
    for name in asked:
        try:
            if size < SMALLEST[name]:
                raise InputError(f"pictures of {size}x{size} are too small for it")
            source = build_lpips(name).source
        except InputError as error:
            warn(_log, f"LPIPS on {name} is not measured: {error}")
        else:
            usable[name] = source
    return usable


def _scores(config: EvaluateConfig, job: Job, facts: Mapping[str, str]) -> pd.DataFrame:
    """Measure what is missing, and leave the per-image table in the output."""
    units = list(make_units(job))
    measure_all(config, job, units)
    models = [
        {"name": each.name, "location": each.location, "fingerprint": each.fingerprint}
        for each in job.candidates
    ]
    about = {"work": job.work.hash, "data": job.work.data_hash, "models": models, **facts}
    with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
        table = Path(folder) / SCORES
        join_parts(job.output, units, table, about)
        write_or_explain(join(job.output, SCORES), table.read_bytes())
        return pd.read_parquet(table)


def _facts(config: EvaluateConfig, job: Job, lpips: Mapping[PackageNetwork, str]) -> dict[str, str]:
    """What the scores stand on, ready to print."""
    reconstruction = config.reconstruction
    libraries = [f"{name} {version}" for name, version in versions().items()]
    return {
        "data": f"{printable(config.data)}, {job.manifest.size}x{job.manifest.size}",
        "plan": printable(config.plan) if config.plan else f"seed {config.seed}",
        "PRA": f"kernel {reconstruction.kernel_size}, threshold {reconstruction.threshold:g}, "
        f"at most {reconstruction.max_passes} passes",
        "computed on": ", ".join(
            f"{'GPU' if device == 'cuda' else 'CPU'} ({what})"
            for what, device in job.devices.items()
        ),
        "LPIPS": "; ".join(lpips.values()) or "not measured",
        "libraries": ", ".join(libraries),
        "code": git_commit(Path(__file__).parent)[:12],
    }
