"""The GAN step: both networks, their optimizers, and the averaged generator.

Plain PyTorch. A caller that trains on several ranks passes `wrap`, which makes a module
data-parallel, and `mean`, which averages a tensor over the ranks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from isnet.accumulation import Batch, Part, average, frozen, held, unsynchronised
from isnet.config import OptimizerConfig
from isnet.finite import require_finite_terms, require_finite_weights
from isnet.initialisation import settle_spectral_norms
from isnet.losses import GeneratorLoss, discriminator_hinge
from isnet.masks import hole_ratio
from isnet.optimizers import adam, averaged, step_unless
from isnet.spectral import normalised

Wrap = Callable[[nn.Module], nn.Module]
Mean = Callable[[Tensor], Tensor]


class GanTrainer:
    """Trains a generator against a discriminator, one step a call."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: GeneratorLoss,
        *,
        optimizer: OptimizerConfig,
        margin: float = 1.0,
        autocast: torch.dtype | None = None,
        accumulate: int = 1,
        batched_norms: bool = False,
        compiled: bool = False,
        wrap: Wrap = lambda module: module,
        mean: Mean = lambda tensor: tensor,
    ) -> None:
        """Take both networks, already on their device.

        Args:
            generator: corrupted image -> prediction.
            discriminator: image -> (logits, feature maps).
            loss: the generator's weighted terms.
            optimizer: Adam's and the averaging's settings.
            margin: margin of the discriminator's hinge loss (Eq. 3).
            autocast: run the networks in this type (bfloat16), or None for float32.
            accumulate: equal parts that a batch goes through the networks in, for less memory. The
                gradients are those of the batch; more than one part costs one more forward pass of
                the generator.
            batched_norms: compute the spectral norms of layers of one shape together
                (`isnet.spectral`): fewer operations, for GPUs.
            compiled: run both networks and the VGG terms through `torch.compile`.
            wrap: makes a module data-parallel.
            mean: averages a tensor over all ranks.

        """
        self.generator, self.discriminator = generator, discriminator
        self.loss, self.margin = loss, margin
        self.step_count = 0
        self._autocast, self._accumulate, self._mean = autocast, accumulate, mean
        self._batched_norms = batched_norms
        compile_: Any = torch.compile if compiled else lambda network: network
        loss.compute_features_with(compile_)
        self._parallel_generator = wrap(compile_(generator))
        self._averaged = averaged(generator, optimizer.ema_decay)
        self._generator_adam = adam(generator, optimizer, optimizer.generator_lr)
        discriminator_lr = optimizer.generator_lr * optimizer.discriminator_lr_ratio
        self._discriminator_adam = adam(discriminator, optimizer, discriminator_lr)
        self._adversarial = loss.weights.adversarial > 0 or loss.weights.feature_matching > 0
        # The generator's step looks at it without training it, and so past data parallelism.
        self._critic = compile_(discriminator)
        # Without an adversarial term the discriminator takes no part.
        self._parallel_discriminator = wrap(self._critic) if self._adversarial else None

    def step(self, ground_truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Update the discriminator, then the generator, on one batch.

        Args:
            ground_truth: float (B, 3, H, W) in [0, 1]; B divisible by `accumulate`.
            valid: bool (B, 1, H, W), True = known.

        Returns:
            Each loss term unweighted, `generator` (their weighted sum) and `discriminator`, as
            detached scalars averaged over the ranks; and this rank's `prediction`, detached
            (B, 3, H, W).

        Raises:
            NonFiniteLossError: on every rank; no optimizer has been stepped with that loss, nor
                with one that was computed after it.

        """
        batch = Batch.of(ground_truth, valid, parts=self._accumulate)
        values: dict[str, Tensor] = {}
        predictions: list[Tensor] = []
        if self._parallel_discriminator is not None:
            predictions = self._predictions(batch)
            values |= self._step_discriminator(batch, predictions)
        # Of a single part the graph is still there; of several it would fill the memory.
        graphs = predictions if len(batch.parts) == 1 else []
        predictions = self._step_generator(batch, values, graphs, first=not predictions)
        # The one time in a step that the device is waited for: earlier a GPU would run out of work
        # while the rest of the step is still being launched.
        require_finite_terms(values, step=self.step_count + 1)
        if self._averaged is not None:
            self._averaged.update_parameters(self.generator)
        self.step_count += 1
        return values | {"prediction": torch.cat(predictions).float()}

    def warm_up(self, ground_truth: Tensor, valid: Tensor) -> None:
        """Run both networks forwards and backwards once, and leave no trace in them.

        Data parallelism arranges its buckets of gradients anew after the first step, which changes
        the order of sums over three and more ranks. With this before its first step, a run that
        was resumed and one that was not sum alike.

        Args:
            ground_truth: float (B, 3, H, W).
            valid: bool (B, 1, H, W).

        """
        networks = (self.generator, self.discriminator)
        before = [[buffer.clone() for buffer in network.buffers()] for network in networks]
        prediction = self._predict(Part(ground_truth, valid))
        prediction.float().mean().backward()
        if self._parallel_discriminator is not None:
            image = prediction.detach().to(ground_truth.dtype)
            logits, _ = self._judge(self._parallel_discriminator, image)
            logits.float().mean().backward()
        for network, buffers in zip(networks, before, strict=True):
            network.zero_grad(set_to_none=True)
            for buffer, value in zip(network.buffers(), buffers, strict=True):
                buffer.copy_(value)

    def require_finite_weights(self) -> None:
        """Refuse weights that a finite loss with an infinite gradient has left behind.

        Raises:
            NonFiniteLossError: alike on every rank, since their weights are.

        """
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        require_finite_weights(networks, step=self.step_count)

    def export(self) -> nn.Module:
        """Copy the generator to evaluate and ship: the averaged one, where there is one.

        In eval mode, its spectral norms settled on the weights as they are now.
        """
        source = self.generator if self._averaged is None else self._averaged.module
        return settle_spectral_norms(copy.deepcopy(source))

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to continue: networks, averages, optimizers, step."""
        return {
            "step": self.step_count,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "averaged": self._averaged.state_dict() if self._averaged is not None else None,
            "generator_adam": self._generator_adam.state_dict(),
            "discriminator_adam": self._discriminator_adam.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.step_count = state["step"]
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self._averaged is not None:
            self._averaged.load_state_dict(state["averaged"])
        self._generator_adam.load_state_dict(state["generator_adam"])
        self._discriminator_adam.load_state_dict(state["discriminator_adam"])

    def _predictions(self, batch: Batch) -> list[Tensor]:
        """Predict every part; with a graph where there is only one."""
        alone = len(batch.parts) == 1
        predictions = []
        for index, part in enumerate(batch.parts):
            with torch.set_grad_enabled(alone), held(self.generator, hold=index > 0):
                predictions.append(self._predict(part))
        return predictions

    def _predict(self, part: Part) -> Tensor:
        with self._precision(part.ground_truth), self._norms(self.generator):
            prediction: Tensor = self._parallel_generator(part.corrupted)
        return prediction

    def _judge(self, network: nn.Module, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run the discriminator, wrapped or not."""
        with self._precision(image), self._norms(self.discriminator):
            found: tuple[Tensor, list[Tensor]] = network(image)
        return found

    def _step_discriminator(self, batch: Batch, predictions: list[Tensor]) -> dict[str, Tensor]:
        network = self._parallel_discriminator
        assert network is not None
        losses = []
        for index, (part, prediction) in enumerate(zip(batch.parts, predictions, strict=True)):
            with (
                unsynchronised(network, unless=index == len(predictions) - 1),
                held(self.discriminator, hold=index > 0),
            ):
                losses.append(self._discriminator_loss(network, part, prediction.detach()))
                (losses[-1] / len(predictions)).backward()
        return self._update(self._discriminator_adam, {"discriminator": average(losses)}, before={})

    def _discriminator_loss(self, network: nn.Module, part: Part, prediction: Tensor) -> Tensor:
        # One pass over both halves: data parallelism wants one forward for each backward.
        both = torch.cat([part.ground_truth, prediction.to(part.ground_truth.dtype)])
        logits, _ = self._judge(network, both)
        real_logits, fake_logits = logits.chunk(2)
        return discriminator_hinge(real_logits, fake_logits, margin=self.margin)

    def _step_generator(
        self, batch: Batch, values: dict[str, Tensor], graphs: list[Tensor], *, first: bool
    ) -> list[Tensor]:
        """Update the generator, add its terms to `values`; `first`: nothing is predicted yet."""
        network = self._parallel_generator
        global_ratio = self._mean(hole_ratio(batch.valid).mean())
        found: dict[str, list[Tensor]] = {}
        predictions = []
        for index, part in enumerate(batch.parts):
            with (
                unsynchronised(network, unless=index == len(batch.parts) - 1),
                held(self.generator, hold=index > 0 or not first),
                held(self.discriminator, hold=index > 0),
            ):
                prediction = graphs[index] if graphs else self._predict(part)
                terms = self._generator_terms(part, prediction, global_ratio)
                (terms["generator"] / len(batch.parts)).backward()
            predictions.append(prediction.detach())
            for name, term in terms.items():
                found.setdefault(name, []).append(term.detach())
        means = {name: average(values) for name, values in found.items()}
        values |= self._update(self._generator_adam, means, before=values)
        return predictions

    def _generator_terms(
        self, part: Part, prediction: Tensor, global_ratio: Tensor
    ) -> dict[str, Tensor]:
        with self._precision(part.ground_truth), frozen(self.discriminator):
            terms = self.loss(
                prediction.float(),
                part.ground_truth,
                hole_ratio=global_ratio,
                discriminator=partial(self._judge, self._critic),
            )
        total = terms.pop("total")
        return terms | {"generator": total}

    def _update(
        self, adam: torch.optim.Adam, terms: Mapping[str, Tensor], *, before: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Step one optimizer, if all terms so far are finite on all ranks; return their means."""
        means = self._mean(torch.stack([term.detach() for term in terms.values()]))
        all_means = torch.stack([*before.values(), *means])
        step_unless(adam, (~all_means.isfinite()).any().float())
        return dict(zip(terms, means, strict=True))

    def _norms(self, network: nn.Module) -> AbstractContextManager[None]:
        if not self._batched_norms:
            return nullcontext()
        return normalised(network, dtype=self._autocast)

    def _precision(self, like: Tensor) -> torch.autocast:
        return torch.autocast(
            like.device.type, dtype=self._autocast, enabled=self._autocast is not None
        )
