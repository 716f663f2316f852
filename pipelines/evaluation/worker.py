"""Measuring units, as it runs on the cluster: rows are written where they are made."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from isnet.lpips import build_lpips
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.job import Job
from pipelines.evaluation.measuring import Row, measure_samples
from pipelines.evaluation.outcome import Candidate
from pipelines.evaluation.rows import LPIPS_COLUMNS, SCHEMA, Method
from pipelines.evaluation.samples import Sample, decode_samples
from pipelines.evaluation.units import Unit
from pipelines.machine import exact_float32
from pipelines.reading import read_pictures_at
from pipelines.shards import HELD_OUT_MASKS
from pipelines.storage import join, write_or_explain


class Measurer:
    """Ray Data callable: column `unit` (JSON) in, what came of it out; the rows lie in its part."""

    def __init__(self, job: Job) -> None:
        """Load what every unit needs; networks come with the first unit that wants them."""
        torch.set_num_threads(1)  # each process has reserved one CPU
        exact_float32()
        self._job = job
        self._lpips = {LPIPS_COLUMNS[name]: build_lpips(name) for name in job.lpips}
        self._loaded: tuple[Candidate, dict[Method, Fill]] | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Measure one unit after the other; count its items, its rows, and those without scores."""
        units = [Unit.from_json(text) for text in batch["unit"]]
        counts = [(len(unit.items), *self._write(unit)) for unit in units]
        columns = zip(("items", "rows", "failed"), zip(*counts, strict=True), strict=True)
        return {name: np.array(column) for name, column in columns}

    def _write(self, unit: Unit) -> tuple[int, int]:
        rows = self._rows(unit)
        buffer = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), buffer)
        write_or_explain(join(self._job.output, unit.part), buffer.getvalue())
        return len(rows), sum(row.get("error") is not None for row in rows)

    def _rows(self, unit: Unit) -> list[Row]:
        candidate = self._job.candidates[unit.candidate]
        samples = read_samples(self._job, unit)
        device = self._job.device_of(candidate)
        lpips = {name: network.to(device) for name, network in self._lpips.items()}
        rows: list[Row] = []
        for method, fill in self._fills(candidate).items():
            found = measure_samples(samples, method, fill, device=device, lpips=lpips)
            for place, own in zip(unit.items, found, strict=True):
                rows += [{"item": place, "model": candidate.name, **row} for row in own]
        return rows

    def _fills(self, candidate: Candidate) -> dict[Method, Fill]:
        if self._loaded is None or self._loaded[0] != candidate:
            self._loaded = None  # the last one's memory comes first
            self._loaded = candidate, self._job.fills(candidate, self._job.network(candidate))
        return self._loaded[1]


def read_samples(job: Job, unit: Unit) -> list[Sample]:
    """Read and decode a unit's items, in their order."""
    part = job.work.only(unit.items)
    images = read_pictures_at(job.data, job.manifest, "images", part.split, unit.image_rows)
    masks = read_pictures_at(job.data, job.manifest, "masks", HELD_OUT_MASKS, unit.mask_rows)
    return decode_samples(job.data, job.manifest, part, images, masks)
