"""The writer: what goes in comes out again."""

from __future__ import annotations

import numpy as np
import pytest

from dfexplain import video
from dfexplain.errors import SettingError


def _gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin((x + y) / 20)], axis=-1)
    return rgb.astype(np.uint8)


def test_roundtrip_loses_more_at_a_higher_crf() -> None:
    rgb = _gradient(256, 256)
    errors = [
        float(np.abs(video.h264_roundtrip([rgb], crf)[0].astype(float) - rgb).mean())
        for crf in (5, 25, 45)
    ]
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 2.5  # right matrix and range: a wrong one costs 5 and more


def test_roundtrip_keeps_number_order_and_odd_size() -> None:
    frames = [np.full((51, 77, 3), 40 + 20 * k, np.uint8) for k in range(6)]
    out = video.h264_roundtrip(frames, 20, preset="medium")
    assert [f.shape for f in out] == [(51, 77, 3)] * 6
    assert [round((float(f.mean()) - 40) / 20) for f in out] == list(range(6))
    again = video.h264_roundtrip(frames, 20, preset="medium")
    assert all(np.array_equal(a, b) for a, b in zip(out, again, strict=True))


@pytest.mark.parametrize("crf", [-1, 52])
def test_roundtrip_refuses_a_crf_out_of_range(crf: int) -> None:
    with pytest.raises(SettingError, match="crf must be"):
        video.h264_roundtrip([_gradient(16, 16)], crf)


def test_roundtrip_refuses_mixed_sizes() -> None:
    with pytest.raises(SettingError, match="one size"):
        video.h264_roundtrip([_gradient(16, 16), _gradient(32, 32)], 20)
