"""What was found of one frame, as HTML: its score, the map against chance, regions, neighbours."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from dfexplain import calibration
from dfexplain.explain.explainer import Covered
from dfexplain.report import document
from dfexplain.report import words as told
from dfexplain.report.explained import strongest
from dfexplain.structures import Explanation, Faithfulness, Neighbour, VideoReport
from dfexplain.ui import pictures, words

__all__ = ["line", "panel"]


def _scale(report: VideoReport, logit: float) -> str:
    """A frame's score as the page shows it: p_fake where the video has one, else the logit."""
    if document.shows_probability(report) and report.calibration is not None:
        return words.p_fake(float(calibration.p_fake(report.calibration, np.array([logit]))[0]))
    return words.score(logit)


def panel(report: VideoReport, found: Explanation | Covered) -> str:
    """The explanation of a frame, or what became of its score where places are covered."""
    if isinstance(found, Covered):
        parts = [_change(report, found), words.note(words.COVERED_NOTE)]
    else:
        parts = [
            f'<p class="reasons-score"><b>{_scale(report, found.logit)}</b></p>',
            _as_stored(report, found),
            _against_chance(found.faithfulness),
            _regions(report, found),
            _neighbours(found.neighbours),
        ]
    return f'<div class="reasons">{"".join(parts)}</div>'


def _as_stored(report: VideoReport, found: Explanation) -> str:
    """Why the score is not the one in the caption, where a reader sees that they differ."""
    lane = next(lane for lane in report.lanes if lane.track_id == found.track_id)
    value = _scale(report, float(lane.scores.logit[found.row]))
    if value == _scale(report, found.logit):
        return ""
    return words.note(words.AS_STORED.format(value=value))


def _change(report: VideoReport, covered: Covered) -> str:
    before, after = (_scale(report, value) for value in (covered.before, covered.after))
    # What kind of number it is stands before the first of the two.
    text = f"<b>{html.escape(before)}</b> → <b>{html.escape(after.partition(' ')[2])}</b>"
    return f'<p class="reasons-score" role="status">{text} <span>{words.WHEN_COVERED}</span></p>'


def _said(found: Faithfulness) -> str:
    """What the test of a map says of it."""
    if not found.tells:
        return told.NO_TEST
    return words.BEATS if found.beats_chance else told.NO_BETTER


def _against_chance(found: Faithfulness | None) -> str:
    if found is None:
        return ""
    values = ((words.THE_MAP, found.of_map), (words.RANDOM_MAP, found.of_random),
              (words.CENTRE_MAP, found.of_centre))  # fmt: skip
    most = max(0.01, *(abs(value) for _, value in values))
    rows = "".join(
        f'<div class="rate"><span>{name}</span><i style="--share:{max(0.0, value) / most:.3f}"></i>'
        f"<b>{value:+.2f}</b></div>"
        for name, value in values
    )
    verdict = _said(found)
    tone = "" if found.tells and found.beats_chance else ' class="lost"'
    return (
        f'<section title="{html.escape(words.CHANCE_HELP)}"><h3>{words.AGAINST_CHANCE}</h3>'
        f"{rows}<p{tone}>{html.escape(verdict)}</p></section>"
    )


def _regions(report: VideoReport, found: Explanation) -> str:
    if not found.regions:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{part.name}</th>'
        f'<td><div class="heat"><i style="--share:{part.heat_share or 0.0:.3f}"></i>'
        f"<span>{told.share(part.heat_share or 0.0)}</span></div></td>"
        f"<td>{html.escape(_scale(report, part.covered_logit))}</td></tr>"
        for part in found.regions
        if part.area_share > 0.0
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in words.REGION_COLUMNS)
    face = words.note(told.face_share(found.face_share))
    region = strongest(found)
    assert region is not None
    with_p = document.shows_probability(report)
    scale = report.calibration if with_p else None
    said = told.covering(region.name, found.logit, region.covered_logit, scale)
    return (
        f"<section><h3>{words.REGIONS_TITLE}</h3><p>{html.escape(said)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{face}</section>"
    )


def _neighbours(found: Sequence[Neighbour]) -> str:
    if not found:
        return ""
    cards = "".join(
        f'<figure><img src="{pictures.png(one.thumbnail_rgb)}" alt="{words.LABELS[one.label]}">'
        f"<figcaption>{words.LABELS[one.label]}<small>{one.likeness:.2f}</small></figcaption>"
        "</figure>"
        for one in found
    )
    return (
        f"<section><h3>{words.NEIGHBOURS}</h3><div class='neighbours'>{cards}</div>"
        f"{words.note(words.NEIGHBOURS_HELP)}</section>"
    )


def line(report: VideoReport, found: Explanation) -> str:
    """For the desk, under the open frame: which region matters most, and the map against chance."""
    parts = []
    region = strongest(found)
    if region is not None:
        scale = report.calibration if document.shows_probability(report) else None
        parts.append(told.covering(region.name, found.logit, region.covered_logit, scale))
    if found.faithfulness is not None:
        test = found.faithfulness
        said = _said(test)
        rival = max(test.of_random, test.of_centre)
        sign = ">" if test.beats_chance else "≤"
        parts.append(f"map against chance: {test.of_map:+.2f} {sign} {rival:+.2f} logits, {said}")
    return words.note("; ".join(parts))
