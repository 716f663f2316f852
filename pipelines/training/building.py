"""What a worker trains with: the networks, their loss, and the trainer that steps them."""

from __future__ import annotations

import torch
from torch import nn

from isnet.config import InputError
from isnet.discriminator import build_discriminator
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss, needs_extractor
from isnet.network import generator_from_config
from isnet.training import GanTrainer
from isnet.vgg import build_extractor
from pipelines.training.config import TrainConfig
from pipelines.training.ranks import Ranks

State = dict[str, torch.Tensor]


def build_trainer(
    config: TrainConfig, ranks: Ranks, *, size: int, init_state: State | None = None
) -> GanTrainer:
    """Build both networks alike on every rank, and what trains them.

    Args:
        config: placed: nothing in it is `auto`.
        ranks: this process; gives the device.
        size: side of the training pictures.
        init_state: state of the generator to start from; None for new weights.

    """
    generator = _first_generator(config, init_state)
    torch.manual_seed(config.seed)
    discriminator = build_discriminator(
        sigmoid=config.discriminator.sigmoid, channels=config.discriminator.channels
    )
    initialise(discriminator, "normal", std=config.optimizer.init_std)
    # The base model's last low-resolution output goes nowhere (Table 7).
    find_unused = config.generator.design == "base"
    trainer = GanTrainer(
        place_network(generator, config, ranks.device),
        place_network(discriminator, config, ranks.device),
        _loss(config, ranks.device),
        optimizer=config.optimizer,
        margin=config.loss.margin,
        autocast=torch.bfloat16 if config.precision == "bf16" else None,
        accumulate=config.accumulate,
        batched_norms=ranks.device.type == "cuda",
        compiled=config.compile,
        wrap=lambda module: ranks.data_parallel(module, find_unused=find_unused),
        mean=ranks.mean,
    )
    if ranks.size > 1:
        image = torch.full((1, 3, size, size), 0.5, device=ranks.device)
        trainer.warm_up(image, torch.ones_like(image[:, :1], dtype=torch.bool))
    return trainer


def place_network(network: nn.Module, config: TrainConfig, device: torch.device) -> nn.Module:
    """Move a network to its device, its weights in the layout of the images."""
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    placed: nn.Module = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    return placed


def check_device(config: TrainConfig, device: torch.device) -> None:
    """Refuse a GPU that PyTorch cannot use; `InputError` says how to mend it."""
    if config.device == "gpu" and not torch.cuda.is_available():
        raise InputError(
            f"Ray gave this worker a GPU, but PyTorch {torch.__version__} has no CUDA; "
            "install a CUDA build of torch, or give --device cpu"
        )
    assert config.device == "gpu" or device.type == "cpu"


def _first_generator(config: TrainConfig, init_state: State | None) -> nn.Module:
    """Build the generator that training starts from; the same on every rank."""
    if init_state is not None:
        generator = generator_from_config(config.generator)
        generator.load_state_dict(init_state)
        return generator.train()
    return new_generator(
        config.generator,
        seed=config.seed,
        initialisation=config.optimizer.initialisation,
        init_std=config.optimizer.init_std,
    )


def _loss(config: TrainConfig, device: torch.device) -> GeneratorLoss:
    weights = config.loss.weights()
    if not needs_extractor(weights):
        return GeneratorLoss(weights, None)
    extractor = build_extractor(config.loss.extractor, config.loss.extractor_weights)
    place_network(extractor, config, device)  # in place
    return GeneratorLoss(weights, extractor)
