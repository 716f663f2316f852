"""The step as the published code runs it: eager, one small operation after another.

What `isnet.training.GanTrainer` is measured by, and what its results are tested against.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isnet.config import OptimizerConfig
from isnet.losses import GeneratorLoss, discriminator_hinge
from isnet.masks import hole_ratio


class PlainTrainer:
    """Updates the discriminator, then the generator, in float32, with unfused Adam.

    PyTorch's spectral norm normalises each convolution by itself.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: GeneratorLoss,
        *,
        optimizer: OptimizerConfig,
    ) -> None:
        self.generator, self.discriminator, self.loss = generator, discriminator, loss
        betas, lr = (optimizer.beta1, optimizer.beta2), optimizer.generator_lr
        self._generator_adam = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas)
        self._discriminator_adam = torch.optim.Adam(
            discriminator.parameters(), lr=lr * optimizer.discriminator_lr_ratio, betas=betas
        )

    def step(self, ground_truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Take one step; return the terms, `generator`, `discriminator` and the prediction."""
        prediction = self.generator(torch.where(valid, ground_truth, 0))
        logits, _ = self.discriminator(torch.cat([ground_truth, prediction.detach()]))
        discriminator = discriminator_hinge(*logits.chunk(2))
        self._update(self._discriminator_adam, discriminator)
        self.discriminator.requires_grad_(False)
        terms = self.loss(
            prediction,
            ground_truth,
            hole_ratio=hole_ratio(valid).mean(),
            discriminator=self.discriminator,
        )
        total = terms.pop("total")
        self._update(self._generator_adam, total)
        self.discriminator.requires_grad_(True)
        values = {**terms, "generator": total, "discriminator": discriminator}
        return {name: value.detach() for name, value in values.items()} | {
            "prediction": prediction.detach()
        }

    def _update(self, adam: torch.optim.Adam, loss: Tensor) -> None:
        adam.zero_grad(set_to_none=True)
        loss.backward()
        if not torch.isfinite(loss):
            raise ArithmeticError(f"the loss is {float(loss)}")
        adam.step()
