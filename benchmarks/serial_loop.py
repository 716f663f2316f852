"""What a user would write without us: fill a folder's pictures one after the other.

    python -m benchmarks.serial_loop CHECKPOINT FOLDER OUTPUT THREADS

FOLDER holds `photos` and `masks` with files of the same names. `benchmarks.bulk_speed` times it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image

from isnet.checkpoint import load_generator
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from pipelines.codec import encode, read_mask, read_upload

_MAX_PIXELS = 50_000_000


def main(checkpoint: str, folder: str, output: str, threads: str) -> None:
    """Fill every picture."""
    torch.set_num_threads(int(threads))
    inpaint = Inpainter(InferenceGenerator(load_generator(checkpoint)))
    Path(output).mkdir()
    for path in sorted(Path(folder, "photos").iterdir()):
        upload = read_upload(path.read_bytes(), max_pixels=_MAX_PIXELS)
        mask = read_mask(Path(folder, "masks", path.name).read_bytes(), max_pixels=_MAX_PIXELS)
        assert isinstance(upload.picture, Image.Image)
        filled = inpaint(upload.picture, mask)
        Path(output, path.name).write_bytes(encode(upload, filled).data)


if __name__ == "__main__":
    main(*sys.argv[1:])
