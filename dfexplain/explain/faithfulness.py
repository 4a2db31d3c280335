"""Whether a frame's score hangs on where its map is hot, more than on other places.

Cheap, for every frame that is opened: the map is laid on a grid, its hottest and its coldest cells
are shown alone and are covered, and the model scores the four crops (insertion and deletion:
Petsiuk et al., RISE, BMVC 2018, sec. 4.3; most and least relevant first: Rong et al., ROAD, ICML
2022). What the hot cells are worth more than the cold ones, in logits, is what the map has found. A
map that knows nothing finds 0 on average. A map of random numbers and a Gaussian in the middle of
the crop, where faces are, are asked the same; that makes twelve crops.

Exact, on request: ROAD itself, which removes more and more pixels and fills each by its neighbours.

All numbers are toward the prediction: for a logit below 0, what speaks for real is looked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.explain.cover import variants
from dfexplain.structures import Faithfulness

__all__ = [
    "CHEAP",
    "COARSE",
    "EXACT",
    "PASSES",
    "beats_chance_share",
    "centre_map",
    "cheap",
    "judge",
    "probes",
    "resized",
    "road",
]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

CHEAP = "deletion and insertion"
EXACT = "ROAD"
# Cells across the crop, and the share of them that counts as hot or cold: an eye or a mouth is so
# large, and a disc of that size in the middle of a face crop covers neither.
GRID = 8
SHARE = 0.15
PASSES = 12
# The random map's own cells across: as coarse as the maps of models, whose hot cells lie together.
COARSE = 4
# The Gaussian's deviation in sides of the crop. Only the order of cells counts.
_CENTRE = 0.25
# Shares of the pixels that ROAD keeps. A solve takes up to half a second, and there are six each.
_PERCENTILES = (20, 40, 60, 80)


def _random(crop: Image) -> np.random.Generator:
    """Each crop has its own seed, or one place would stand for chance on every frame."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(crop).tobytes()))


def resized(values: Array, side: int) -> Array:
    """A map (h, w) on (side, side) points."""
    how = cv2.INTER_AREA if min(values.shape) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (side, side), interpolation=how), np.float32)


def centre_map(side: int) -> Array:
    """A Gaussian in the middle of the crop, (side, side)."""
    from_middle = (np.arange(side) + 0.5) / side - 0.5
    square = from_middle[:, None] ** 2 + from_middle[None, :] ** 2
    return np.asarray(np.exp(-square / (2 * _CENTRE**2)), np.float32)


def _ranks(values: Array, random: np.random.Generator) -> Array:
    """The places of a map from coldest 0 to hottest 1; places that tie are in random order, so that
    none of them gains by where it stands in memory."""
    flat = values.ravel()
    order = np.lexsort((random.random(flat.size), flat))
    ranks = np.empty(flat.size, np.float32)
    ranks[order] = np.linspace(0.0, 1.0, flat.size, dtype=np.float32)
    return ranks.reshape(values.shape)


def _rivals(
    values: Array, toward_real: bool, random: np.random.Generator, side: int
) -> list[Array]:
    """The map, two random ones and a centre Gaussian as ranks (side, side), hottest 1."""
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"values must be a finite map (h, w), but got {values.shape}.")
    noise = random.random((2, COARSE, COARSE), np.float32)
    maps = (-values if toward_real else values, *noise, centre_map(side))
    return [_ranks(resized(np.asarray(m, np.float32), side), random) for m in maps]


def _ends(ranks: Array, size_px: int) -> tuple[Array, Array]:
    """Masks (S, S) of the hottest and of the coldest cells."""
    order, count = np.argsort(ranks, axis=None), round(SHARE * GRID**2)
    masks = np.zeros((2, GRID**2), np.float32)
    masks[0, order[-count:]] = masks[1, order[:count]] = 1.0
    size = (size_px, size_px)
    large = [
        cv2.resize(mask.reshape(GRID, GRID), size, interpolation=cv2.INTER_NEAREST)
        for mask in masks
    ]
    return np.asarray(large[0], np.float32), np.asarray(large[1], np.float32)


def probes(crop: Image, values: Array, *, toward_real: bool, signed: bool = True) -> Array:
    """The masks (12, S, S) of what to cover of a crop (S, S, 3); `judge` wants the logits of them.

    Four for the map `values` (h, w), four for random ones, four for the centre: all but the hottest
    cells, all but the coldest, the hottest, the coldest. A `signed` map of a frame that is taken
    `toward_real` is turned round.
    """
    rivals = _rivals(values, toward_real and signed, _random(crop), GRID)
    ours, first, second, centre = (_ends(ranks, len(crop)) for ranks in rivals)
    # The random maps' four come from two maps, so that one stroke of luck does not make them all.
    shown, hidden = (ours, first, centre), (ours, second, centre)
    return np.stack(
        [
            mask
            for (hot, cold), (hot_too, cold_too) in zip(shown, hidden, strict=True)
            for mask in (1.0 - hot, 1.0 - cold, hot_too, cold_too)
        ]
    )


def judge(logits: NDArray[np.float64], values: Array, *, toward_real: bool) -> Faithfulness:
    """What the logits (12,) of a crop covered by `probes` say of the map `values`.

    A map's number is the mean of: hottest alone less coldest alone, and without the coldest less
    without the hottest. A random map's opposite is as random, so the better of the two stands for
    chance. A flat map names no place and counts as a random one.
    """
    if logits.shape != (PASSES,):
        raise ValueError(f"logits must be ({PASSES},), but got {logits.shape}.")
    toward = (-logits if toward_real else logits).reshape(3, 4)
    alone, without = toward[:, 0] - toward[:, 1], toward[:, 3] - toward[:, 2]
    of_map, _, of_centre = (float(number) for number in (alone + without) / 2)
    of_random = float(abs(alone[1]) + abs(without[1])) / 2
    return Faithfulness(of_random if _is_flat(values) else of_map, of_random, of_centre, CHEAP)


def cheap(
    engine: Engine,
    clip: Image,
    frame: int,
    values: Array,
    logit: float | None = None,
    *,
    signed: bool = True,
) -> Faithfulness:
    """Test the map `values` (h, w) of one frame of a clip (T, S, S, 3): twelve clips are scored.

    `logit` is the frame's, and says which way; where it is not known the clip itself is scored too.
    """
    toward_real = _logit(engine, clip, frame, logit) <= 0
    masks = probes(clip[frame], values, toward_real=toward_real, signed=signed)
    logits = engine.logits(variants(clip, masks))[:, frame]
    return judge(logits, values, toward_real=toward_real)


def road(
    engine: Engine,
    clip: Image,
    frame: int,
    values: Array,
    logit: float | None = None,
    *,
    signed: bool = True,
    percentiles: Sequence[int] = _PERCENTILES,
) -> Faithfulness:
    """Test a map as `cheap` does, by ROAD (pytorch-grad-cam): some seconds a frame.

    For each percentile p the hottest (100 - p) % of all pixels are filled by their neighbours, and
    the coldest; a map's number is half of what the first costs more than the second, in logits,
    averaged over `percentiles` (Rong et al. 2022, sec. 4.2, as ROADCombined has it).
    """
    import torch
    from pytorch_grad_cam.metrics.road import ROADCombined
    from torch import Tensor, nn

    toward_real = _logit(engine, clip, frame, logit) <= 0
    sign = -1.0 if toward_real else 1.0

    class Frames(nn.Module):
        """The library wants a batch of pictures and a row of outputs for each of them."""

        def forward(self, frames: Tensor) -> Tensor:
            logits: Tensor = engine.model(frames[None])[1][0]
            return sign * logits[:, None]

    def target(output: Tensor) -> Tensor:
        # The library's own target would take a row of one logit for the score of class 0.
        return output[0]

    side = clip.shape[1]
    pictures = engine.normalise(clip)
    numbers = []
    rivals = _rivals(values, toward_real and signed, _random(clip[frame]), side)
    for ranks in (rivals[0], rivals[1], rivals[3]):
        # Ranks, for the library removes all that ties. It adds noise to what it fills in.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            scores = ROADCombined(percentiles=list(percentiles))(
                pictures, np.stack([ranks] * len(clip)), [target] * len(clip), Frames()
            )
        numbers.append(float(scores[frame]))
    of_map, of_random, of_centre = numbers[0], abs(numbers[1]), numbers[2]
    return Faithfulness(of_random if _is_flat(values) else of_map, of_random, of_centre, EXACT)


def beats_chance_share(found: Sequence[Faithfulness]) -> float | None:
    """The share in 0..1 of frames on which the map beats both; None without frames.

    A map that knows nothing must be the best of three and on the right side of 0: with independent
    normal scores it reaches 0.15; what it reaches with a model's, `explain.benchmark` measures.
    """
    return sum(one.beats_chance for one in found) / len(found) if found else None


def _logit(engine: Engine, clip: Image, frame: int, logit: float | None) -> float:
    if not 0 <= frame < len(clip):
        raise ValueError(f"frame must lie in 0..{len(clip) - 1}, but got {frame}.")
    return float(engine.logits(clip[None])[0, frame]) if logit is None else logit


def _is_flat(values: Array) -> bool:
    return float(np.ptp(values)) == 0.0
