"""The deployment that holds the network: regions in, their fills out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import torch
from ray import serve

from isnet.config import InputError, ReconstructionConfig
from isnet.inference import InferenceGenerator
from isnet.progress import Progress
from pipelines.cli import one_line
from pipelines.serving.batching import PassBatcher
from pipelines.serving.config import EndpointSettings
from pipelines.serving.loading import ServedModel, load_served
from pipelines.serving.metrics import ModelMetrics
from pipelines.serving.regions import ModelLocation, RegionFill, RegionRequest
from pipelines.serving.replica_port import keep_to_loopback
from pipelines.storage import printable
from pipelines.tasks import require_fitting

_log = logging.getLogger("ray.serve")


class InpaintingModel:
    """One copy of the network, with a queue of regions before it. A `Solver`."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Prepare for `reconfigure`, which loads the network."""
        keep_to_loopback()
        torch.set_num_threads(settings.model_cpus)
        self._settings = settings
        self._wanted: dict[str, Any] | None = None
        self._served: ServedModel | None = None
        self._error: str | None = None
        self._batcher = PassBatcher(
            max_batch=settings.max_batch,
            max_pixels=settings.max_region_pixels,
            metrics=ModelMetrics(),
        )

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Load a model, and serve it from the next region on.

        Regions that are on their way end with the model they began with. A model that cannot be
        loaded does not take the endpoint down: the one before goes on, and `describe` says why.

        Args:
            user_config: `checkpoint`, the model's location. Serve calls this for any change in
                it, so that another `revision` has an alias looked up again.

        Raises:
            InputError: the first model cannot be loaded.

        """
        if user_config == self._wanted:
            return  # Serve also calls this when replicas are numbered anew
        self._wanted = user_config
        location = str(user_config.get("checkpoint", ""))
        try:
            self._served = await self._load(location)
        except Exception as error:
            if self._served is None:
                raise
            # Whatever it is, such as no memory for two models: Serve would end the replica.
            self._error = f"{printable(location)} was not loaded: {one_line(error)}"
            expected = isinstance(error, InputError)
            _log.error("%s; serving %s", self._error, self._served.version, exc_info=not expected)
        else:
            self._error = None
            _log.info("serving %s", self._served.version)

    async def _load(self, location: str) -> ServedModel:
        if not location:
            raise InputError(
                "no checkpoint is named; give the deployment Model one in its user_config, such as "
                "models:/isnet@champion"
            )
        return await asyncio.to_thread(
            load_served,
            location,
            tracking_uri=self._settings.tracking_uri,
            precision=self._settings.precision,
            backend=self._settings.backend,
        )

    async def solve(self, request: RegionRequest) -> RegionFill | InputError:
        """Fill a region, or say why that cannot be."""
        async with aclosing(self._run(request, every_pass=False)) as answers:
            async for made in answers:
                return made
        raise AssertionError("a region ends with a fill")

    async def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill | InputError]:
        """Fill a region, and show it after each pass; or say why that cannot be."""
        async with aclosing(self._run(request, every_pass=True)) as answers:
            async for made in answers:
                yield made

    async def describe(self) -> dict[str, Any]:
        """Say which model is served, and why a wanted one is not."""
        return {**self._loaded().description, "error": self._error}

    async def location(self) -> ModelLocation:
        """Say where the model that is served lies, for jobs; clients are not told."""
        served = self._loaded()
        return ModelLocation(place=served.place, version=served.version)

    def check_health(self) -> None:
        """Fail where passes are no longer made; Serve then starts another replica."""
        if not self._batcher.healthy:
            raise RuntimeError("passes are no longer made")

    async def _run(
        self, request: RegionRequest, *, every_pass: bool
    ) -> AsyncGenerator[RegionFill | InputError]:
        served = self._loaded()
        try:
            # In a thread: the region may be a whole photograph, of which passes compute little.
            progress = await asyncio.to_thread(self._begin, served.generator, request)
        except InputError as refusal:
            yield refusal
            return
        passes = self._batcher.run(served.generator, progress, every_pass=every_pass)
        async with aclosing(passes):
            async for made in passes:
                yield RegionFill(model_version=served.version, **vars(made))

    def _begin(self, generator: InferenceGenerator, request: RegionRequest) -> Progress:
        require_fitting(
            request.hole,
            context=generator.context,
            max_region_pixels=self._settings.max_region_pixels,
        )
        return Progress(
            request.colours,
            request.hole,
            self._reconstruction(request),
            device=generator.device,
            context=generator.context,
        )

    def _loaded(self) -> ServedModel:
        assert self._served is not None, "Serve calls reconfigure before anything else"
        return self._served

    def _reconstruction(self, request: RegionRequest) -> ReconstructionConfig:
        settings = self._settings
        threshold = settings.threshold if request.threshold is None else request.threshold
        passes = settings.max_passes if request.passes is None else request.passes
        return ReconstructionConfig(
            kernel_size=settings.kernel_size,
            threshold=threshold,
            max_passes=min(passes, settings.max_passes),
        )


ModelDeployment = serve.deployment(name="Model")(InpaintingModel)
