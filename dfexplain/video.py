"""The one reader and writer of video."""

from __future__ import annotations

from dfexplain.encode import h264_roundtrip

__all__ = ["h264_roundtrip"]
