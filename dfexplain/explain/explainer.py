"""Explainer: asks one set of weights why a frame of a report got its score.

It works on the crops that the report holds and opens no video. They were stored as JPEG, so their
logits differ a little from those of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dfexplain import jpegs
from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import methods
from dfexplain.explain import regions as face
from dfexplain.explain.cover import HOW, variants
from dfexplain.explain.faithfulness import PASSES, judge, probes, road
from dfexplain.explain.neighbours import nearest
from dfexplain.explain.tables import tells
from dfexplain.hub import Weights
from dfexplain.structures import EVIDENCE, MASK, Explanation, Heatmap, Lane, RegionSpan, VideoReport

__all__ = ["Covered", "Explainer", "clip_rows", "flagged_rows"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

# Training crops that are shown beside a frame.
NEIGHBOURS = 6


@dataclass(frozen=True)
class Covered:
    """One frame before and after a part of it was covered: its logits, the crop (S, S, 3) as the
    model saw it last, and the map of that crop."""

    before: float
    after: float
    crop: Image
    heatmap: Heatmap


def clip_rows(shots: NDArray[np.int64], row: int, length: int) -> tuple[list[int], int]:
    """The rows of a lane that are scored as one clip with `row`, and its place among them.

    As in `engine.TrackWindows`, with all rows of a shot taken for one track: windows side by side,
    the last one ends with the shot, and a shot that is too short is filled up with its last row.
    """
    mine = np.flatnonzero(shots == shots[row])
    place = int(np.searchsorted(mine, row))
    start = max(0, min(place // length * length, len(mine) - length))
    window = [int(mine[min(start + k, len(mine) - 1)]) for k in range(length)]
    return window, place - start


def flagged_rows(report: VideoReport, lane: Lane) -> list[int]:
    """The rows of a lane that lie in its flagged spans."""
    times = lane.track.time_s
    inside = np.zeros(len(lane), np.bool_)
    for segment in report.segments:
        if segment.track_id == lane.track_id:
            inside |= (times >= segment.start_s) & (times <= segment.end_s)
    return [int(row) for row in np.flatnonzero(inside)]


class Explainer:
    """One set of weights, ready to explain frames one after another; threads wait for each other.

    `scales` names the methods that apply to these weights and have a fixed scale, each with the
    magnitude that is drawn in full colour; `default` is the one that is shown unless another is
    asked for. `cover_by` is what places are covered with (`cover.HOW`) unless another way is asked
    for: the one that was measured to tell most, where that was measured.
    """

    def __init__(self, weights: Weights, *, device: str = "cpu") -> None:
        self.weights = weights
        self._engine = Engine(weights.config, weights.state, device=device)
        self._lock = Lock()
        record = weights.heatmaps
        known = {**dict.fromkeys(methods.IN_LOGITS, weights.heat_scale), MASK: 1.0}
        if record is not None:
            known |= record.scales
        # The evidence was measured when the weights were made, on more crops than any record.
        known[EVIDENCE] = weights.heat_scale
        names = [name for name in methods.available(self._engine) if name in known]
        self.scales: Mapping[str, float] = MappingProxyType({n: known[n] for n in names})
        self.default = record.method if record and record.method in names else EVIDENCE
        known_cover = record.cover if record is not None else HOW[0]
        # Where no cover tells, the first one is as good as any, and what it gives says so.
        self._tells, self.cover_by = (
            known_cover in HOW,
            known_cover if known_cover in HOW else HOW[0],
        )
        # ROAD fills what it removes from around, as that cover does.
        self._road_tells = record is None or tells(record, "inpaint")

    def explain(
        self,
        report: VideoReport,
        lane: Lane,
        row: int,
        method: str | None = None,
        *,
        faithfulness: bool = True,
        regions: bool = True,
        exact: bool = False,
    ) -> Explanation:
        """Say why one frame got its score.

        `faithfulness` costs twelve passes of the model and `regions` one for each region; `exact`
        tests by ROAD instead, which takes seconds. The same call gives the same answer. Raises
        SettingError for a report of other weights, a row that the lane lacks, and a method that is
        not in `scales`.
        """
        name = self.checked(method)
        clip, frame = self._clip(report, lane, row)
        size = clip.shape[1]
        # Which way the report's score points; that of the stored crop is not known yet.
        toward_real = bool(lane.scores.logit[row] <= 0)
        signed = methods.METHODS[name].signed
        margin = self.weights.config.crop_margin
        parts = face.masks(face.landmarks_on_crop(lane.track, row, margin, size), size)
        with self._lock:
            if name == EVIDENCE:
                values = lane.scores.evidence[row]
            elif name == MASK and lane.scores.mask is not None:
                values = lane.scores.mask[row]
            else:
                values = methods.maps(self._engine, clip[None], name)[0, frame]
            # All questions at once: the engine fills its batches.
            asked = [np.zeros((1, size, size), np.float32)]
            if faithfulness and not exact:
                asked.append(probes(clip[frame], values, toward_real=toward_real, signed=signed))
            if regions:
                asked.append(parts.astype(np.float32))
            changed = variants(clip, np.concatenate(asked), self.cover_by)
            logits = self._engine.logits(changed)[:, frame]
            tested = None
            if faithfulness and exact:
                way = float(lane.scores.logit[row])
                tested = road(self._engine, clip, frame, values, way, signed=signed)
                tested = replace(tested, tells=self._road_tells)
            elif faithfulness:
                tested = judge(logits[1 : 1 + PASSES], values, toward_real=toward_real)
                tested = replace(tested, tells=self._tells)
        index = self.weights.neighbours
        shares = face.heat_shares(values, parts, toward_real=toward_real, signed=signed)
        return Explanation(
            track_id=lane.track_id,
            row=row,
            time_s=float(lane.track.time_s[row]),
            logit=float(logits[0]),
            heatmap=self._heatmap(report, name, values),
            face_share=face.face_share(shares),
            faithfulness=tested,
            regions=face.evidence(parts, shares, logits[-len(parts) :]) if regions else (),
            neighbours=nearest(index, lane.scores.features[row], NEIGHBOURS) if index else (),
        )

    def cover(
        self,
        report: VideoReport,
        lane: Lane,
        row: int,
        mask: Array,
        how: str | None = None,
        method: str | None = None,
    ) -> Covered:
        """Cover the places of a crop that `mask` (S, S) in 0..1 names, and score it anew.

        `how` is one of `cover.HOW`, `cover_by` for None. For models of clips the same places of all
        frames of the clip are covered. Raises SettingError as `explain`, and for a mask that does
        not fit the crop.
        """
        name = self.checked(method)
        clip, frame = self._clip(report, lane, row)
        changed = np.concatenate([clip[None], self._covered(clip, mask, how)])
        with self._lock:
            before, after = self._engine.logits(changed)[:, frame]
            values = methods.maps(self._engine, changed[1:], name)[0, frame]
        heatmap = self._heatmap(report, name, values)
        return Covered(float(before), float(after), changed[1, frame], heatmap)

    def _covered(self, clip: Image, mask: Array, how: str | None) -> Image:
        return variants(clip, np.asarray(mask)[None], how or self.cover_by)

    def spans(self, report: VideoReport, lane: Lane) -> tuple[RegionSpan, ...]:
        """Which region carries the evidence in which part of a lane's flagged spans; no passes."""
        config = self.weights.config
        return face.spans(lane, report.segments, config.crop_margin, config.crop_px)

    def checked(self, method: str | None) -> str:
        """The name of a method that these weights have, the default for None. Raises SettingError
        for any other."""
        name = self.default if method is None else method
        if name not in self.scales:
            raise SettingError(
                f"method must be one of {', '.join(self.scales)} for these weights, but got "
                f"{name!r:.40}. Measure scales with `dfexplain explain-benchmark --record`."
            )
        return name

    def _heatmap(self, report: VideoReport, name: str, values: Array) -> Heatmap:
        # What the report draws by this method, here and elsewhere, has one scale.
        scale = report.heat_scale if name == report.heat_method else self.scales[name]
        return Heatmap(values, scale, methods.METHODS[name].label)

    def _clip(self, report: VideoReport, lane: Lane, row: int) -> tuple[Image, int]:
        """The stored crops (T, S, S, 3) that are scored together with a row, and its place."""
        mine, theirs = self.weights.info, report.weights
        if mine.sha256 != theirs.sha256:
            raise SettingError(
                f"report must be of the weights {mine.name} ({mine.sha256[:12]}), but got one of "
                f"{theirs.name} ({theirs.sha256[:12]}). Analyse the video anew."
            )
        if not 0 <= row < len(lane):
            raise SettingError(
                f"row must lie in 0..{len(lane) - 1} for face {lane.track_id}, but got {row}."
            )
        rows, frame = clip_rows(lane.track.shot, row, self.weights.config.clip_frames)
        return np.stack([jpegs.decoded(lane.scores.crops_jpeg[each]) for each in rows]), frame
