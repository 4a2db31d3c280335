"""What holds for any input of the pure parts: tracks, the lane rule, calibration, the report."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from dfexplain import aggregate, report
from dfexplain import calibration as calibrations
from dfexplain.errors import SettingError
from dfexplain.scaling import METHODS
from dfexplain.structures import Coverage, Outcome, Segment
from dfexplain.trails import MIN_OVERLAP, Seen, Trail, near, pair_up
from tests.properties import few, logits, steady, times
from tests.reports import REPORTS
from tests.test_aggregate import lane, measured
from tests.tracking import Scripted, numbered, track

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "docs/report.schema.json").read_text("utf-8"))
)
CALIBRATION = measured()
# Names as strangers give them: quotes, markup, other alphabets, controls, a lone surrogate.
ODD = st.text(st.sampled_from("ab .-_'\"<>&\\éß中א😀\n\t\x00\udc80"), min_size=1, max_size=12)


# --- trails and tracks

corner = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(24, 120))
boxes_of = st.lists(corner, min_size=1, max_size=5).map(
    lambda found: np.array([(x, y, x + s, y + 1.2 * s) for x, y, s in found], np.float32)
)


def seen(sample: int, box: np.ndarray, time_s: float) -> Seen:
    return Seen(sample, sample, time_s, box, np.zeros((5, 2), np.float32), 0.9, True)


@steady
@given(boxes_of, boxes_of)
def test_overlap_is_symmetric_and_a_share(a: np.ndarray, b: np.ndarray) -> None:
    overlap = near(a, b)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-9)).all()
    np.testing.assert_allclose(overlap, near(b, a).T)
    np.testing.assert_allclose(np.diagonal(near(a, a)), 1.0)


@steady
@given(boxes_of, boxes_of, st.lists(st.booleans(), min_size=5, max_size=5))
def test_no_face_is_given_twice_and_none_that_fits_is_left(
    expected: np.ndarray, found: np.ndarray, flags: list[bool]
) -> None:
    steady_ones = np.array(flags[: len(expected)])
    pairs = pair_up(expected, found, steady_ones)
    trails, boxes = [t for t, _ in pairs], [k for _, k in pairs]
    assert len(set(trails)) == len(trails)
    assert len(set(boxes)) == len(boxes)
    wide = near(expected, found, 0.8)
    overlap = near(expected, found)
    for t, k in pairs:
        assert overlap[t, k] >= MIN_OVERLAP or (steady_ones[t] and wide[t, k] >= MIN_OVERLAP)
    for t in set(range(len(expected))) - set(trails):
        for k in set(range(len(found))) - set(boxes):
            assert overlap[t, k] < MIN_OVERLAP


@steady
@given(st.permutations(range(6)), st.lists(corner, min_size=6, max_size=6), times(6))
def test_a_trail_is_the_same_in_whatever_order_it_was_seen(
    order: list[int], corners: list[tuple[int, int, int]], when: list[float]
) -> None:
    boxes = np.array([(x, y, x + s, y + s) for x, y, s in corners], np.float32)
    trail = Trail(0, 0)
    for sample in order:
        trail.add(seen(sample, boxes[sample], when[sample]))
        trail.add(seen(sample, boxes[sample], when[sample]))
    assert [row.sample for row in trail.seen] == list(range(6))
    whole = trail.to_track()
    np.testing.assert_array_equal(whole.box_xyxy, boxes)
    assert whole.time_s.tolist() == when


@steady
@given(st.lists(corner, min_size=3, max_size=3), times(4))
def test_an_expected_face_is_near_those_that_were_seen(
    corners: list[tuple[int, int, int]], when: list[float]
) -> None:
    boxes = np.array([(x, y, x + s, y + s) for x, y, s in corners], np.float32)
    trail = Trail(0, 0, [seen(k, boxes[i], when[k]) for i, k in enumerate((0, 2))])
    between = trail.expected(1, when[1])
    assert (between >= boxes[:2].min(axis=0) - 1e-3).all()
    assert (between <= boxes[:2].max(axis=0) + 1e-3).all()
    later = trail.expected(3, when[3])
    side = float((boxes[1, 2:] - boxes[1, :2]).max())
    assert np.abs(later - boxes[1]).max() <= 0.5 * side + 1e-3


@steady
@given(
    st.dictionaries(
        st.integers(0, 19),
        st.lists(st.tuples(corner, st.floats(0.5, 1.0)), max_size=3),
        max_size=20,
    ),
    st.integers(1, 9),
)
def test_tracks_hold_together_whatever_is_found(
    script: dict[int, list[tuple[tuple[int, int, int], float]]], chunk: int
) -> None:
    found = {
        n: [((x, y, x + s, y + s), sure) for (x, y, s), sure in faces]
        for n, faces in script.items()
    }
    # `track` asserts that rows, keys, times and cuts agree.
    result, _ = track(numbered(20), Scripted(found), chunk)
    allowed = {box for faces in found.values() for box, _ in faces}
    for rows in result.tracks.values():
        assert {tuple(map(int, box)) for box in rows.box_xyxy} <= allowed, "a face was invented"


# --- from frames to the verdict


@steady
@given(st.lists(logits, min_size=1, max_size=60))
def test_the_lane_rule_is_the_highest_mean_of_any_long_run(values: list[float]) -> None:
    x = np.array(values)
    shortest = min(len(x), aggregate.shortest_span(len(x)))
    runs = [x[i : i + n].mean() for n in range(shortest, len(x) + 1) for i in range(len(x) - n + 1)]
    score = aggregate.lane_score(x)
    np.testing.assert_allclose(score, max(runs), atol=1e-9)
    assert x.mean() - 1e-9 <= score <= x.max() + 1e-9
    found = aggregate.deciding([lane(x)], "image")
    assert found is not None
    np.testing.assert_allclose(x[found.first : found.last + 1].mean(), score, atol=1e-9)


@steady
@given(st.lists(logits, min_size=1, max_size=40), st.data())
def test_more_evidence_never_lowers_a_score(values: list[float], data: st.DataObject) -> None:
    x = np.array(values)
    more = x.copy()
    more[data.draw(st.integers(0, len(x) - 1))] += data.draw(st.floats(0.0, 10.0))
    assert aggregate.lane_score(more) >= aggregate.lane_score(x) - 1e-9
    np.testing.assert_allclose(aggregate.lane_score(x + 3.0), aggregate.lane_score(x) + 3.0)


@steady
@given(st.lists(logits, min_size=1, max_size=60), logits, st.floats(0.0, 5.0))
def test_spans_are_apart_long_and_shrink_as_the_threshold_rises(
    values: list[float], threshold: float, rise: float
) -> None:
    x = np.array(values)
    runs = aggregate.flagged_runs(x, threshold)
    assert all(last - first + 1 >= aggregate.MIN_SPAN for first, last in runs)
    assert all(0 <= first <= last < len(x) for first, last in runs)
    inside = {i for first, last in runs for i in range(first, last + 1)}
    higher = aggregate.flagged_runs(x, threshold + rise)
    assert {i for first, last in higher for i in range(first, last + 1)} <= inside


@steady
@given(
    st.lists(st.lists(logits, min_size=1, max_size=20), max_size=3),
    st.integers(0, 40),
    st.booleans(),
    st.sets(st.sampled_from("ABC")),
    st.sampled_from(["video", "image"]),
)
def test_without_evidence_there_is_no_number(
    faces: list[list[float]], with_face: int, fitted: bool, outside: set[str], kind: str
) -> None:
    lanes = [lane(values, name) for values, name in zip(faces, "ABC", strict=False)]
    calibration = CALIBRATION if fitted else None
    coverage = Coverage(40, 40, with_face)
    verdict = aggregate.decide(lanes, coverage, calibration, frozenset(outside), kind)
    judged = aggregate.judged(lanes, kind)
    assert (verdict.outcome is Outcome.NOT_ANALYSABLE) == (verdict.score is None)
    if not judged or with_face < 8:
        assert verdict.p_fake is None
    if verdict.score is not None:
        assert verdict.score == max(each.score for each in judged)
        if verdict.score_interval is not None:
            low, high = verdict.score_interval
            assert low <= verdict.score <= high
    if verdict.outcome in (Outcome.FAKE, Outcome.REAL):
        assert calibration is not None
        assert verdict.p_fake is not None
        assert 0.0 <= verdict.p_fake <= 1.0
        top = max(judged, key=lambda each: each.score)
        assert top.track_id not in outside


# --- calibration


@steady
@given(
    st.integers(0, 2**32 - 1),
    st.integers(12, 60),
    st.floats(0.3, 6.0),
    st.floats(1e-3, 1e3),
    st.sampled_from([METHODS, *((method,) for method in METHODS)]),
)
def test_a_calibration_rises_keeps_its_rates_and_comes_back_from_json(
    seed: int, videos: int, apart: float, unit: float, methods: tuple[str, ...]
) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(videos) % 2
    scores = unit * (random.normal(size=videos) + apart * labels)
    try:
        fitted = calibrations.fit(
            scores, labels, np.arange(videos) // 2, measured_on="drawn", weights_sha256="",
            min_face_px=0.0, max_distance=None, methods=methods,
        )  # fmt: skip
    except SettingError as error:
        assume("they fall" not in str(error))
        raise
    wide = np.linspace(scores.min() - 9 * unit, scores.max() + 9 * unit, 300)
    p = calibrations.p_fake(fitted, wide)
    assert (np.diff(p) >= 0).all() or fitted.method == "temperature"
    assert ((p >= 0) & (p <= 1)).all()
    assert fitted.band_low <= fitted.threshold
    assert fitted.false_positive_rate == (scores[labels == 0] >= fitted.threshold).mean()
    assert max(fitted.false_positive_rate, fitted.miss_rate) <= calibrations.TARGET_RATE
    data = json.loads(json.dumps(calibrations.to_dict(fitted), allow_nan=False))
    back = calibrations.from_dict(data)
    for field in fields(back):
        if field.name != "reliability":
            np.testing.assert_array_equal(getattr(back, field.name), getattr(fitted, field.name))
    for column in fields(back.reliability):
        np.testing.assert_array_equal(
            getattr(back.reliability, column.name), getattr(fitted.reliability, column.name)
        )


# --- the report as JSON


@few
@given(
    st.sampled_from(["crowd", "in_band", "no_face", "uncalibrated"]),
    ODD,
    st.lists(ODD, max_size=3),
    st.lists(logits, min_size=8, max_size=12),
    st.data(),
)
def test_a_report_comes_back_from_its_json(
    case: str, name: str, notes: list[str], values: list[float], data: st.DataObject
) -> None:
    drawn = REPORTS[case]()
    face = lane(values)
    when = np.array(data.draw(times(len(values))))
    face = replace(face, track=replace(face.track, time_s=when))
    span = Segment("A", float(when[0]), float(when[-1]), max(values), None)
    made = replace(
        drawn,
        info=replace(drawn.info, file=name),
        notes=tuple(note.encode("utf-8", "replace").decode() for note in notes),
        lanes=(face,),
        segments=(span,),
        explanations=(),
        region_spans=(),
    )
    text = report.to_json(made)
    assert text == report.to_json(made)
    read = json.loads(text)
    SCHEMA.validate(read)
    assert json.dumps(read, ensure_ascii=False, allow_nan=False, indent=1) + "\n" == text
    assert text.encode("utf-8")
    assert "/" not in read["file"]
    assert read["notes"] == list(made.notes)
    rows = read["tracks"][0]["frames"]
    np.testing.assert_allclose([row["logit"] for row in rows], values, atol=1e-6)
    np.testing.assert_allclose([row["time_s"] for row in rows], when, atol=1e-6)
    assert all(a["time_s"] < b["time_s"] for a, b in pairwise(rows))
    assert read["score"] == (
        None if drawn.verdict.score is None else round(drawn.verdict.score, 6) + 0.0
    )
