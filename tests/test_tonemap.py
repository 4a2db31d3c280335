"""High dynamic range to standard range, against values worked out from the standards."""

from __future__ import annotations

import numpy as np
import pytest

from dfexplain.tonemap import HLG, KNEE, PQ, tone_map


def _grey(signal: float) -> np.ndarray:
    return np.full((2, 2, 3), round(signal * 65535), np.uint16)


def _mapped(signal: float, transfer: int) -> float:
    out = tone_map(_grey(signal), transfer)
    assert out.dtype == np.uint8
    assert np.ptp(out.astype(int), axis=(0, 1)).max() == 0
    assert int(out.max()) - int(out.min()) <= 1  # grey stays grey
    return float(out.mean())


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 0.5807), (HLG, 0.75)])
def test_diffuse_white_lands_in_the_shoulder(transfer: int, white: float) -> None:
    """203 cd/m2 is 58 % of PQ and 75 % of HLG (BT.2408, table 1): 1.0 before compression."""
    light = KNEE + (1 - KNEE) / 2
    assert _mapped(white, transfer) == pytest.approx(255 * light ** (1 / 2.4), abs=2)


def test_light_below_the_knee_is_kept() -> None:
    """26.6 cd/m2 (38 % of PQ, 18 % grey of BT.2408 and thereabouts) is 0.131 of white."""
    expected = 255 * (26.6 / 203) ** (1 / 2.4)
    assert _mapped(0.3805, PQ) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_black_is_black_and_brighter_is_brighter(transfer: int) -> None:
    steps = [_mapped(signal, transfer) for signal in np.linspace(0, 1, 12)]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert 240 <= steps[-1] <= 255


def test_hue_survives_compression() -> None:
    rgb = np.tile(np.array([42000, 39000, 36000], np.uint16), (2, 2, 1))
    red, green, blue = tone_map(rgb, PQ)[0, 0].astype(int)
    assert red > green > blue


def test_unknown_transfer() -> None:
    with pytest.raises(ValueError, match="transfer must be"):
        tone_map(_grey(0.5), 1)
