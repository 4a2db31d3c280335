"""The interval of a video's score when its frames are drawn again (rows N11, L3)."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import aggregate, report
from dfexplain import calibration as calibrate
from dfexplain.report import words
from dfexplain.structures import Reason
from dfexplain.ui import verdict
from tests.reports import REPORTS
from tests.test_aggregate import FULL, lane, measured

Floats = NDArray[np.float64]
DENSE = 10  # frames of the video for each one that is looked at


def video(kind: str, rows: int, likeness: float, rng: np.random.Generator) -> Floats:
    """The logits of all frames of a video: -2 (real), 2 (fake), or 2 over 40 % of it, and noise of
    deviation 1 in which frames that are looked at in turn correlate by `likeness`."""
    frames = rows * DENSE
    logits = np.full(frames, 2.0 if kind == "fake" else -2.0)
    if kind == "span":
        start = int(rng.uniform(0, 0.6) * frames)
        logits[start : start + int(0.4 * frames)] = 2.0
    step = likeness ** (1 / DENSE)
    noise = rng.normal(size=frames)
    for i in range(1, frames):
        noise[i] = step * noise[i - 1] + (1 - step**2) ** 0.5 * noise[i]
    return logits + noise


def looked_at(logits: Floats, rows: int, times: int, rng: np.random.Generator) -> Floats:
    """Choices of one frame in each equal part of the video, (times, rows)."""
    return logits[np.arange(rows) * DENSE + rng.integers(0, DENSE, (times, rows))]


@pytest.mark.parametrize(
    ("kind", "rows", "likeness"),
    [("real", 96, 0.0), ("fake", 32, 0.0), ("span", 16, 0.0), ("span", 32, 0.0), ("span", 32, 0.5)],
)
def test_the_interval_covers_what_other_frames_would_have_given(
    kind: str, rows: int, likeness: float
) -> None:
    """The mean score over choices of frames lies in 95 of 100 intervals or somewhat more, and the
    interval is not far wider than the scores of other choices spread."""
    rng = np.random.default_rng(rows)
    covered, wider = [], []
    for _ in range(50):
        logits = video(kind, rows, likeness, rng)
        others = aggregate.lane_scores(looked_at(logits, rows, 300, rng))
        low, high = aggregate.score_interval([lane(looked_at(logits, rows, 1, rng)[0])])
        covered.append(low <= others.mean() <= high)
        wider.append((high - low) / float(np.ptp(np.percentile(others, (2.5, 97.5)))))
    assert np.mean(covered) >= 0.9
    assert 0.7 < np.median(wider) < (3.0 if likeness else 2.0)


def test_more_frames_make_it_narrower_and_steady_ones_a_point() -> None:
    rng = np.random.default_rng(3)
    wide, narrow = (
        np.ptp(aggregate.score_interval([lane(rng.normal(0, 1, rows))])) for rows in (16, 400)
    )
    assert narrow < 0.6 * wide
    assert aggregate.score_interval([lane(np.full(12, 1.5))]) == (1.5, 1.5)


def test_frames_stay_in_their_shot_and_near_their_place() -> None:
    """With a cut between -3 and 3, no frame of one shot stands for one of the other."""
    logits = np.r_[np.full(20, -3.0), np.full(6, 3.0)]
    one_shot, cut = lane(logits), lane(logits)
    shot = np.r_[np.zeros(20, np.int64), np.ones(6, np.int64)]
    cut = dataclasses.replace(cut, track=dataclasses.replace(cut.track, shot=shot))
    assert aggregate.score_interval([cut]) == (3.0, 3.0)
    assert aggregate.score_interval([one_shot])[0] < 3.0


def test_the_highest_lane_counts_and_the_score_is_never_outside() -> None:
    rng = np.random.default_rng(5)
    low, high = lane(rng.normal(-3, 1, 32)), lane(rng.normal(2, 1, 32), "B")
    alone, both = aggregate.score_interval([high]), aggregate.score_interval([low, high])
    assert both == pytest.approx(alone, abs=0.25)
    for _ in range(20):
        faces = [lane(rng.normal(0, 1, 24), name) for name in "ABCD"]
        bounds = aggregate.score_interval(faces)
        assert bounds[0] <= max(face.score for face in faces) <= bounds[1]


def test_it_is_the_same_every_time_and_quick() -> None:
    faces = [lane(np.random.default_rng(k).normal(0, 1, 32), name) for k, name in enumerate("AB")]
    began = time.process_time()
    first = aggregate.score_interval(faces)
    spent = time.process_time() - began
    assert first == aggregate.score_interval(faces)
    assert spent < 0.05


def test_a_verdict_carries_it_through_the_calibration() -> None:
    face = lane(np.random.default_rng(1).normal(0.5, 1, 32))
    worth = measured()
    found = aggregate.decide([face], FULL, worth)
    assert found.score_interval == aggregate.score_interval([face])
    assert found.p_interval is not None
    assert found.p_fake is not None
    np.testing.assert_allclose(
        found.p_interval, calibrate.p_fake(worth, np.array(found.score_interval))
    )
    assert found.p_interval[0] < found.p_fake < found.p_interval[1]
    withheld = aggregate.decide([face], FULL, worth, frozenset("A"))
    bare = aggregate.decide([face], FULL, None)
    assert withheld.score_interval == bare.score_interval == found.score_interval
    assert withheld.p_interval is bare.p_interval is None
    nothing = aggregate.decide([lane(np.zeros(4))], FULL, worth)
    assert (nothing.score_interval, nothing.p_interval) == (None, None)


@pytest.mark.parametrize("case", ["two_faces", "uncalibrated", "no_face"])
def test_words_page_card_and_json_say_it_and_what_it_covers(case: str) -> None:
    made = REPORTS[case]()
    said, read = words.again(made.verdict), json.loads(report.to_json(made))
    if case == "no_face":
        assert (said, read["p_fake_interval"], read["score_interval"]) == ("", None, None)
        return
    low, high = read["p_fake_interval"] or read["score_interval"]
    number = made.verdict.score if made.verdict.p_fake is None else made.verdict.p_fake
    assert f"{number:.2f} ({low:.2f} to {high:.2f} when frames are drawn again)" in said
    assert "not whether" in said
    assert said in verdict.card(made)
    if case == "two_faces":
        assert said in report.to_html(made)


def test_why_a_face_is_outside_is_said_everywhere_and_once() -> None:
    made = REPORTS["out_of_distribution"]()
    (why,) = made.outside
    assert made.verdict.reason is Reason.OUT_OF_DISTRIBUTION
    told = f"face {why.track_id}: {why.words}"
    assert f"limit {why.limit:.2f}" in told
    for text in (words.explanation(made), report.one_line(made)):
        assert told in text
    for text in (report.to_html(made), verdict.card(made)):
        assert text.count(told) == 1
    (read,) = json.loads(report.to_json(made))["outside"]
    assert read == {"track_id": "A", "measure": "features", "value": 19.3, "limit": 12.5,
                    "words": why.words}  # fmt: skip
    # A note about another face stays.
    other = dataclasses.replace(made, notes=(*made.notes, "face B: 20 px wide"))
    assert words.notes(other) == ("face B: 20 px wide",)
