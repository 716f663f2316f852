"""ISNet image inpainting: networks, losses, progressive reconstruction, metrics.

generator = isnet.load_generator("isnet-small")
result = isnet.Inpainter(generator)(Image.open("photo.jpg"), Image.open("mask.png"))
"""

from isnet import metrics
from isnet.checkpoint import load_generator
from isnet.config import InputError
from isnet.discriminator import build_discriminator
from isnet.inpainter import Inpainter
from isnet.network import build_generator
from isnet.reconstruction import Reconstruction, reconstruct

__all__ = [
    "Inpainter",
    "InputError",
    "Reconstruction",
    "build_discriminator",
    "build_generator",
    "load_generator",
    "metrics",
    "reconstruct",
]
