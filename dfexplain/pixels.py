"""A frame as the caged child sent it, made into an RGB picture: checked like any other input."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from dfexplain.tonemap import tone_map

__all__ = ["HEAD_BYTES", "unpacked"]

# As in decode.FRAME_HEAD and decode.RGBA: that module is for the child only.
_HEAD = struct.Struct("<qdIIIB")
_RGBA = 255
_GREY = 128  # behind what is transparent
HEAD_BYTES = _HEAD.size


def unpacked(content: bytearray) -> tuple[int, float, NDArray[np.uint8], bool]:
    """Index, time in s, picture (H, W, 3), and whether something transparent was laid over grey.

    Raises ValueError or struct.error for what is no frame.
    """
    index, time_s, width, height, line_bytes, form = _HEAD.unpack_from(content)
    depth, channels = np.dtype("<u2" if 0 < form < _RGBA else "u1"), 3 + (form == _RGBA)
    lines = np.frombuffer(content, np.uint8, offset=HEAD_BYTES)
    lines = lines[: height * line_bytes].reshape(height, line_bytes)
    pixels = lines[:, : width * channels * depth.itemsize].view(depth)
    pixels = pixels.reshape(height, width, channels)
    if depth.itemsize > 1:
        return index, time_s, tone_map(pixels, form), False
    if channels == 3 or bool((pixels[..., 3] == 255).all()):
        return index, time_s, pixels[..., :3], False
    alpha = pixels[..., 3:].astype(np.uint16)
    flat = (pixels[..., :3] * alpha + _GREY * (255 - alpha) + 127) // 255
    return index, time_s, flat.astype(np.uint8), True
