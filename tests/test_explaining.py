"""The Explain tab: what is asked, what is shown, and what a cover changes (N4, N15)."""

from __future__ import annotations

import dataclasses
from functools import cache

import cv2
import gradio as gr
import numpy as np

from dfexplain.explain.explainer import Explainer
from dfexplain.explain.regions import REGIONS
from dfexplain.report import words as told
from dfexplain.structures import Explanation, Faithfulness, Neighbour
from dfexplain.ui import evidence, explaining, reasons, viewer, words
from dfexplain.ui.reasons import Disc, Reasons
from dfexplain.ui.services import Services
from dfexplain.ui.viewer import Pick
from tests.pages import drawn_weights, in_loop
from tests.reports import REPORTS

REPORT = REPORTS["two_faces"]()
PICK = viewer.first(REPORT) or Pick(0, 0)


def _tab() -> Reasons:
    def make() -> Reasons:
        with gr.Blocks(analytics_enabled=False), gr.Tabs():
            return reasons.tab(60)

    return in_loop(make)


@cache
def _explainer() -> Explainer:
    return Explainer(drawn_weights())


@cache
def _explained() -> Explanation:
    return _explainer().explain(REPORT, REPORT.lanes[PICK.lane], PICK.row)


def _found(faithful: bool) -> Explanation:
    found = _explained()
    near = (Neighbour(1, 0.9, np.zeros((48, 48, 3), np.uint8)),)
    test = Faithfulness(1.0 if faithful else 0.1, 0.3, 0.2, "test")
    return dataclasses.replace(found, faithfulness=test, neighbours=near)


def test_a_map_that_loses_to_chance_is_grey_and_says_so() -> None:
    at = _tab()
    won = reasons.shown(at, REPORT, PICK, _found(True), False)
    lost = reasons.shown(at, REPORT, PICK, _found(False), False)
    assert words.BEATS in str(won[at.panel])
    assert told.NO_BETTER in str(lost[at.panel])
    assert told.NO_BETTER not in str(won[at.panel])
    assert all(name in str(won[at.panel]) for name in REGIONS)
    assert words.LABELS[1] in str(won[at.panel])
    assert told.NO_BETTER in evidence.line(REPORT, _found(False))
    # Orange where it won: more red than blue. Grey never adds colour to a place.
    crop, coloured = (np.asarray(part, int) for part in won[at.overlay])  # type: ignore[misc]
    _, grey = (np.asarray(part, int) for part in lost[at.overlay])  # type: ignore[misc]
    before, orange, none = (part[..., 0] - part[..., 2] for part in (crop, coloured, grey))
    assert (orange - before).max() > 20
    assert (np.abs(none) - np.abs(before)).max() <= 1
    assert np.abs(grey - crop).max() > 20


def test_maps_of_random_weights_lose_and_are_grey() -> None:
    """The maps of another, random network say nothing of why this one scored as it did."""
    rng = np.random.default_rng(0)
    lane = REPORT.lanes[PICK.lane]
    maps = rng.normal(0.0, 1.0, lane.scores.evidence.shape).astype(np.float32)
    random = dataclasses.replace(lane, scores=dataclasses.replace(lane.scores, evidence=maps))
    explainer = _explainer()
    rows = range(0, len(random), 3)
    found = [explainer.explain(REPORT, random, row, regions=False) for row in rows]
    won = [f.faithfulness.beats_chance for f in found if f.faithfulness]
    assert len(won) == len(found) > 6
    # One that knows nothing wins on about a seventh.
    assert np.mean(won) < 0.5
    lost = found[won.index(False)]
    panel = str(reasons.shown(_tab(), REPORT, PICK, lost, False).values())
    assert told.NO_BETTER in panel


def test_covers_are_regions_and_clicked_places() -> None:
    assert reasons.cover_mask(REPORT, PICK, [], []) is None
    size = REPORT.weights.crop_px
    disc = reasons.cover_mask(REPORT, PICK, [], [Disc(50, 90, 12)])
    assert disc is not None
    assert disc.shape == (size, size)
    rows, columns = np.nonzero(disc)
    assert abs(rows.mean() - 90) < 1
    assert abs(columns.mean() - 50) < 1
    assert abs(disc.sum() / (np.pi * 12**2) - 1) < 0.1
    mouth = reasons.cover_mask(REPORT, PICK, ["mouth"], [])
    both = reasons.cover_mask(REPORT, PICK, ["mouth"], [Disc(50, 90, 12)])
    assert mouth is not None
    assert both is not None
    np.testing.assert_array_equal(both, np.maximum(mouth, disc))
    # All regions together are the whole crop.
    whole = reasons.cover_mask(REPORT, PICK, REGIONS, [])
    assert whole is not None
    assert whole.all()


def test_a_stroke_is_points_within_the_picture() -> None:
    sent = [[0.25, 0.5], [1, 0], [1.1, 0.5], [0.5], "x", [None, 0.2], [0.1, float("nan")]]
    assert reasons.stroke(sent) == [(0.25, 0.5), (1.0, 0.0)]
    assert len(reasons.stroke([[0.5, 0.5]] * 5000)) == reasons.MOST_POINTS
    assert reasons.stroke({"points": sent}) == reasons.stroke(None) == []


def test_a_covered_frame_shows_both_scores_and_the_covered_picture() -> None:
    at, explainer = _tab(), _explainer()
    lane = REPORT.lanes[PICK.lane]
    mask = reasons.cover_mask(REPORT, PICK, ["mouth"], [])
    assert mask is not None
    covered = explainer.cover(REPORT, lane, PICK.row, mask, "mean")
    assert covered.before != covered.after
    found = explainer.explain(REPORT, lane, PICK.row, faithfulness=False, regions=False)
    plain = reasons.shown(at, REPORT, PICK, found, False)
    shown = reasons.shown(at, REPORT, PICK, covered, False)
    assert words.WHEN_COVERED in str(shown[at.panel])
    assert words.WHEN_COVERED not in str(plain[at.panel])
    changed = np.abs(np.asarray(shown[at.crop], int) - np.asarray(plain[at.crop], int)).max(axis=2)
    scale = reasons.SHOWN_PX / REPORT.weights.crop_px
    rows, columns = np.nonzero(changed > 8)
    # The border of a cover is soft.
    near = cv2.dilate(mask, np.ones((13, 13), np.uint8))
    assert near[(rows / scale).astype(int), (columns / scale).astype(int)].all()
    assert len(rows) > 100


def test_the_flagged_frames_are_tested_one_after_another() -> None:
    picks = explaining.strongest(REPORT)
    logits = [REPORT.lanes[p.lane].scores.logit[p.row] for p in picks]
    assert logits == sorted(logits, reverse=True)
    assert len(picks) > 1
    assert set(picks) == set(viewer.flagged(REPORT))
    services, weights = Services(), drawn_weights()
    lines, held = zip(*explaining.tested(services, REPORT, weights), strict=True)
    assert f"{len(picks)} of {len(picks)} …" in lines[-2]
    assert f"of {len(picks)} flagged frames" in lines[-1]
    explainer = services.explainer(weights)
    better = []
    for pick in picks:
        found = explainer.explain(REPORT, REPORT.lanes[pick.lane], pick.row, regions=False)
        assert found.faithfulness is not None
        if found.faithfulness.tells and found.faithfulness.beats_chance:
            better.append(pick)
    assert held[-1] == held[-2] == tuple(better)
    assert f"on {len(better)} of {len(picks)}" in lines[-1]
