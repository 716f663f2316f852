"""Inpaint pictures of any mode and size: the same mode, size and known pixels come back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from PIL import Image
from torch import nn

from isnet.canvas import Picture, open_canvas, size_of
from isnet.config import InputError, ReconstructionConfig
from isnet.images import upright
from isnet.masks import Polarity, hole_from_mask
from isnet.progress import Progress, advance
from isnet.strategies import Region, Strategy, enlarge, find_regions

TRAINING_SCALE = 256
"""Shorter side, in pixels, at which the paper's networks were trained."""

_BAND = 256
"""Rows that are written at a time: a large fill's steps on the way to its mode take memory."""


class InpaintingTask:
    """One picture with a hole: what the network has to fill, and what becomes of it.

    The regions can be filled anywhere, by `Inpainter.fill` or by a server elsewhere.
    """

    def __init__(
        self,
        picture: Picture,
        mask: Image.Image,
        *,
        polarity: Polarity = "white-hole",
        strategy: Strategy = "original",
        scale: int = TRAINING_SCALE,
    ) -> None:
        """Copy the picture and cut it into regions; arguments as for `Inpainter`.

        Args:
            picture: in display orientation.
            mask: of the same size.
            polarity: which colour of the mask marks the hole.
            strategy: which regions the network sees, as in `isnet.strategies`.
            scale: for `resize`, the picture's shorter side in pixels as the network sees it.

        Raises:
            InputError: sizes that differ, or a picture or strategy that cannot be handled.

        """
        hole = hole_from_mask(mask, polarity=polarity)
        _require_same_size(picture, hole)
        self._canvas = open_canvas(picture, hole)
        self._hole = hole
        self.hole_ratio = float(hole.mean())
        """Share of the picture that is missing, 0 to 1."""
        self.regions = find_regions(self._canvas.colours(), hole, strategy, scale=scale)
        """What the network has to fill; nothing where the mask has no hole."""

    def put(self, region: Region, fill: np.ndarray) -> None:
        """Write a region's fill, float32 (N, 3) in [0, 1] in the order of its hole's pixels.

        A later fill of the same region replaces the earlier one.
        """
        left, top, right, bottom = region.box
        colours = enlarge(region, fill)
        for start in range(top, bottom, _BAND):
            end = min(start + _BAND, bottom)
            hole = self._hole[start:end, left:right]
            if hole.any():
                band = colours[start - top : end - top]
                self._canvas.paste(band, hole, (left, start, right, end))

    @property
    def picture(self) -> Picture:
        """The picture as it stands: the original, with every fill that was put into it."""
        return self._canvas.picture


class Inpainter:
    """Fill the hole of a picture by progressive reconstruction (Algorithm 1)."""

    def __init__(
        self,
        generator: nn.Module,
        *,
        reconstruction: ReconstructionConfig = ReconstructionConfig(),  # noqa: B008 (frozen)
        device: torch.device | str | None = None,
    ) -> None:
        """Take a generator, which is put in evaluation mode and moved to the device.

        Args:
            generator: as `build_generator` and `load_generator` return it, or an
                `InferenceGenerator` of it.
            reconstruction: kernel, threshold and number of passes.
            device: where to compute; by default where the generator's parameters are.

        """
        tensors = chain(generator.parameters(), generator.buffers())
        current = next((tensor.device for tensor in tensors), torch.device("cpu"))
        self.device = torch.device(device) if device is not None else current
        self.generator = generator.eval().to(self.device)
        self.reconstruction = reconstruction
        self._context: int | None = getattr(generator, "context", None)

    def __call__(
        self,
        image: Image.Image,
        mask: Image.Image,
        *,
        polarity: Polarity = "white-hole",
        strategy: Strategy = "original",
        scale: int = TRAINING_SCALE,
    ) -> Image.Image:
        """Fill the hole.

        Args:
            image: any mode and size. An EXIF orientation is applied first, and its tag dropped.
            mask: any mode, the image's size in display orientation.
            polarity: which colour of the mask marks the hole.
            strategy: `original`: the network sees the whole picture; `crop`: windows round the
                holes, for large pictures; `resize`: the picture at the network's scale.
            scale: for `resize`, the picture's shorter side in pixels as the network sees it.

        Returns:
            the picture in display orientation with its mode, bit depth, alpha and ICC profile.
            Known pixels are exact; no colour under the hole has any influence, while alpha is
            carried through there too. Palette pictures become RGB or RGBA, grey and RGB
            pictures with a transparent colour LA and RGBA.

        Raises:
            InputError: mask and image of different sizes, a mode that cannot be handled, an
                unknown strategy, or levels of modes I and F outside 0..65535.

        """
        task = InpaintingTask(
            upright(image), upright(mask), polarity=polarity, strategy=strategy, scale=scale
        )
        for region, fill in zip(task.regions, self.fill(task.regions), strict=True):
            task.put(region, fill)
        assert isinstance(task.picture, Image.Image)
        return task.picture

    def fill(self, regions: Sequence[Region]) -> list[np.ndarray]:
        """Fill regions one by one: for each, float32 (N, 3) in [0, 1], as `InpaintingTask.put`."""
        return [self._reconstruct(region) for region in regions]

    def _reconstruct(self, region: Region) -> np.ndarray:
        progress = Progress(
            region.colours,
            region.hole,
            self.reconstruction,
            device=self.device,
            context=self._context,
        )
        while not progress.finished:
            advance(self.generator, [progress])
        return progress.fill()


def _require_same_size(picture: Picture, hole: np.ndarray) -> None:
    height, width = hole.shape
    if size_of(picture) != (width, height):
        across, down = size_of(picture)
        raise InputError(
            f"the mask is {width}x{height}, the image {across}x{down} in display "
            "orientation; give a mask of the image's size"
        )
