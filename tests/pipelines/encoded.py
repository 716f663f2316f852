"""Small pictures of every mode as files of every format, and edits of them."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 11, 7
HOLE = np.zeros((HEIGHT, WIDTH), dtype=bool)
HOLE[2:5, 3:7] = True
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(*shape: int, levels: int = 256) -> np.ndarray:
    """Return int64 noise below `levels`."""
    return np.random.default_rng(0).integers(0, levels, shape)


def picture(mode: str) -> Image.Image:
    """Make noise of a mode, WIDTH x HEIGHT; `P+`, `L+` and `RGB+` have a transparent colour."""
    plain = mode.rstrip("+")
    if plain in ("I;16", "I;16B", "I", "F"):
        dtype = np.asarray(Image.new(plain, (1, 1))).dtype
        levels = noise(HEIGHT, WIDTH, levels=65536).astype(dtype)
        return Image.frombytes(plain, (WIDTH, HEIGHT), levels.tobytes())
    rgba = Image.fromarray(noise(HEIGHT, WIDTH, 4).astype(np.uint8))
    if plain in ("CMYK", "LAB", "YCbCr"):
        bands = rgba.split()[: 4 if plain == "CMYK" else 3]
        made = Image.merge(plain, bands)
    elif plain == "P":
        made = rgba.convert("RGB").quantize(16)
    else:
        made = rgba.convert(plain)
    if mode.endswith("+"):
        first = made.getpixel((0, 0))
        made.info["transparency"] = first
    return made


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as a file's bytes; a BMP with alpha is OpenCV's."""
    if form == "BMP" and image.mode == "RGBA":
        return cv2.imencode(".bmp", np.asarray(image)[..., [2, 1, 0, 3]])[1].tobytes()
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(levels: np.ndarray, colour_type: int, *, bits: int = 16, chunks: bytes = b"") -> bytes:
    """Encode levels (H, W, C) as PNG, by the specification and by no library."""
    height, width = levels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    rows = [b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in levels]
    body = chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunks + body


def deep_png(channels: int = 3, chunks: bytes = b"") -> tuple[np.ndarray, bytes]:
    """Make 16-bit noise, uint16 (HEIGHT, WIDTH, C), and its PNG."""
    levels = noise(HEIGHT, WIDTH, channels, levels=65536).astype(np.uint16)
    return levels, png(levels, {1: 0, 2: 4, 3: 2, 4: 6}[channels], chunks=chunks)


def opened(data: bytes) -> Image.Image:
    """Open and decode a file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def deep_opened(data: bytes) -> np.ndarray:
    """Decode a 16-bit PNG of colour as it is stored: uint16 (H, W, 3|4), RGB(A)."""
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return levels[..., [2, 1, 0, 3][: levels.shape[2]]]


def with_room(image: Image.Image) -> Image.Image:
    """Turn palette and transparent colour into what an edited picture has instead."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if "transparency" in image.info:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image.copy()


def edited(shown: Image.Image | np.ndarray, hole: np.ndarray) -> Image.Image | np.ndarray:
    """Put other pixels, darker ones of the same alpha, into the hole, (H, W) bool."""
    if isinstance(shown, np.ndarray):
        result = shown.copy()
        result[hole, :3] //= 2
        return result
    result = with_room(shown)
    darker = np.asarray(result).copy()
    if darker.ndim == 3:
        darker[..., : 3 if result.mode != "LA" else 1] //= 2
    else:
        darker = (darker // 2).astype(darker.dtype)
    fill = Image.frombytes(result.mode, result.size, darker.tobytes()) if result.mode != "1" else 0
    result.paste(fill, mask=Image.fromarray(hole))
    return result
