"""The recompression check as a table, in a sentence, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dfexplain.recompress import Recompressed
from dfexplain.report import words
from dfexplain.report.document import file_name
from dfexplain.report.numbers import rounded
from dfexplain.structures import EvaluationTable, Number, Reason, Verdict, VideoReport

__all__ = ["survival", "table", "to_json"]

TITLE = "The same video, compressed again"
NOTE = (
    "Each row is the file encoded as H.264 and analysed anew, by the same weights and at the same "
    "times. Scores and p stand with their intervals when frames are drawn again; spans shared is "
    "the common time of flagged spans over the time of either."
)
COLUMNS = ("encoding", "verdict", "p", "score", "spans shared", "kB")
NOT_SHOWN = "no probability"
# Why a verdict takes no side, as a clause of the sentence. Without a face the headline says it.
WHY = {
    Reason.NO_FACE: "",
    Reason.TOO_FEW_FRAMES: "with a face in too few frames",
    Reason.LOW_COVERAGE: "with a face in too small a share of the frames",
    Reason.IN_BAND: "with a score inside the band",
    Reason.OUT_OF_DISTRIBUTION: "with a face unlike those on which the score was measured",
    Reason.UNCALIBRATED: "with a score that has no calibration",
}


def _ranged(value: float | None, interval: tuple[float, float] | None) -> Number | str:
    if value is None:
        return NOT_SHOWN
    low, high = interval or (None, None)
    return Number(value, low, high, n=0, chance=None)


def _row(name: str, verdict: Verdict, shared: str, size_bytes: int) -> tuple[str | Number, ...]:
    score = "no score" if verdict.score is None else _ranged(verdict.score, verdict.score_interval)
    p = _ranged(verdict.p_fake, verdict.p_interval)
    return name, words.head(verdict), p, score, shared, f"{size_bytes / 1000:.0f}"


def table(report: VideoReport, found: Sequence[Recompressed]) -> EvaluationTable:
    """The original and each encoding that is done, a row each."""
    rows = [_row("the file itself", report.verdict, "–", report.info.size_bytes)]
    for one in found:
        shared = "no spans" if one.overlap is None else words.share(one.overlap)
        rows.append(_row(one.variant.name, one.verdict, shared, one.size_bytes))
    return EvaluationTable("recompressed", TITLE, NOTE, COLUMNS, tuple(rows))


def survival(report: VideoReport, found: Sequence[Recompressed]) -> str:
    """Whether the verdict survives, and where it changes: "The verdict survives CRF 23 and CRF 28;
    at CRF 35 it becomes “Cannot tell” with a score inside the band." Empty where nothing is
    done."""
    if not found:
        return ""
    kept = [one.variant.name for one in found if one.survives]
    changed: dict[str, list[str]] = {}
    for one in found:
        if not one.survives:
            changed.setdefault(_became(one.verdict), []).append(one.variant.name)
    lost = "; ".join(f"at {_listed(names)} it becomes {now}" for now, names in changed.items())
    said = f"“{words.headline(report.verdict)}”"
    if not lost:
        return f"{said} survives all of {_listed(kept)}."
    if not kept:
        return f"{said} does not survive: {lost}."
    return f"{said} survives {_listed(kept)}; {lost}."


def _became(verdict: Verdict) -> str:
    why = "" if verdict.reason is None else WHY[verdict.reason]
    return f"“{words.headline(verdict)}”" + (f" {why}" if why else "")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": str(verdict.outcome),
        "reason": None if verdict.reason is None else str(verdict.reason),
        "p_fake": rounded(verdict.p_fake),
        "score": rounded(verdict.score),
    }


def to_json(report: VideoReport, found: Sequence[Recompressed]) -> str:
    """The check as JSON, one trailing newline (docs/worth.md)."""
    document = {
        "file": file_name(report),
        "sha256": report.info.sha256,
        "weights_sha256": report.weights.sha256,
        "original": _verdict(report.verdict),
        "encodings": [
            {
                "name": one.variant.name,
                "crf": one.variant.crf,
                "scale": rounded(one.variant.scale),
                "sha256": one.sha256,
                "size_bytes": one.size_bytes,
                **_verdict(one.verdict),
                "span_overlap": rounded(one.overlap),
                "survives": one.survives,
            }
            for one in found
        ],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
