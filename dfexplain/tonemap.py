"""High dynamic range to standard range, simple and explicit: 16-bit BT.2020 in, 8-bit BT.709 out.

1. To light on the display, relative to the 203 cd/m2 of a diffuse white (ITU-R BT.2408): PQ by its
   EOTF (SMPTE ST 2084), HLG by its inverse OETF and a system gamma of 1.2 for a display of
   1000 cd/m2 (ITU-R BT.2100).
2. Primaries from BT.2020 to BT.709 (ITU-R BT.2087, annex 2), negative values cut.
3. Light up to `KNEE` of white stays as it is, so that skin keeps its contrast; what is brighter is
   compressed smoothly toward white by the strongest channel, which keeps hues.
4. Encoded for a display with gamma 2.4 (ITU-R BT.1886).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["HLG", "PQ", "tone_map"]

PQ = 16
"""AVCOL_TRC_SMPTE2084."""

HLG = 18
"""AVCOL_TRC_ARIB_STD_B67."""

KNEE = 0.6
WHITE_CD_M2 = 203.0
_PEAK_CD_M2 = 1000.0
_ROWS = 64
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


def _pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """EOTF of SMPTE ST 2084: signal in [0, 1] to cd/m2 over 10,000."""
    root = signal ** (1 / 78.84375)
    return (np.maximum(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )


def _hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse OETF of HLG (BT.2100, table 5): signal in [0, 1] to scene light in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def tone_map(rgb: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Map a picture (H, W, 3) of full-range 16-bit R'G'B' in BT.2020 to 8-bit R'G'B' in BT.709.

    `transfer` is `PQ` or `HLG`. Raises ValueError for another one.
    """
    signal = np.linspace(0.0, 1.0, 1 << 16)
    if transfer == PQ:
        table = (_pq(signal) * (10000.0 / WHITE_CD_M2)).astype(np.float32)
    elif transfer == HLG:
        table = _hlg(signal).astype(np.float32)
    else:
        raise ValueError(f"transfer must be {PQ} (PQ) or {HLG} (HLG), but got {transfer}.")
    out = np.empty(rgb.shape, np.uint8)
    for top in range(0, len(rgb), _ROWS):
        light = table[rgb[top : top + _ROWS]]
        if transfer == HLG:
            luma = (light @ _LUMA_2020)[..., None]
            light = light * (luma**0.2) * np.float32(_PEAK_CD_M2 / WHITE_CD_M2)
        light = np.maximum(light @ _TO_709.T, 0.0)
        peak = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        over = np.maximum((peak - KNEE) / (1.0 - KNEE), 0.0)
        light = light * (np.where(over > 0, KNEE + (1.0 - KNEE) * over / (1.0 + over), peak) / peak)
        out[top : top + _ROWS] = np.rint(255.0 * np.minimum(light, 1.0) ** (1 / 2.4))
    return out
