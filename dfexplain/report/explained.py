"""Explanations as they stand in a report: for the JSON, and in words for the page."""

from __future__ import annotations

from typing import Any

from dfexplain.report import words
from dfexplain.structures import Calibration, Explanation, RegionEvidence, VideoReport

__all__ = ["explanation_of", "in_words", "strongest", "to_dicts"]

DIGITS = 6


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS) + 0.0


def explanation_of(report: VideoReport, track_id: str, row: int) -> Explanation | None:
    """What the report says of one frame of a face; None where it was not asked."""
    for found in report.explanations:
        if (found.track_id, found.row) == (track_id, row):
            return found
    return None


def strongest(found: Explanation) -> RegionEvidence | None:
    """The region without which the score falls furthest toward the other side; None if none was
    covered."""
    side = 1.0 if found.logit > 0 else -1.0
    return min(found.regions, key=lambda part: side * part.covered_logit, default=None)


def in_words(found: Explanation, calibration: Calibration | None) -> list[str]:
    """What was found of a frame, in sentences; on the scale of `calibration` where there is one."""
    out = []
    region = strongest(found)
    if region is not None:
        out.append(words.covering(region.name, found.logit, region.covered_logit, calibration))
    if found.faithfulness is not None:
        out.append(words.faithfulness(found.faithfulness))
    out.append(words.face_share(found.face_share))
    return out


def to_dicts(report: VideoReport) -> dict[str, Any]:
    """The report's explanations and the spans that regions lead in, ready for JSON."""
    return {
        "explanations": [_explanation(found) for found in report.explanations],
        "region_spans": [
            {
                "track_id": span.track_id,
                "region": span.name,
                "start_s": _rounded(span.start_s),
                "end_s": _rounded(span.end_s),
                "heat_share": _rounded(span.heat_share),
            }
            for span in report.region_spans
        ],
    }


def _explanation(found: Explanation) -> dict[str, Any]:
    test = found.faithfulness
    return {
        "track_id": found.track_id,
        "time_s": _rounded(found.time_s),
        "logit": _rounded(found.logit),
        "method": found.heatmap.method,
        "scale": _rounded(found.heatmap.scale),
        "heatmap": [[_rounded(value) for value in row] for row in found.heatmap.values.tolist()],
        "face_share": _rounded(found.face_share),
        "faithfulness": test
        and {
            "how": test.how,
            "map": _rounded(test.of_map),
            "random": _rounded(test.of_random),
            "centre": _rounded(test.of_centre),
            "beats_chance": test.beats_chance,
        },
        "regions": [
            {
                "region": part.name,
                "area_share": _rounded(part.area_share),
                "heat_share": _rounded(part.heat_share),
                "covered_logit": _rounded(part.covered_logit),
            }
            for part in found.regions
        ],
        "neighbours": [
            {"forged": bool(near.label), "likeness": _rounded(near.likeness)}
            for near in found.neighbours
        ],
    }
