"""Explanations as they stand in a report: for the JSON, and in words for the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dfexplain import calibration as calibrate
from dfexplain.report import words
from dfexplain.report.chosen import shown_frames
from dfexplain.report.numbers import rounded
from dfexplain.structures import Calibration, Explanation, Progress, RegionEvidence, VideoReport

if TYPE_CHECKING:
    from dfexplain.explain.explainer import Explainer

__all__ = ["explaining", "explanation_of", "in_words", "strongest", "to_dicts"]


def explaining(
    explainer: Explainer, method: str, report: VideoReport, *, exact: bool = False
) -> Iterator[Progress | VideoReport]:
    """Explain the frames that a report shows, and which region of each face carries the evidence
    when; a step a frame, and at the end the report with all that. `exact` tests maps by ROAD."""
    shown, found = shown_frames(report), []
    for number, one in enumerate(shown):
        yield Progress("explain", number, len(shown))
        found.append(explainer.explain(report, one.lane, one.row, method, exact=exact))
    spans = [span for lane in report.lanes for span in explainer.spans(report, lane)]
    yield dataclasses.replace(report, explanations=tuple(found), region_spans=tuple(spans))


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
        out.append(_each(found, calibration))
    if found.faithfulness is not None:
        out.append(words.faithfulness(found.faithfulness))
    out.append(words.face_share(found.face_share))
    return out


def _each(found: Explanation, calibration: Calibration | None) -> str:
    """The score with each region covered, from the one that matters most to the one that does
    least."""
    covered = np.array([part.covered_logit for part in found.regions])
    order = np.argsort(covered if found.logit > 0 else -covered, kind="stable").tolist()
    shown = covered if calibration is None else calibrate.p_fake(calibration, covered)
    # Adding 0.0 takes the sign from a zero.
    parts = (f"{found.regions[k].name} {round(float(shown[k]), 2) + 0.0:.2f}" for k in order)
    return f"the score with one region covered at a time: {', '.join(parts)}"


def to_dicts(report: VideoReport) -> dict[str, Any]:
    """The report's explanations and the spans that regions lead in, ready for JSON."""
    return {
        "explanations": [_explanation(found) for found in report.explanations],
        "region_spans": [
            {
                "track_id": span.track_id,
                "region": span.name,
                "start_s": rounded(span.start_s),
                "end_s": rounded(span.end_s),
                "heat_share": rounded(span.heat_share),
            }
            for span in report.region_spans
        ],
    }


def _explanation(found: Explanation) -> dict[str, Any]:
    test = found.faithfulness
    return {
        "track_id": found.track_id,
        "time_s": rounded(found.time_s),
        "logit": rounded(found.logit),
        "method": found.heatmap.method,
        "scale": rounded(found.heatmap.scale),
        "heatmap": [[rounded(value) for value in row] for row in found.heatmap.values.tolist()],
        "face_share": rounded(found.face_share),
        "faithfulness": test
        and {
            "how": test.how,
            "map": rounded(test.of_map),
            "random": rounded(test.of_random),
            "centre": rounded(test.of_centre),
            "beats_chance": test.beats_chance,
            "tells": test.tells,
        },
        "regions": [
            {
                "region": part.name,
                "area_share": rounded(part.area_share),
                "heat_share": rounded(part.heat_share),
                "covered_logit": rounded(part.covered_logit),
            }
            for part in found.regions
        ],
        "neighbours": [
            {"forged": bool(near.label), "likeness": rounded(near.likeness)}
            for near in found.neighbours
        ],
    }
