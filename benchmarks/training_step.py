"""One variant of the training step, timed in this process; benchmarks/training.py compares them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.crops import Crops
from benchmarks.devices import Memory, device_name, find_device, use_threads, wait_for
from benchmarks.measuring import check_figure
from benchmarks.options import MachineOptions
from benchmarks.plain_step import PlainTrainer
from benchmarks.roofline.peaks import gemm_flop_s
from isnet.config import (
    SIZE_MULTIPLE,
    DiscriminatorConfig,
    GeneratorConfig,
    InputError,
    LossConfig,
    OptimizerConfig,
)
from isnet.discriminator import build_discriminator
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss
from isnet.training import GanTrainer
from isnet.vgg import build_extractor

Step = Callable[[Tensor, Tensor], dict[str, Tensor]]

_MATMUL_SIDE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a step is computed."""

    plain: bool = False
    """Every convolution normalised by itself, as published; else isnet's trainer."""
    seed: int = 0
    """Of the networks' first weights."""
    tf32: bool = False
    """Convolutions in TensorFloat-32 where the rest is float32, as PyTorch does unless told."""
    channels_last: bool = False
    fused: bool = False
    bf16: bool = False
    accumulate: int = 1
    batched_norms: bool | None = False
    """Spectral norms of one shape together; None: on a GPU, as train.py does."""
    compiled: bool = False

    @property
    def for_gpu(self) -> bool:
        """Whether a CPU has nothing of it that another variant does not have."""
        return self.tf32 and self.plain


SENSIBLE = Variant(tf32=True, channels_last=True, fused=True, batched_norms=None)
VARIANTS = {
    "plain": Variant(plain=True),
    "plain_other_seed": Variant(plain=True, seed=1),
    "plain_tf32": Variant(plain=True, tf32=True),
    "step": Variant(),
    "channels_last": Variant(channels_last=True),
    "fused": Variant(fused=True),
    "bf16": Variant(bf16=True),
    "accumulate": Variant(accumulate=2),
    "batched_norms": Variant(batched_norms=True),
    "compile": Variant(compiled=True),
    "default": SENSIBLE,
    "default_bf16": replace(SENSIBLE, bf16=True),
    "all": replace(SENSIBLE, bf16=True, compiled=True),
}
"""`step` is isnet's trainer without any option, and each option is added to it alone. `default` is
what pipelines/train.py does in fp32, `default_bf16` where the device computes in bf16."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(MachineOptions):
    """The step, and how often it is timed."""

    size: int = 64
    """side of the pictures, a multiple of 16"""
    batch: int = 8
    """pictures of a step"""
    channels: int = 8
    """width of the generator; the discriminator is twice as wide, as in the paper"""
    blocks: int = 1
    """residual blocks of the generator"""
    extractor: str = "vgg16"
    """features of Eq. 5: vgg16, or random where its weights are missing"""
    photos: str = "samples"
    """folder with the photographs that crops are cut from"""
    steps: int = 20
    """steps that count, of each variant in each round"""
    warm_up: int = 3
    """steps before them; compiling falls into the first"""
    repeats: int = 3
    """rounds; each times every variant"""
    variants: str = ""
    """variants to time, with commas; all that the device has a use for, if empty"""
    figure: str = ""
    """picture to write of the loss curves, .png"""

    def check(self) -> None:
        """Refuse what could not be measured."""
        super().check()
        check_figure(self.figure)
        for name in ("batch", "steps", "warm_up", "repeats"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"--{name.replace('_', '-')} is {value}; give 1 or more")
        if self.size < SIZE_MULTIPLE or self.size % SIZE_MULTIPLE:
            raise InputError(f"--size {self.size} must be a multiple of {SIZE_MULTIPLE}")
        if not any(Path(self.photos).glob("*.jpg")):
            raise InputError(f"--photos {self.photos} has no *.jpg; give a folder that has some")
        self.networks()
        self.chosen()

    def chosen(self) -> list[str]:
        """List the variants to time, plain first."""
        on_gpu = find_device(self.device).type == "cuda"
        fitting = [name for name, variant in VARIANTS.items() if on_gpu or not variant.for_gpu]
        names = self.variants.split(",") if self.variants else fitting
        unknown = [name for name in names if name not in VARIANTS]
        if unknown:
            raise InputError(f"unknown variant {unknown[0]!r}; choose of {', '.join(VARIANTS)}")
        return ["plain", *(name for name in names if name != "plain")]

    def networks(self) -> tuple[GeneratorConfig, DiscriminatorConfig]:
        """Return both networks' configurations."""
        generator = GeneratorConfig(blocks=self.blocks, channels=self.channels)
        return generator, DiscriminatorConfig(channels=2 * self.channels)


def time_variant(config: TrainingOptions, variant: Variant) -> dict[str, Any]:
    """Take the steps of a variant.

    Returns:
        `seconds` of the steps that count and `first_s`, which holds the compiling; the terms
        `generator` and `l1` of every step; `peak_bytes`; `matmul_flop_per_s`, what this device
        reaches in this precision in a large product of matrices; `device`.

    """
    use_threads(config.threads)
    device = find_device(config.device)
    torch.backends.cudnn.allow_tf32 = variant.tf32
    step = _step(config, variant, device)
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    crops = Crops(Path(config.photos), size=config.size, batch=config.batch)
    memory = Memory(device)
    seconds, terms = [], []
    for image, valid in islice(crops, config.warm_up + config.steps):
        image, valid = image.to(device, memory_format=layout), valid.to(device)
        wait_for(device)
        began = time.perf_counter()
        values = step(image, valid)
        wait_for(device)
        seconds.append(time.perf_counter() - began)
        terms.append(torch.stack([values["generator"], values["l1"]]).tolist())
    peak = memory.peak_bytes()  # before the large product of matrices
    return {
        "seconds": seconds[config.warm_up :],
        "first_s": seconds[0],
        "generator": [generator for generator, _ in terms],
        "l1": [l1 for _, l1 in terms],
        "peak_bytes": peak,
        "matmul_flop_per_s": gemm_flop_s(
            "bf16" if variant.bf16 else "fp32", device, sides=[_MATMUL_SIDE[device.type]]
        ),
        "device": device_name(device),
    }


def _step(config: TrainingOptions, variant: Variant, device: torch.device) -> Step:
    """Build networks and trainer.

    Settings under which something is learnt in a few hundred steps, those of the preset `smoke`:
    the published ones would hardly leave the grey start, and any curve would be kept.
    """
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    optimizer = OptimizerConfig(
        generator_lr=1e-3,
        discriminator_lr_ratio=0.3,
        beta1=0.9,
        beta2=0.99,
        fused=variant.fused,
        initialisation="orthogonal",
        init_std=0.02,
    )
    generator_config, discriminator_config = config.networks()
    generator = new_generator(
        generator_config, seed=variant.seed, initialisation="orthogonal", init_std=0.02
    )
    discriminator = build_discriminator(channels=discriminator_config.channels)
    initialise(discriminator, "normal", std=optimizer.init_std)
    extractor = build_extractor(config.extractor)  # type: ignore[arg-type]
    for network in (generator, discriminator, extractor):
        network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    loss = GeneratorLoss(LossConfig(l1=100).weights(), extractor)
    if variant.plain:
        return PlainTrainer(generator, discriminator, loss, optimizer=optimizer).step
    return GanTrainer(
        generator,
        discriminator,
        loss,
        optimizer=optimizer,
        autocast=torch.bfloat16 if variant.bf16 else None,
        accumulate=variant.accumulate,
        batched_norms=_batched_norms(variant, device),
        compiled=variant.compiled,
    ).step


def _batched_norms(variant: Variant, device: torch.device) -> bool:
    on_gpu = device.type == "cuda"
    return on_gpu if variant.batched_norms is None else variant.batched_norms
