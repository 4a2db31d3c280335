"""What a score is worth: predictive values, operating points, abstaining, and the tab (F4 to F8,
N5, N9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from dfexplain import calibration as calibrate
from dfexplain import evaluation, plots, worth
from dfexplain.hub import Weights
from dfexplain.metrics import wilson_interval
from dfexplain.recompress import Recompressed, Step, Variant
from dfexplain.report import worth as told
from dfexplain.structures import (
    Calibration,
    EvaluationTable,
    Number,
    Progress,
    VideoReport,
)
from dfexplain.ui import build, tables, words
from dfexplain.ui import calibration as figures
from dfexplain.ui import worth as page
from dfexplain.ui.services import Services
from dfexplain.worth import OperatingPoint
from tests.calibrations import make_calibration
from tests.pages import drawn_weights, in_loop
from tests.reports import REPORTS

CALIBRATION = make_calibration("0" * 64, people=200)


def few(reals: int, fakes: int = 40) -> Calibration:
    """A calibration on so many videos; real ones score 0, 1, 2 ..., fakes from 10 below the top."""
    scores = np.concatenate([np.arange(reals), reals - 10.5 + np.arange(fakes)]).astype(float)
    labels = np.repeat([0, 1], [reals, fakes])
    return replace(CALIBRATION, scores=scores, labels=labels, threshold=float(reals - 2))


def point(hits: int, fakes: int, flagged: int, reals: int) -> OperatingPoint:
    found, false = (
        Number(k / n, *wilson_interval(k, n), n=n, chance=None)
        for k, n in ((hits, fakes), (flagged, reals))
    )
    return OperatingPoint(None, 0.0, false, found)


def test_rates_are_counted_at_or_above_the_threshold() -> None:
    at = worth.at_threshold(CALIBRATION, CALIBRATION.threshold)
    assert at.found is not None
    assert at.false_positives.value == CALIBRATION.false_positive_rate
    assert (at.false_positives.low, at.false_positives.high) == pytest.approx(
        CALIBRATION.false_positive_interval, abs=1e-6
    )
    assert (at.false_positives.n, at.found.n) == (200, 200)
    lowest = worth.at_threshold(CALIBRATION, float(CALIBRATION.scores.min()))
    assert lowest.found is not None
    assert (lowest.false_positives.value, lowest.found.value) == (1.0, 1.0)


def test_operating_points_keep_their_rate_and_are_the_lowest_that_do() -> None:
    shipped, *points = worth.operating_points(CALIBRATION)
    assert shipped.threshold == CALIBRATION.threshold
    real = CALIBRATION.scores[CALIBRATION.labels == 0]
    for one, target in zip(points, worth.TARGETS, strict=True):
        assert one.threshold is not None
        assert (real >= one.threshold).mean() <= target
        below = real[real < one.threshold].max()
        assert (real >= below).mean() > target
    found = [one.found.value for one in points if one.found]
    assert found == sorted(found)  # type: ignore[type-var]


def test_a_rate_that_too_few_videos_cannot_show_is_not_given() -> None:
    _, one, two, five, ten = worth.operating_points(few(30))
    assert [p.threshold is None for p in (one, two, five, ten)] == [True, True, False, False]
    assert ten.false_positives.value == pytest.approx(0.1)
    assert told.too_few(one) == (
        "30 real validation videos are too few for at most 1 % false positives: even none flagged "
        "of them leaves a rate of up to 11 %"
    )
    assert worth.predictive_value(one, 0.05) is None
    assert "30 real validation videos are too few" in told.of_hundred(one, 0.05)
    table = told.points_table(few(30), 0.05)
    assert table.rows[1][1] == "too few real videos"


def test_predictive_value_is_bayes_rule() -> None:
    at = point(80, 100, 5, 100)
    value = worth.predictive_value(at, 0.05)
    assert value is not None
    assert value.value == pytest.approx(0.05 * 0.8 / (0.05 * 0.8 + 0.95 * 0.05))
    assert value.low is not None
    assert value.high is not None
    assert value.low < value.value < value.high
    assert value.n == 200
    # At a prior of one half with equal rates a flag says nothing.
    even = worth.predictive_value(point(10, 100, 10, 100), 0.5)
    assert even is not None
    assert even.value == pytest.approx(0.5)
    # None flagged of the real ones: no division by nothing, and no certainty below.
    sure = worth.predictive_value(point(60, 100, 0, 40), 0.05)
    assert sure is not None
    assert (sure.value, sure.high) == (1.0, 1.0)
    assert sure.low is not None
    assert 0.1 < sure.low < 0.5
    assert worth.predictive_value(point(0, 100, 0, 40), 0.05) is None


@pytest.mark.parametrize(("true_found", "true_false", "n"), [(0.8, 0.05, 136), (0.5, 0.02, 100)])
def test_the_interval_of_the_predictive_value_covers(
    true_found: float, true_false: float, n: int
) -> None:
    rng = np.random.default_rng(0)
    truth = 0.05 * true_found / (0.05 * true_found + 0.95 * true_false)
    inside = []
    for _ in range(400):
        at = point(int(rng.binomial(n, true_found)), n, int(rng.binomial(n, true_false)), n)
        value = worth.predictive_value(at, 0.05)
        assert value is not None
        assert value.low is not None
        assert value.high is not None
        inside.append(value.low <= truth <= value.high)
    assert 0.92 <= np.mean(inside) <= 0.99


def test_natural_frequencies_hold_at_least_one_fake() -> None:
    at = point(80, 100, 5, 100)
    assert told.of_hundred(at, 0.05) == (
        "Of 100 such videos with 5 fakes among them 8.8 are flagged, and 4 of those are fakes."
    )
    assert told.of_hundred(at, 0.001).startswith("Of 1000 such videos with 1 fake among them 51 ")
    for prior in worth.PRIORS:
        of, value = worth.of_hundred(at, prior), worth.predictive_value(at, prior)
        assert of is not None
        assert value is not None
        assert of.fakes >= 1 - 1e-9
        assert of.right / of.flagged == pytest.approx(value.value)


def test_a_shifted_p_is_that_of_a_calibration_at_the_other_prior() -> None:
    """Where one video in ten is fake, those with a shifted p of x are fakes x of the time."""
    rng = np.random.default_rng(2)
    labels = (rng.random(60_000) < 0.1).astype(np.int64)
    # Two normal classes one apart: log odds at even classes are score - 0.5.
    scores = rng.normal(labels, 1.0)
    p = [worth.shifted(x, 0.1) for x in 1 / (1 + np.exp(-(scores - 0.5)))]
    table = calibrate.reliability_table(np.array(p), labels, bins=5)
    held = table.count > 300
    np.testing.assert_allclose(table.share_fake[held], table.mean_p[held], atol=0.035)
    assert worth.shifted(0.5, worth.BASE_RATE) == pytest.approx(0.5)
    assert worth.shifted(0.91, 0.5) == pytest.approx(0.91)
    assert (worth.shifted(0.0, 0.01), worth.shifted(1.0, 0.01)) == (0.0, 1.0)


def test_the_risk_curve_passes_through_the_band_that_ships() -> None:
    scores, fake = CALIBRATION.scores, CALIBRATION.labels == 1
    curve = worth.risk_coverage(CALIBRATION, 0.5)
    up, down = scores >= CALIBRATION.threshold, scores <= CALIBRATION.band_low
    row = curve.shipped
    assert curve.answered[row] == (up | down).sum()
    assert curve.coverage[row] == pytest.approx((up | down).mean())
    wrong = (up & ~fake) | (down & fake)
    assert curve.risk[row] == pytest.approx(wrong.sum() / (up | down).sum())
    assert (curve.low[row], curve.high[row]) == pytest.approx(
        wilson_interval(float(wrong.sum()), float((up | down).sum()))
    )
    assert (curve.coverage[0], curve.half_width[0]) == pytest.approx((1.0, 0.0))
    assert np.all(np.diff(curve.coverage) <= 0)
    assert curve.risk[row] < curve.risk[0]
    # With rare fakes the same answers are wrong by their own class's weight.
    rare = worth.risk_coverage(CALIBRATION, 0.01)
    shares = [wrong[mine].sum() / mine.sum() for mine in (fake, ~fake)]
    kept = [(up | down)[mine].sum() / mine.sum() for mine in (fake, ~fake)]
    expected = (0.01 * shares[0] + 0.99 * shares[1]) / (0.01 * kept[0] + 0.99 * kept[1])
    assert rare.risk[row] == pytest.approx(expected)


def test_figures_stand_beside_the_same_numbers_as_tables() -> None:
    curve = worth.risk_coverage(CALIBRATION)
    table = told.risk_table(curve)
    assert 8 <= len(table.rows) <= told.RISK_ROWS + 1
    assert sum("the band of these weights" in str(row[0]) for row in table.rows) == 1
    (axes,) = plots.risk_coverage(curve).axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), curve.coverage[curve.answered > 0])
    np.testing.assert_array_equal(line.get_ydata(), curve.risk[curve.answered > 0])
    rows = told.histogram_table(CALIBRATION).rows
    assert sum(int(str(row[1])) for row in rows) == sum(int(str(row[2])) for row in rows) == 200
    drawn = str(figures.shown(drawn_weights())[1])
    assert drawn.count("<details") == 2
    assert drawn.count("<figure>") == 3


@pytest.mark.parametrize("case", ["two_faces", "uncalibrated", "no_face"])
def test_words_for_the_video_on_the_desk(case: str) -> None:
    said = page.this_video(REPORTS[case](), 0.05)
    if case != "two_faces":
        assert "no " in said
        assert not re.search(r"p \d", said)
        return
    p = REPORTS[case]().verdict.p_fake
    assert p is not None
    assert f"p {p:.2f} as it was calibrated" in said
    assert f"where 5 % are fakes, p {worth.shifted(p, 0.05):.2f} (" in said
    assert "when frames are drawn again" in said


def test_slider_and_point_change_all_that_is_shown() -> None:
    weights = drawn_weights()
    assert weights.calibration is not None
    rare, drawn = page.answer(weights.calibration, 0.01, 0)
    common, _ = page.answer(weights.calibration, 0.5, 0)
    strict, _ = page.answer(weights.calibration, 0.01, 4)
    assert len({rare, common, strict}) == 3
    assert "Of 100 such videos with 1 fake among them" in rare
    assert "95 % interval" in rare
    assert "60 real and 60 fake validation videos" in rare
    assert "where 1 % of the videos are fakes" in drawn
    assert "too few" in page.answer(weights.calibration, 0.01, 1)[0]
    assert words.UNCALIBRATED_TEXT in page.answer(None, 0.01, 0)[0]
    for prior in worth.PRIORS:
        assert told.prior_name(prior) in page._slider()


def test_rates_of_others_stand_beside_those_of_the_validation() -> None:
    measured = point(14, 155, 6, 203)
    rates = (measured.false_positives, measured.found)
    at = worth.on_others(CALIBRATION, *rates)
    assert at is not None
    assert at.threshold == CALIBRATION.threshold
    said = told.on_others(at, 0.05)
    assert said.startswith(
        "With the rates of 203 genuine recordings and 155 deepfakes of others instead, of 100 such "
        "videos with 5 fakes among them 3.3 are flagged, and 0.5 of those are fakes. A flagged one "
        "is a fake with 14 % (95 % interval 6 % to 28 %)."
    )
    assert said in page.answer(CALIBRATION, 0.05, 0, rates)[0]
    # Other thresholds were not measured on them, nor is half of it told.
    assert "deepfakes of others" not in page.answer(CALIBRATION, 0.05, 3, rates)[0]
    for half in ((rates[0], None), (None, rates[1])):
        assert worth.on_others(CALIBRATION, *half) is None
        assert "deepfakes of others" not in page.answer(CALIBRATION, 0.05, 0, half)[0]
    # None flagged at all: there is no flagged video to speak of.
    none = point(0, 155, 0, 203)
    quiet = worth.on_others(CALIBRATION, none.false_positives, none.found)
    assert quiet is not None
    assert told.on_others(quiet, 0.05).endswith("0 are flagged, and 0 of those are fakes.")


def test_slices_are_those_that_were_recorded() -> None:
    weights = drawn_weights()
    assert words.NO_SLICES in page.slices(weights)
    assert weights.evaluation is not None
    sliced = replace(weights.evaluation.tables[0], key="made_crf", title="By compression")
    other = replace(sliced, key="made_recipes", title="By recipe")
    measured = replace(weights.evaluation, tables=(*weights.evaluation.tables, other, sliced))
    shown = page.slices(replace(weights, evaluation=measured))
    # One after the other, in the page's order; the first is open.
    assert shown.count("<details") == 2
    assert shown.count(" open>") == 1
    assert shown.index(" open>") < shown.index("By compression") < shown.index("By recipe")
    assert "By compression" in shown
    # Alarms on genuine recordings come first, wherever they were recorded.
    alarms = replace(sliced, key=evaluation.GENUINE, title="Genuine recordings")
    measured = replace(measured, tables=(*measured.tables, alarms))
    shown = page.slices(replace(weights, evaluation=measured))
    assert shown.count("<details") == 3
    assert shown.index("Genuine recordings") < shown.index("By compression")


def test_text_of_a_table_cannot_become_markup() -> None:
    table = EvaluationTable("k", "<i>", "a & b", ("<u>",), (("<script>",),))
    for drawn in (tables.drawn(table), tables.beside_figure(table)):
        assert "<script>" not in drawn
        assert "<u>" not in drawn


class Compressing:
    """Stands in for the check: one encoding, which survives."""

    def __init__(self) -> None:
        self.asked: list[Path] = []

    def __call__(
        self, path: Path, weights: Weights, report: VideoReport
    ) -> Iterator[Step | Recompressed]:
        self.asked.append(path)
        variant = Variant("CRF 35", 35)
        yield Step(variant, "encode", Progress("encode", 3, 8))
        yield Recompressed(
            variant, "0" * 64, 900, report.sampling, report.verdict, report.segments, 1.0, True
        )


def test_the_tab_compresses_the_video_on_the_desk() -> None:
    check = Compressing()
    blocks: gr.Blocks = in_loop(
        lambda: build(Services(load=lambda _: drawn_weights(), recompress=check))
    )
    (work,) = [f for f in blocks.fns.values() if f.name == "compressed"]
    report = REPORTS["two_faces"]()
    *steps, last = work.fn(Path("clip.mp4"), drawn_weights(), report)  # type: ignore[misc]
    assert check.asked == [Path("clip.mp4")]
    shown = [" ".join(str(value) for value in step.values()) for step in steps]
    assert any("CRF 35, encoding: 3 of 8" in text for text in shown)
    assert "survives all of CRF 35" in shown[-1]
    assert len(last) == 2
    (refused,) = work.fn(Path("clip.mp4"), drawn_weights(), REPORTS["no_face"]())  # type: ignore[misc]
    assert words.note(words.NOT_COMPRESSED) in refused.values()
