"""From what a client asks to a job that can run: places that it may use, the model, resources."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from isnet.config import InputError, ReconstructionConfig
from isnet.keying import parse_colour
from pipelines.bulk.config import ALPHA, CHROMA, COLUMN, InpaintConfig
from pipelines.confinement import Roots
from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs.archives import require_usable
from pipelines.serving.jobs.record import OUTPUT, UPLOAD, JobRecord
from pipelines.serving.jobs.request import JobBody, JobOptions, read_options
from pipelines.serving.jobs.uploads import MASKS, PICTURES, Form
from pipelines.serving.regions import ModelLocation
from pipelines.storage import absolute, join, printable
from pipelines.tracking.runs import TrackingConfig
from pipelines.tracking.server import resolve_uri

_NICENESS = 10
"""On cores that it shares with the endpoint's replicas a job gives way to them."""


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A client's wish for a job."""

    id: str
    """32 hexadecimal digits that no other job has."""
    owner: str
    model: ModelLocation
    """What is served now: the job keeps to it, whatever is served later."""


def upload_folder(settings: EndpointSettings, job: str) -> str:
    """Say where the files of a job are put."""
    return join(_jobs_folder(settings), job, UPLOAD)


def plan_paths(request: JobRequest, body: JobBody, settings: EndpointSettings) -> JobRecord:
    """Plan a job over pictures that the cluster sees.

    Raises:
        ApiError: a place that jobs may not use, or what no job can do.

    """
    if not settings.job_roots:
        raise ApiError(
            422,
            "no_roots",
            "this endpoint's jobs take uploads only; job_roots names folders for others",
        )
    roots = Roots(tuple(map(absolute, settings.job_roots)))
    try:
        _require_colour(body.masks)
        elsewhere = not body.masks.startswith((CHROMA, COLUMN)) and body.masks != ALPHA
        places = {
            "input": roots.resolve(body.input, "input"),
            "masks": roots.resolve(body.masks, "masks") if elsewhere else body.masks,
            "output": roots.resolve(body.output, "output"),
        }
        config = _configure(request, body, settings, within=roots.locations, **places)
    except InputError as error:
        raise ApiError(422, "invalid_input", str(error)) from error
    shown = {name: printable(getattr(body, name)) for name in places}
    return _record(request, config, body, uploaded=False, **shown)


def plan_upload(request: JobRequest, form: Form, settings: EndpointSettings) -> JobRecord:
    """Plan a job over pictures that were sent.

    Raises:
        ApiError: what is missing, or cannot be used.

    """
    texts = dict(form.texts)
    sent = {name: file for name, file in form.files.items() if file.size}
    masks = sent.get(MASKS) or texts.pop(MASKS, None)
    pictures = sent.get(PICTURES)
    if pictures is None:
        raise ApiError(400, "bad_request", f"no file {PICTURES!r} was sent, or an empty one")
    if not masks:
        raise ApiError(400, "bad_request", f"{MASKS!r} is missing; send a file, or alpha")
    if not pictures.archive:
        raise ApiError(422, "no_archive", f"{pictures.name} is no zip archive; send one")
    options = read_options(texts)
    unpacked = require_usable(list(sent.values()), settings)
    try:
        inside = _inside_picture(masks) if isinstance(masks, str) else None
        config = _configure(
            request,
            options,
            settings,
            within=(join(_jobs_folder(settings), request.id),),
            input=pictures.location,
            masks=inside or masks.location,  # type: ignore[union-attr]
            output=join(_jobs_folder(settings), request.id, OUTPUT),
        )
    except InputError as error:
        raise ApiError(422, "invalid_input", str(error)) from error
    return _record(
        request,
        config,
        options,
        uploaded=True,
        input=pictures.name,
        masks=inside or masks.name,  # type: ignore[union-attr]
        output=None,
        # The results may take as much as the pictures; measured once they are there.
        stored_bytes=sum(file.size for file in sent.values()) + unpacked,
    )


def _inside_picture(masks: str) -> str:
    """Accept masks that the pictures themselves hold."""
    if masks != ALPHA and not masks.startswith(CHROMA):
        raise InputError(f"masks is {masks[:60]!r}; send a file, or alpha, or chroma:00ff00")
    _require_colour(masks)
    return masks


def _require_colour(masks: str) -> None:
    if masks.startswith(CHROMA):
        parse_colour(masks.removeprefix(CHROMA))


def _configure(
    request: JobRequest, options: JobOptions, settings: EndpointSettings, **places: Any
) -> InpaintConfig:
    passes = options.passes or settings.max_passes
    reconstruction = ReconstructionConfig(
        kernel_size=settings.kernel_size,
        threshold=settings.threshold if options.threshold is None else options.threshold,
        max_passes=min(passes, settings.max_passes),
    )
    return InpaintConfig(
        checkpoint=request.model.place,
        mask_suffix=options.mask_suffix,
        mask_polarity=options.mask_polarity,
        chroma_tolerance=options.chroma_tolerance,
        strategy=options.strategy,
        format=options.format,
        quality=options.quality,
        max_failures=options.max_failures,
        reconstruction=reconstruction,
        tracking=TrackingConfig(uri=resolve_uri(settings.tracking_uri)),
        niceness=_NICENESS,
        **_resources(settings),
        **places,
    )


def _resources(settings: EndpointSettings) -> dict[str, Any]:
    return {
        "scale": settings.scale,
        "precision": settings.precision,
        "backend": settings.backend,
        "device": "gpu" if settings.job_gpus else "cpu",
        "actors": str(settings.job_actors),
        "cpus_per_actor": settings.job_cpus,
        "gpus_per_actor": settings.job_gpus or 1.0,
        "max_batch": settings.max_batch,
        "max_pixels": settings.max_pixels,
        "max_region_pixels": settings.max_region_pixels,
    }


def _record(
    request: JobRequest, config: InpaintConfig, options: JobOptions, **shown: Any
) -> JobRecord:
    return JobRecord(
        id=request.id,
        owner=request.owner,
        config=asdict(config),
        options=options.model_dump(include=set(JobOptions.model_fields)),
        model_version=request.model.version,
        submitted=time.time(),
        **shown,
    )


def _jobs_folder(settings: EndpointSettings) -> str:
    assert settings.jobs_folder is not None
    return absolute(settings.jobs_folder)
