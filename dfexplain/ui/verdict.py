"""The verdict card: the answer first, then what it rests on, and what was not looked at.

Every card is a plain string of HTML; all text that comes from a file is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from dfexplain.errors import DfExplainError
from dfexplain.report import words as told
from dfexplain.report import worth
from dfexplain.structures import Number, Outcome, PastAnalysis, Progress, Verdict, VideoReport
from dfexplain.ui import words

ZONES = (Outcome.REAL, Outcome.UNCERTAIN, Outcome.FAKE)
# Where a kept report says what was flagged of others' videos, and what it calls their number.
FLAGGED = (("genuine", "recordings"), ("deepfakes", "videos"))

__all__ = ["card", "message", "past", "refused", "working"]


def message(title: str, text: str, kind: str = "quiet") -> str:
    """A card without a verdict: nothing yet, waiting, cancelled, broken."""
    return _card(kind, title, "", f"<p>{html.escape(text)}</p>")


def refused(title: str, error: DfExplainError) -> str:
    """One line and the code of what went wrong."""
    body = (
        f"<p>{html.escape(str(error))}</p><p class='card-small'>code: <code>{error.code}</code></p>"
    )
    return _card("trouble", title, "", body)


def working(step: Progress | None, elapsed_s: float) -> str:
    """What is being done, how far it is, and for how long."""
    text = words.progress(step) if step else words.STAGES["open"]
    known = f' value="{step.done}" max="{step.total}"' if step and step.done else ""
    body = (
        f'<progress aria-label="{html.escape(text)}"{known}></progress>'
        f'<p>{html.escape(text)}</p><p class="card-small">{words.elapsed(elapsed_s)}</p>'
    )
    return _card("busy", words.WORKING, "", body)


def card(report: VideoReport) -> str:
    """The verdict of a report."""
    verdict, calibration = report.verdict, report.calibration
    number, gauge = _number(verdict, None if calibration is None else told.band(calibration))
    parts = [gauge, f"<p>{html.escape(told.explanation(report))}</p>"]
    parts += [
        f'<p class="card-small">{html.escape(said)}</p>'
        for said in (told.again(verdict), told.decided(report))
        if said
    ]
    if report.segments and verdict.outcome is not Outcome.FAKE:
        parts.append(f"<p>{html.escape(told.spans(report.segments))}</p>")
    parts.append(_coverage(report))
    if gauge and calibration is not None:
        parts.append(_alarms(verdict, report.weights.alarms, report.weights.found))
        parts.append(f'<p class="card-small">{html.escape(words.standing(calibration))}</p>')
    parts.append(_listed(words.NOT_CHECKED, report.not_checked))
    parts.append(_listed(words.NOTES, told.notes(report)))
    return _card(verdict.outcome.value, told.headline(verdict), number, "".join(parts))


def past(kept: PastAnalysis, read: dict[str, Any]) -> str:
    """The card of a kept analysis, from its row and the JSON of its report."""
    number, gauge = _number(kept.verdict, kept.band)
    parts = [gauge, f"<p>{html.escape(kept.because)}</p>"]
    if kept.spans and kept.verdict.outcome is not Outcome.FAKE:
        parts.append(f"<p>{html.escape(kept.spans)}</p>")
    parts.append(f'<p class="card-small">{html.escape(kept.coverage)}</p>')
    if gauge and (point := read.get("operating_point")):
        rates = (_rate(point.get(key), of) for key, of in FLAGGED)
        parts.append(_alarms(kept.verdict, *rates))
        measured = words.measured(point["measured_on"])
        parts.append(f'<p class="card-small">{html.escape(measured)}</p>')
    parts.append(_listed(words.NOT_CHECKED, read.get("not_checked", ())))
    parts.append(_listed(words.NOTES, read.get("notes", ())))
    return _card(kept.verdict.outcome.value, told.headline(kept.verdict), number, "".join(parts))


def _number(verdict: Verdict, band: tuple[float, float] | None) -> tuple[str, str]:
    """The number of a card and its gauge; both empty without evidence."""
    if verdict.p_fake is not None and band is not None:
        return f"p_fake <b>{words.two_digits(verdict.p_fake)}</b>", _gauge(verdict.p_fake, band)
    if verdict.score is None:
        return "", ""
    kind = "not calibrated" if band is None else "no probability"
    return f"score <b>{verdict.score:.2f}</b><br>{kind}", ""


def _card(kind: str, title: str, number: str, body: str) -> str:
    # A card that changes twice a second is not read out each time.
    live = "off" if kind == "busy" else "polite"
    return (
        f'<section class="card card-{kind}" aria-live="{live}">'
        f"<header><h2>{html.escape(title)}</h2>"
        f'<div class="card-number">{number}</div></header>{body}</section>'
    )


def _rate(kept: dict[str, Any] | None, of: str) -> Number | None:
    """What a kept report says of flagged recordings or videos (`of`), if it says anything."""
    if kept is None:
        return None
    low, high = kept["interval"] or (None, None)
    return Number(kept["rate"], low, high, kept[of], None)


def _alarms(verdict: Verdict, genuine: Number | None, found: Number | None) -> str:
    """How often genuine recordings and deepfakes are flagged. Who reads that a video is likely
    manipulated should not have to look for it."""
    small = "" if verdict.outcome is Outcome.FAKE else ' class="card-small"'
    said = worth.alarms(genuine, found)
    return f"<p{small}>{html.escape(said)}</p>" if said else ""


def _gauge(p_fake: float, band: tuple[float, float]) -> str:
    """0 to 1 in three zones, with the dot of the video."""
    low, high = (100 * edge for edge in band)
    text = html.escape(words.gauge(p_fake, low / 100, high / 100))
    ends = [told.headline(Verdict(outcome, None, None, None)).lower() for outcome in ZONES]
    return (
        f'<div class="gauge" role="img" aria-label="{text}" title="{text}">'
        f'<div class="gauge-bar"><i class="real" style="width:{low:.2f}%"></i>'
        f'<i class="uncertain" style="width:{high - low:.2f}%"></i>'
        f'<i class="fake" style="width:{100 - high:.2f}%"></i>'
        f'<b style="left:{100 * p_fake:.2f}%"></b></div>'
        f'<div class="gauge-ends"><span>{ends[0]}</span>'
        f"<span>{ends[1]}</span><span>{ends[2]}</span></div></div>"
    )


def _coverage(report: VideoReport) -> str:
    seen = report.coverage
    read, face = (100 * part / max(seen.wanted, 1) for part in (seen.decoded, seen.with_face))
    text = html.escape(told.coverage(seen, report.info.kind))
    return (
        f'<div class="cover" role="img" aria-label="{text}"><i style="width:{read:.1f}%"></i>'
        f'<b style="width:{face:.1f}%"></b></div><p class="card-small">{text}</p>'
    )


def _listed(title: str, items: Sequence[str]) -> str:
    text = "; ".join(item.rstrip(".") for item in items)
    return f'<p class="card-small"><b>{title}</b> {html.escape(text)}.</p>' if text else ""
