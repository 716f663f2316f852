"""Inpaint PIL pictures of any mode and size: PIL in, the same mode, size and known pixels out."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from isnet.config import InputError, ReconstructionConfig
from isnet.images import full_scale, is_deep, to_rgb, to_tensor, to_uint8, upright
from isnet.masks import Polarity, hole_from_mask
from isnet.reconstruction import reconstruct

_STRAIGHT_ALPHA = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA"}
_PLAIN = ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")


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
            generator: as `build_generator` and `load_generator` return it.
            reconstruction: kernel, threshold and number of passes.
            device: where to compute; by default where the generator's parameters are.

        """
        tensors = chain(generator.parameters(), generator.buffers())
        current = next((tensor.device for tensor in tensors), torch.device("cpu"))
        self.device = torch.device(device) if device is not None else current
        self.generator = generator.eval().to(self.device)
        self.reconstruction = reconstruction

    def __call__(
        self,
        image: Image.Image,
        mask: Image.Image,
        *,
        polarity: Polarity = "white-hole",
    ) -> Image.Image:
        """Fill the hole.

        Args:
            image: any mode and size. An EXIF orientation is applied first, and its tag dropped.
            mask: any mode, the image's size in display orientation.
            polarity: which colour of the mask marks the hole.

        Returns:
            the picture in display orientation with its mode, bit depth, alpha and ICC profile.
            Known pixels are exact; no colour under the hole has any influence, while alpha is
            carried through there too. Palette pictures become RGB or RGBA, grey and RGB
            pictures with a transparent colour LA and RGBA.

        Raises:
            InputError: mask and image of different sizes, a mode that cannot be handled, or
                levels of modes I and F outside 0..65535.

        """
        picture = _editable(upright(image))
        hole = hole_from_mask(upright(mask), polarity=polarity)
        _require_same_size(picture, hole)
        colours, white = _colours(picture, hole)
        if hole.any():
            fill = _in_mode_of(picture, self._reconstruct(colours, hole), white)
            picture.paste(fill, mask=Image.fromarray(hole))
        return picture

    @torch.inference_mode()
    def _reconstruct(self, colours: Tensor, hole: np.ndarray) -> Tensor:
        """Fill float (3, H, W) in [0, 1] where hole (H, W) bool says; on the CPU again."""
        valid = torch.from_numpy(~hole)[None, None].to(self.device)
        config = self.reconstruction
        result = reconstruct(
            self.generator,
            colours[None].to(self.device),
            valid,
            kernel_size=config.kernel_size,
            threshold=config.threshold,
            max_passes=config.max_passes,
        )
        return result.image[0].cpu()


def _require_same_size(image: Image.Image, hole: np.ndarray) -> None:
    height, width = hole.shape
    if image.size != (width, height):
        raise InputError(
            f"the mask is {width}x{height}, the image {image.width}x{image.height} in display "
            "orientation; give a mask of the image's size"
        )


def _editable(image: Image.Image) -> Image.Image:
    """Copy a picture into a mode in which a new colour can be pasted without loss.

    A palette has no entry for a new colour, and a new colour may be the one that means transparent.
    """
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    if not (image.mode in _PLAIN or image.mode in _STRAIGHT_ALPHA or is_deep(image.mode)):
        raise InputError(f"image mode {image.mode} cannot be inpainted; convert the picture to RGB")
    return image.copy()


def _colours(image: Image.Image, hole: np.ndarray) -> tuple[Tensor, float]:
    """Return float (3, H, W) in [0, 1] at full depth, and the level that means white.

    Deep grey is judged without the hole: what lies there must not even choose the scale.
    """
    if not is_deep(image.mode):
        return to_tensor(to_rgb(image)), 255.0
    levels = np.where(hole, 0, np.asarray(image)).astype(np.float64)
    white = full_scale(image.mode, levels)
    grey = torch.from_numpy((levels / white).astype(np.float32))
    return grey.expand(3, -1, -1), white


def _in_mode_of(image: Image.Image, filled: Tensor, white: float) -> Image.Image:
    """Turn float (3, H, W) in [0, 1] into a picture of the mode of `image`, with its alpha."""
    if is_deep(image.mode):
        return _deep_grey(image, filled, white)
    rgb = Image.fromarray(to_uint8(filled))
    straight = _STRAIGHT_ALPHA.get(image.mode)
    if straight is None:
        return rgb.convert(image.mode, dither=Image.Dither.NONE)
    layered = rgb.convert(straight)
    layered.putalpha(image.getchannel(image.getbands()[-1]))
    return layered.convert(image.mode)


def _deep_grey(image: Image.Image, filled: Tensor, white: float) -> Image.Image:
    """Turn float (3, H, W) in [0, 1] into grey (ITU-R 601, as Pillow) of mode I, I;16 or F."""
    red, green, blue = filled.double().clamp(0, 1).numpy()
    levels = (0.299 * red + 0.587 * green + 0.114 * blue) * white
    if image.mode != "F":
        levels = np.rint(levels)
    pixels = levels.astype(np.asarray(image).dtype)
    return Image.frombytes(image.mode, image.size, pixels.tobytes())
