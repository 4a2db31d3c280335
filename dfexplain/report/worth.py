"""The words and tables for what a score is worth at a reader's own prior (`dfexplain.worth`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfexplain import plots, worth
from dfexplain.report.words import share
from dfexplain.structures import Calibration, Cell, EvaluationTable, Number, VideoReport
from dfexplain.worth import OperatingPoint, RiskCoverage

__all__ = [
    "alarms",
    "flagged",
    "histogram_table",
    "of_hundred",
    "on_others",
    "point_name",
    "points_table",
    "prior_name",
    "risk_table",
    "this_video",
    "too_few",
]

# Rows of the risk-coverage table that are told, of as many as there are videos.
RISK_ROWS = 9


def prior_name(prior: float) -> str:
    """A prior as a percentage: "0.1 %", "5 %"."""
    return f"{100 * prior:g} %"


def point_name(target: float | None) -> str:
    """An operating point by the rate that it was set for."""
    if target is None:
        return "the threshold of these weights"
    return f"at most {prior_name(target)} false positives"


def too_few(point: OperatingPoint) -> str:
    """Why there is no threshold for a rate."""
    none = point.false_positives
    return (
        f"{none.n} real validation videos are too few for {point_name(point.target)}: even none "
        f"flagged of them leaves a rate of up to {share(none.high or 1.0)}"
    )


def _range(number: Number) -> str:
    low, high = number.low or 0.0, 1.0 if number.high is None else number.high
    return f"95 % interval {share(low)} to {share(high)}"


def alarms(genuine: Number | None, found: Number | None) -> str:
    """How often the same weights flag recordings that nobody forged, and how many deepfakes that
    others made they `found`; empty if the first was not measured.

    Where the two intervals meet, nobody has shown that a flag tells them apart, and it says so.
    """
    if genuine is None or genuine.value is None:
        return ""
    said = (
        f"Of {genuine.n} other genuine recordings that got a probability, "
        f"{share(genuine.value)} were flagged as well ({_range(genuine)})"
    )
    if found is None or found.value is None:
        return f"{said}."
    said = (
        f"{said}, of {found.n} deepfakes that others made {share(found.value)} ({_range(found)})."
    )
    if genuine.high is None or found.low is None or genuine.high >= found.low:
        return f"{said} So on such video a flag hardly tells one from the other."
    return said


def _count(value: float) -> str:
    """An expected number of videos: one digit after the point where it is small."""
    return f"{value:.0f}" if value >= 9.95 or abs(value - round(value)) < 0.05 else f"{value:.1f}"


def of_hundred(point: OperatingPoint, prior: float) -> str:
    """A flag in whole videos: "Of 100 such videos with 5 fakes among them 8.8 are flagged, and 4.1
    of those are fakes."."""
    of = worth.of_hundred(point, prior)
    if of is None:
        return too_few(point) + "."
    fakes = _count(of.fakes)
    return (
        f"Of {of.total} such videos with {fakes} fake{'s' * (fakes != '1')} among them "
        f"{_count(of.flagged)} are flagged, and {_count(of.right)} of those are fakes."
    )


def flagged(point: OperatingPoint, prior: float) -> str:
    """The predictive value with its interval and sample sizes; empty where there is none."""
    value = _predictive(point, prior)
    if not value or point.found is None:
        return ""
    return (
        f"A flagged video is a fake with {value}, measured on {point.false_positives.n} real and "
        f"{point.found.n} fake validation videos, if yours are like them."
    )


def _predictive(point: OperatingPoint, prior: float) -> str:
    """How sure a flag is, with its interval: "20 % (95 % interval 16 % to 25 %)", or nothing."""
    value = worth.predictive_value(point, prior)
    if value is None or value.value is None:
        return ""
    return f"{share(value.value)} ({_range(value)})"


def on_others(point: OperatingPoint, prior: float) -> str:
    """Both sentences with the rates of recordings and deepfakes of others (`worth.on_others`)."""
    if point.found is None:
        return ""
    said = (
        f"With the rates of {point.false_positives.n} genuine recordings and {point.found.n} "
        f"deepfakes of others instead, {of_hundred(point, prior).replace('Of', 'of', 1)}"
    )
    value = _predictive(point, prior)
    return f"{said} A flagged one is a fake with {value}." if value else said


def this_video(report: VideoReport, prior: float) -> str:
    """What the p of a video becomes at a prior, and which prior it was made for."""
    verdict = report.verdict
    if verdict.score is None:
        return "This video has no score, so there is nothing to weigh."
    if verdict.p_fake is None:
        return "This video has no probability, so no prior can be weighed in."
    ends = verdict.p_interval or (verdict.p_fake, verdict.p_fake)
    p, low, high = (worth.shifted(x, prior) for x in (verdict.p_fake, *ends))
    return (
        f"This video: p {verdict.p_fake:.2f} as it was calibrated, with as many fakes as real "
        f"videos ({prior_name(worth.BASE_RATE)}); where {prior_name(prior)} are fakes, p "
        f"{_two(p)} ({_two(low)} to {_two(high)} when frames are drawn again)."
    )


def _two(p: float) -> str:
    """Two digits, or two that say something where p is small."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def points_table(
    calibration: Calibration, prior: float, targets: Sequence[float] = worth.TARGETS
) -> EvaluationTable:
    """Every operating point, a row each: its threshold, its rates, its predictive value."""
    rows: list[tuple[Cell, ...]] = []
    for point in worth.operating_points(calibration, targets):
        name = point_name(point.target)
        if point.threshold is None:
            rows.append((name, "too few real videos", point.false_positives, None, None))
            continue
        value = worth.predictive_value(point, prior)
        costs = (f"{point.threshold:.2f}", point.false_positives, point.found)
        rows.append((name, *costs, value))
    return EvaluationTable(
        "operating_points",
        "Operating points",
        "A video is flagged at or above the threshold. Rates are those of the validation videos; "
        f"the last column holds where {prior_name(prior)} of the videos are fakes.",
        ("operating point", "threshold", "real ones flagged", "fakes flagged",
         "fakes among the flagged"),
        tuple(rows),
    )  # fmt: skip


def risk_table(table: RiskCoverage) -> EvaluationTable:
    """Some rows of the risk-coverage curve, evenly spread over the coverage, and the band's own."""
    known = np.flatnonzero(table.answered > 0)
    wanted = np.linspace(table.coverage[known].max(), table.coverage[known].min(), RISK_ROWS)
    near = [int(known[np.argmin(np.abs(table.coverage[known] - c))]) for c in wanted]
    rows: list[tuple[Cell, ...]] = []
    for row in sorted({*near, *([table.shipped] if table.answered[table.shipped] else [])}):
        numbers = (table.risk, table.low, table.high)
        risk, low, high = (float(column[row]) for column in numbers)
        name = f"± {table.half_width[row]:.2f}"
        if row == table.shipped:
            name += " (the band of these weights)"
        answered = int(table.answered[row])
        rows.append((name, share(float(table.coverage[row])),
                     Number(risk, low, high, n=answered, chance=None)))  # fmt: skip
    return EvaluationTable(
        "risk_coverage",
        "What abstaining buys",
        "The wider the band of no answer, in logits about its middle, the fewer videos get an "
        f"answer and the fewer answers are wrong; {prior_name(table.prior)} of the videos are "
        "fakes.",
        ("band", "videos with an answer", "wrong answers among them"),
        tuple(rows),
    )


def histogram_table(calibration: Calibration) -> EvaluationTable:
    """The score histogram in numbers."""
    table = plots.histogram_table(calibration)
    rows = tuple(
        (f"{low:.2f} to {high:.2f}", str(real), str(fake))
        for low, high, real, fake in zip(
            table.edges[:-1], table.edges[1:], table.real.tolist(), table.fake.tolist(), strict=True
        )
        if real or fake
    )
    note = "How many validation videos score so; empty bins are left out."
    columns = ("score", "real", "fake")
    return EvaluationTable("histogram", "Scores of the validation videos", note, columns, rows)
