"""Figures: their tables by hand-made numbers, their bytes, their colours, and no pyplot."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from dfexplain import calibration as calibrate
from dfexplain import metrics, plots
from dfexplain.structures import Calibration
from tests.reports import REPORTS, make_calibration

CALIBRATION = make_calibration("0" * 64)


def test_a_lane_is_broken_at_gaps_and_at_cuts_and_nowhere_else() -> None:
    report = REPORTS["two_faces"]()
    table = plots.timeline_table(report)
    sampled = [preview.time_s for preview in report.previews]
    for lane in table.lanes:
        drawn = {(a, b) for run in lane.runs for a, b in itertools.pairwise(lane.time_s[run])}
        expected = {
            (a, b)
            for a, b in itertools.pairwise(lane.time_s)
            if sampled.index(b) == sampled.index(a) + 1
            and not any(a < cut <= b for cut in table.cuts_s)
        }
        assert drawn == expected
        assert sum(run.stop - run.start for run in lane.runs) == len(lane.time_s)
    assert [len(lane.runs) for lane in table.lanes] == [3, 2]  # the gap of B holds the cut


def test_gaps_are_found_without_previews() -> None:
    report = REPORTS["two_faces"]()
    lone = dataclasses.replace(report, previews=(), lanes=report.lanes[1:])
    with_previews = plots.timeline_table(report).lanes[1].runs
    assert plots.timeline_table(lone).lanes[0].runs == with_previews


def test_the_timeline_marks_frames_without_a_face() -> None:
    report = REPORTS["two_faces"]()
    only_b = dataclasses.replace(report, lanes=report.lanes[1:])
    table = plots.timeline_table(only_b)
    blind = table.sampled_s[~table.with_face]
    assert len(table.sampled_s) == len(report.previews) == 32
    assert len(blind) == 32 - len(report.lanes[1]) > 0
    assert np.all((blind >= 5.4) & (blind <= 6.3))


def test_values_are_probabilities_only_where_the_video_has_one() -> None:
    fake, far = REPORTS["two_faces"](), REPORTS["out_of_distribution"]()
    table = plots.timeline_table(fake)
    assert fake.calibration is not None
    assert table.is_probability
    np.testing.assert_allclose(
        table.lanes[1].values, calibrate.p_fake(fake.calibration, fake.lanes[1].scores.logit)
    )
    assert table.band is not None
    for value, zone in zip(table.lanes[1].values, table.lanes[1].zones, strict=True):
        low, high = table.band
        assert zone == ("fake" if value >= high else "real" if value <= low else "uncertain")
    for report in (far, REPORTS["uncalibrated"]()):
        table = plots.timeline_table(report)
        assert not table.is_probability
        assert table.band is None
        assert set(table.lanes[0].zones) == {"uncertain"}
        np.testing.assert_array_equal(table.lanes[0].values, report.lanes[0].scores.logit)


def test_the_histogram_holds_every_video_once() -> None:
    table = plots.histogram_table(CALIBRATION)
    assert table.real.sum() == (CALIBRATION.labels == 0).sum()
    assert table.fake.sum() == (CALIBRATION.labels == 1).sum()
    row = int(np.argmax(table.fake))
    inside = (CALIBRATION.scores >= table.edges[row]) & (CALIBRATION.scores < table.edges[row + 1])
    assert table.fake[row] == (CALIBRATION.labels[inside] == 1).sum()


def _tiny(scores: list[float], labels: list[int]) -> Calibration:
    return dataclasses.replace(
        CALIBRATION, scores=np.array(scores), labels=np.array(labels, dtype=np.int64)
    )


def test_roc_of_five_videos_by_hand_with_a_tie() -> None:
    table = plots.roc_table(_tiny([3.0, 2.0, 2.0, 1.0, 0.0], [1, 1, 0, 1, 0]))
    np.testing.assert_array_equal(table.threshold, [np.inf, 3, 2, 1, 0])
    np.testing.assert_allclose(table.true_positive_rate, [0, 1 / 3, 2 / 3, 1, 1])
    np.testing.assert_allclose(table.false_positive_rate, [0, 0, 0.5, 0.5, 1])


def test_the_area_under_the_roc_is_the_auc() -> None:
    table = plots.roc_table(CALIBRATION)
    area = np.trapezoid(table.true_positive_rate, table.false_positive_rate)
    assert area == pytest.approx(metrics.auc(CALIBRATION.scores, CALIBRATION.labels), abs=1e-12)


def test_the_marked_operating_point_is_the_measured_one() -> None:
    point = plots.operating_point(plots.roc_table(CALIBRATION), CALIBRATION.threshold)
    fake = CALIBRATION.scores[CALIBRATION.labels == 1]
    assert point[0] == pytest.approx(CALIBRATION.false_positive_rate)
    assert point[1] == pytest.approx(float((fake >= CALIBRATION.threshold).mean()))


def _all_figures() -> dict[str, Figure]:
    return {
        "timeline": plots.timeline(REPORTS["two_faces"]()),
        "timeline without a face": plots.timeline(REPORTS["no_face"]()),
        "timeline of scores": plots.timeline(REPORTS["uncalibrated"](), 3.5),
        "reliability": plots.reliability(CALIBRATION),
        "histogram": plots.score_histogram(CALIBRATION),
        "roc": plots.roc(CALIBRATION),
    }


@functools.cache
def _all_svgs() -> dict[str, str]:
    return {name: plots.figure_svg(figure) for name, figure in _all_figures().items()}


def test_the_same_numbers_give_the_same_bytes() -> None:
    for name, figure in _all_figures().items():
        assert plots.figure_svg(figure) == _all_svgs()[name], name
    one, two = (plots.figure_png(plots.roc(CALIBRATION)) for _ in range(2))
    assert one == two
    assert b"tEXt" not in one  # no date, no program


def test_svgs_can_share_a_page_and_take_its_colour_of_text() -> None:
    ids: list[str] = []
    for name, svg in _all_svgs().items():
        root = ET.fromstring(svg)
        own = [element.get("id") for element in root.iter() if element.get("id")]
        ids += [str(i) for i in own]
        references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
        assert references <= set(own), name
        assert plots.INK not in svg
        assert "currentColor" in svg
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg).replace(
            "http://purl.org/dc/dcmitype/StillImage", ""
        )
    assert len(ids) == len(set(ids))


def test_svgs_drawn_in_threads_are_those_drawn_alone() -> None:
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(plots.figure_svg, _all_figures().values()))
    assert together == list(_all_svgs().values())


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_colour_is_legible_on_white_and_on_dark() -> None:
    for colour in (*plots.PALETTE.values(), plots.INK):
        for ground in ("#ffffff", "#14161a"):
            dark, bright = sorted((_luminance(colour), _luminance(ground)))
            assert (bright + 0.05) / (dark + 0.05) >= 3, (colour, ground)  # WCAG 2.2, 1.4.11


def test_real_and_fake_differ_for_every_colour_blind_reader() -> None:
    # Brettel et al. 1997 as simplified by Machado et al. 2009, severity 1.
    simulated = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    lab = {}
    for kind, matrix in simulated.items():
        for name in ("real", "fake"):
            colour = plots.PALETTE[name]
            rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
            seen = np.clip(np.array(matrix) @ rgb, 0, 1).astype(np.float32)
            lab[kind, name] = cv2.cvtColor(seen[None, None], cv2.COLOR_RGB2LAB)[0, 0]
        assert np.linalg.norm(lab[kind, "real"] - lab[kind, "fake"]) > 40, kind


def test_empty_bins_are_drawn_as_nothing() -> None:
    table = CALIBRATION.reliability
    holes = dataclasses.replace(
        table,
        count=np.where(np.arange(10) == 4, 0, table.count),
        mean_p=np.where(np.arange(10) == 4, np.nan, table.mean_p),
        share_fake=np.where(np.arange(10) == 4, np.nan, table.share_fake),
    )
    figure = plots.reliability(dataclasses.replace(CALIBRATION, reliability=holes))
    points = figure.axes[0].collections[-1].get_offsets()
    assert len(points) == 9
    assert np.isfinite(np.asarray(points)).all()


def test_figures_show_what_their_tables_say() -> None:
    figure = plots.reliability(CALIBRATION)
    shown = np.asarray(figure.axes[0].collections[-1].get_offsets())
    np.testing.assert_allclose(shown[:, 1], CALIBRATION.reliability.share_fake)
    counts = [text.get_text() for text in figure.axes[1].texts]
    assert counts == [str(n) for n in CALIBRATION.reliability.count]
    assert f"n = {len(CALIBRATION.labels)} videos" in figure.axes[0].get_title(loc="left")


def test_pyplot_stays_unloaded() -> None:
    code = (
        "import sys; from dfexplain import plots; from tests.reports import REPORTS\n"
        "plots.figure_png(plots.timeline(REPORTS['two_faces']()))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
