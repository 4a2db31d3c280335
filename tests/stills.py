"""Made pictures for tests: coloured corners and a bar, as JPEG, PNG and WebP, with EXIF or not."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "chunk", "corners", "encoded", "exif", "turned"]

Image = NDArray[np.uint8]


def corners() -> Image:
    """(96, 160, 3) RGB in which every turn and mirror image is another picture."""
    rgb = np.full((96, 160, 3), 90, np.uint8)
    rgb[:48, :80] = (220, 40, 40)
    rgb[48:, 80:] = (40, 60, 220)
    rgb[16:32, 96:144] = (40, 200, 60)
    return rgb


def encoded(rgb: Image, suffix: str, *options: int) -> bytes:
    """The file of a picture (H, W, 3) or, with transparency, (H, W, 4)."""
    order = cv2.COLOR_RGB2BGR if rgb.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    done, data = cv2.imencode(suffix, cv2.cvtColor(rgb, order), list(options))
    assert done
    return data.tobytes()


def exif(orientation: int, order: str = "<") -> bytes:
    """The TIFF part of an EXIF block that says the orientation and nothing else."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 0)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def turned(data: bytes, suffix: str, orientation: int, order: str = "<") -> bytes:
    """The file with an EXIF block: JPEG, PNG, or WebP of 160 x 96 px."""
    block = exif(orientation, order)
    if suffix == ".jpg":
        block = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    if suffix == ".png":
        return data[:33] + chunk(b"eXIf", block) + data[33:]
    size = (159).to_bytes(3, "little") + (95).to_bytes(3, "little")
    head = b"VP8X" + struct.pack("<I", 10) + bytes([8, 0, 0, 0]) + size
    body = b"WEBP" + head + data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", len(body)) + body
