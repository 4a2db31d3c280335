"""The pictures of one frame of a report, as JPEGs: its crop, and the map over crop and frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from dfexplain import explain, jpegs
from dfexplain.report.explained import explanation_of
from dfexplain.structures import Lane, Preview, VideoReport

__all__ = ["FramePictures", "colour_bar", "of_frame", "preview_at"]

# Two sampled frames are never this close; a preview belongs to a row within this of its time.
SAME_TIME_S = 1e-3


@dataclass(frozen=True)
class FramePictures:
    """JPEGs of one frame: the crop as the model saw it, the map over it, and the map over the
    whole frame (None where the report holds no preview of it)."""

    crop: bytes
    overlay: bytes
    whole: bytes | None


def preview_at(report: VideoReport, time_s: float) -> Preview | None:
    """The sampled frame of that time; None where the report holds none."""
    near = [p for p in report.previews if abs(p.time_s - time_s) < SAME_TIME_S]
    return near[0] if near else None


def of_frame(report: VideoReport, lane: Lane, row: int) -> FramePictures:
    """Draw one row of a lane; a map that does no better than chance is grey."""
    found = explanation_of(report, lane.track_id, row)
    heatmap = explain.lane_heatmap(report, lane, row) if found is None else found.heatmap
    grey = found is not None and found.loses_to_chance
    crop = lane.scores.crops_jpeg[row]
    overlay = explain.overlay(jpegs.decoded(crop), heatmap, grey=grey)
    whole = None
    preview = preview_at(report, float(lane.track.time_s[row]))
    if preview is not None:
        box = lane.track.box_xyxy[row] * preview.scale
        frame = preview.picture.rgb
        margin = report.weights.crop_margin
        drawn = explain.overlay_frame(frame, box, heatmap, margin, grey=grey)
        whole = jpegs.encoded(drawn, jpegs.PREVIEW)
    return FramePictures(crop, jpegs.encoded(overlay, jpegs.PREVIEW), whole)


def colour_bar() -> bytes:
    """The colours of all maps, from no evidence to the most that is drawn, as PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(explain.colour_bar(12, 240), cv2.COLOR_RGB2BGR))
    return data.tobytes()
