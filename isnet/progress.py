"""Progressive reconstruction of single images, pass by pass, in batches that change as they go.

`reconstruct` takes a batch from beginning to end. Here every image carries its own state, so that
a server can let one leave and another join between two passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from isnet.config import ReconstructionConfig
from isnet.masks import dilate_valid
from isnet.reconstruction import Generator, network_input
from isnet.tiles import MAX_PIXELS, Tile, find_tiles, part_seen, pass_size


class Progress:
    """One image on its way through Algorithm 1."""

    def __init__(
        self,
        colours: np.ndarray,
        hole: np.ndarray,
        config: ReconstructionConfig,
        *,
        device: torch.device | str = "cpu",
        context: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Start before the first pass.

        Args:
            colours: (H, W, 3), uint8 or float32 in [0, 1]; the hole may hold anything.
            hole: bool (H, W), True = missing.
            config: kernel, threshold and passes of this image.
            device: where to compute.
            context: how many pixels away the network looks, its `context`: passes then compute only
                tiles round what is missing. None: passes compute the whole image.
            max_pixels: most pixels of a tile; bounds the memory of a pass, unless `context` is
                None.

        Raises:
            InputError: tiles of `max_pixels` have no room beside the context.

        """
        valid = torch.from_numpy(~hole)
        self._context, self._max_pixels = context, max_pixels
        tiles = find_tiles(valid, context=context, max_pixels=max_pixels)
        left, top, right, bottom = part_seen(valid, tiles)
        self.tiles = [tile.seen_from(left, top) for tile in tiles]
        """What the next pass computes."""
        colours = np.moveaxis(colours[top:bottom, left:right], -1, 0).copy()
        image = torch.from_numpy(colours).to(device)
        self.image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        """float (3, h, w): what any pass looks at; the image, where it has no context."""
        self.valid = valid[None, top:bottom, left:right].to(device)
        """bool (1, h, w), True = known, or taken for known."""
        self.config = config
        self.passes = 0
        """Passes made so far."""
        self.finished = False
        """Whether the last pass was the last one."""
        self._hole = ~self.valid[0]
        self._area = hole.size

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width that the network sees next; images of one such size share a pass."""
        return pass_size(self.valid[0], self.tiles)

    @property
    def hole_ratio(self) -> float:
        """Share of the image's pixels that the next pass takes for missing."""
        return float((~self.valid).sum().float() / self._area)

    def fill(self) -> np.ndarray:
        """Return float32 (N, 3): the N pixels of the hole as they stand, in row-major order."""
        return self.image[:, self._hole].T.cpu().numpy()

    def take(self, image: torch.Tensor) -> None:
        """Go on from what a pass made of the image, (3, H, W), or stop."""
        ratio, config = self.hole_ratio, self.config
        self.image = torch.where(self.valid, self.image, image)
        self.passes += 1
        self.finished = ratio < config.threshold or self.passes >= config.max_passes
        if not self.finished:
            self.valid = dilate_valid(self.valid[None], config.kernel_size)[0]
            self.tiles = find_tiles(
                self.valid[0], context=self._context, max_pixels=self._max_pixels
            )


@torch.inference_mode()
def advance(generator: Generator, images: Sequence[Progress]) -> None:
    """Make one pass over several unfinished images of one padded size.

    The network sees as many tiles at a time as there are images.
    """
    seen = [network_input(progress.image[None], progress.valid[None])[0] for progress in images]
    made = [progress.image.clone() for progress in images]
    tiles = [(index, tile) for index, progress in enumerate(images) for tile in progress.tiles]
    for batch in _batches(tiles, len(images)):
        predictions = generator(torch.stack([tile.cut(seen[index]) for index, tile in batch]))
        for (index, tile), prediction in zip(batch, predictions, strict=True):
            tile.put(prediction, made[index])
    for progress, image in zip(images, made, strict=True):
        progress.take(image)


def _batches(tiles: Sequence[tuple[int, Tile]], most: int) -> Iterator[Sequence[tuple[int, Tile]]]:
    for start in range(0, len(tiles), most):
        yield tiles[start : start + most]
