"""The plain loop that the endpoint is held against: FastAPI, one process, one picture at a time.

    python -m benchmarks.plain_endpoint runs/smoke/model 8001 2        # checkpoint, port, threads

The same network, arranged for inference in the same way, and the same decoding and encoding; no
batches, no limits, no second process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
import uvicorn
from fastapi import FastAPI, Response, UploadFile
from PIL import Image

from isnet.checkpoint import load_generator
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from pipelines.codec import encode, read_mask, read_upload

_MAX_PIXELS = 50_000_000


def build_plain_api(checkpoint: str) -> FastAPI:
    """Build an API whose handler does everything itself, on the event loop."""
    inpaint = Inpainter(InferenceGenerator(load_generator(checkpoint)))
    api = FastAPI()

    @api.post("/v1/inpaint")
    async def handle(image: UploadFile, mask: UploadFile) -> Response:
        upload = read_upload(await image.read(), max_pixels=_MAX_PIXELS)
        assert isinstance(upload.picture, Image.Image)
        hole = read_mask(await mask.read(), max_pixels=_MAX_PIXELS)
        encoded = encode(upload, inpaint(upload.picture, hole))
        return Response(encoded.data, media_type=encoded.media_type)

    @api.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return api


def main(argv: Sequence[str]) -> None:
    """Serve until the process is ended."""
    checkpoint, port, threads = argv
    torch.set_num_threads(int(threads))
    uvicorn.run(build_plain_api(checkpoint), port=int(port), log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1:])
