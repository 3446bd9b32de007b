"""Image files of every unusual kind."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

_NAMES = ("train/class-0/0.png", "val/class-3/1.png", "val/class-3/new.jpg", "val/class-3/a\nb.png", "val/class-3/[/x].png",
          "val/class-9/\udcff.png", "val/unknown/0.png", "val/class-0/x.gif", "val/class-0/x.tif", "val/class-0/x.webp",
          "val/class-0/x.svg", "val/class-0/x.pdf", "val/class-0/x.avif", "val/loose.png")  # fmt: skip


def _saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def _png(width: int, height: int, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    """Return a PNG that claims a size and holds ``body``."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def _kinds() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
    grey = rng.integers(0, 65_536, (24, 24)).astype(np.uint16)
    floats = Image.fromarray(np.where(grey > 60_000, np.nan, grey).astype(np.float32))
    frames = [Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8)) for _ in range(3)]
    return {
        "whole": _saved(colour, "PNG"), "jpeg": _saved(colour, "JPEG"), "cmyk": _saved(colour.convert("CMYK"), "JPEG"),
        "palette": _saved(colour.convert("P"), "PNG"), "alpha": _saved(colour.convert("RGBA"), "PNG"),
        "grey": _saved(colour.convert("L"), "PNG"), "bilevel": _saved(colour.convert("1"), "PNG"),
        "sixteen": _saved(Image.fromarray(grey), "PNG"), "integers": _saved(Image.fromarray(grey.astype(np.int32)), "TIFF"),
        "floats": _saved(floats, "TIFF"), "lab": _saved(colour.convert("LAB"), "TIFF"),
        "ycbcr": _saved(colour.convert("YCbCr"), "TIFF"),
        "animated": _saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "webp": _saved(colour, "WEBP"),
        "apng": _saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), "one": _saved(Image.new("RGB", (1, 1)), "PNG"),
        "thin": _saved(Image.new("RGB", (3000, 1)), "PNG"), "tall": _saved(Image.new("RGB", (1, 3000)), "PNG"),
        "empty": b"", "text": b"not an image",
        "bomb": _png(30_000, 30_000, body=b"\0" * 1000), "huge": _png(2**31 - 1, 2**31 - 1),
        "zero": _png(0, 5), "odd depth": _png(4, 4, 3, 7), "html": b"<html><script>alert(1)</script>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "pdf": b"%PDF-1.4\n", "zip": b"PK\x03\x04" + bytes(40),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    }  # fmt: skip


def folders() -> st.SearchStrategy[Mapping[str, bytes]]:
    """Draw one to three files to lay into a folder of images."""
    whole = st.sampled_from(sorted(_kinds().items())).map(lambda kind: kind[1])
    cut = st.builds(lambda data, at: data[: at % max(len(data), 1)], whole, st.integers(0, 2**20))
    flipped = st.builds(_flipped, whole, st.integers(0, 2**20))
    return st.dictionaries(st.sampled_from(_NAMES), whole | cut | flipped | st.binary(max_size=60), min_size=1, max_size=3)


def _flipped(data: bytes, at: int) -> bytes:
    if not data:
        return data
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ 1 << at % 8]) + data[place + 1 :]
