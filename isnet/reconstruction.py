"""The progressive reconstruction algorithm (PRA, Algorithm 1), batched.

Each pass predicts the hole, puts the prediction into it and lets the known region grow, until
the hole is small. Every image of a batch stops on its own ratio and leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from isnet.config import SIZE_MULTIPLE, InputError, ReconstructionConfig
from isnet.masks import dilate_valid, hole_ratio

Generator = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reconstruction:
    """What the algorithm made of a batch."""

    image: Tensor
    """(B, 3, H, W): known pixels as they came, the hole filled."""
    passes: Tensor
    """(B,) int64: passes each image took."""
    prediction: Tensor
    """(B, 3, H, W): the raw output of each image's last pass, known pixels included."""


@dataclass(frozen=True)
class Pass:
    """One pass over the images that had not stopped before it."""

    composite: Tensor
    """(B, 3, H, W): the whole batch after this pass."""
    valid: Tensor
    """(B, 1, H, W) bool: what each image knew going into its latest pass."""
    active: Tensor
    """(A,) int64: indices of the images that this pass changed."""
    prediction: Tensor
    """(A, 3, H, W): the raw output for those images."""


def reconstruct(
    generator: Generator,
    image: Tensor,
    valid: Tensor,
    *,
    kernel_size: int = 15,
    threshold: float = 0.2,
    max_passes: int = 11,
) -> Reconstruction:
    """Fill the holes of a batch by progressive reconstruction (Algorithm 1).

    Args:
        generator: corrupted image (B, 3, H, W) in [0, 1] -> prediction; in eval mode.
        image: float (B, 3, H, W) in [0, 1]; pixels in the hole may hold anything, NaN too.
        valid: bool (B, 1, H, W), True = known. Any H and W.
        kernel_size: side of the square dilation kernel, odd.
        threshold: an image stops once the hole ratio of the mask just used is below this.
        max_passes: passes at most; 1 is one-shot prediction.

    Returns:
        The filled images, known pixels bit-exact, the passes each took (at least one), and what
        the generator said last.

    Raises:
        InputError: shapes, types or settings out of range, or a generator in training mode.

    """
    config = ReconstructionConfig(
        kernel_size=kernel_size, threshold=threshold, max_passes=max_passes
    )
    passes = torch.zeros(len(image), dtype=torch.int64, device=image.device)
    composite, prediction = image, torch.empty_like(image)
    for step in progressive_passes(generator, image, valid, config):
        passes[step.active] += 1
        prediction[step.active] = step.prediction
        composite = step.composite
    return Reconstruction(image=composite, passes=passes, prediction=prediction)


def progressive_passes(
    generator: Generator, image: Tensor, valid: Tensor, config: ReconstructionConfig
) -> Iterator[Pass]:
    """Yield the batch after each pass; arguments as for `reconstruct`."""
    _check(generator, image, valid)
    composite, valid = image.clone(), valid.clone()
    active = torch.arange(len(image), device=image.device)
    for number in range(config.max_passes):
        if len(active) == 0:
            return
        if number:
            valid[active] = dilate_valid(valid[active], config.kernel_size)
        composite = composite.clone()
        prediction = _predict(generator, composite[active], valid[active])
        composite[active] = torch.where(valid[active], composite[active], prediction)
        yield Pass(composite=composite, valid=valid.clone(), active=active, prediction=prediction)
        active = active[hole_ratio(valid[active]) >= config.threshold]


@torch.no_grad()
def _predict(generator: Generator, image: Tensor, valid: Tensor) -> Tensor:
    """Predict once, from what is known; of the image's size and type."""
    height, width = image.shape[-2:]
    prediction = generator(network_input(image, valid))[..., :height, :width]
    return prediction.to(image.dtype)


def network_input(image: Tensor, valid: Tensor) -> Tensor:
    """Return what the network sees: zeros in the hole, reflected to a size that it takes."""
    # Not a product: whatever stands in the hole may be NaN.
    corrupted = torch.where(valid, image, torch.zeros_like(image))
    return pad_to_multiple(corrupted, SIZE_MULTIPLE)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Reflect-pad (B, C, H, W) at the bottom and right to sizes divisible by `multiple`.

    The corrupted image carries its mask as zeros, so both are reflected alike. Images smaller
    than their padding are reflected back and forth.
    """
    height, width = image.shape[-2:]
    if height % multiple == 0 and width % multiple == 0:
        return image
    rows = _reflected_indices(height, -(-height // multiple) * multiple, image.device)
    columns = _reflected_indices(width, -(-width // multiple) * multiple, image.device)
    return image[..., rows, :][..., columns]


def _reflected_indices(size: int, padded: int, device: torch.device) -> Tensor:
    """Indices 0 .. size-1, size-2 .. 0, 1 .. for as long as `padded`."""
    period = max(2 * (size - 1), 1)
    position = torch.arange(padded, device=device) % period
    return torch.where(position < size, position, period - position)


def _check(generator: Generator, image: Tensor, valid: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
        raise InputError(
            f"image is {image.dtype} {tuple(image.shape)}; it must be float (B, 3, H, W)"
        )
    expected = (image.shape[0], 1, *image.shape[-2:])
    if valid.dtype != torch.bool or tuple(valid.shape) != expected:
        raise InputError(
            f"valid is {valid.dtype} {tuple(valid.shape)}; it must be bool {expected}, True = known"
        )
    if min(image.shape) < 1:
        raise InputError(f"image is {tuple(image.shape)}; every dimension must be at least 1")
    if getattr(generator, "training", False):
        raise InputError("the generator is in training mode; call generator.eval() first")
