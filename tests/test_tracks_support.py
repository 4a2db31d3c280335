"""Tracks, by a scripted detector: what counts as a track, and what is searched how often."""

from __future__ import annotations

import gc
import weakref

import pytest

from dfexplain.structures import Frame
from dfexplain.tracks import MOST_FACES, Tracker, Tracks
from tests.tracking import Scripted, numbered, track

HERE = (100.0, 100.0, 150.0, 160.0)
THERE = (300.0, 100.0, 350.0, 160.0)


def test_a_face_found_once_is_not_a_track() -> None:
    script = {i: [(HERE, 0.999)] for i in range(16)}
    script[7].append((THERE, 0.97))
    result, told = track(numbered(16), Scripted(script))
    assert len(told) == 2
    assert [len(face) for face in result.tracks.values()] == [16]


def test_a_face_that_is_followed_but_not_found_again_is_not_a_track() -> None:
    felt = {i: [(HERE, 0.99)] for i in range(24)}
    result, told = track(numbered(24), Scripted({7: [(HERE, 0.99)]}, felt))
    assert not result.tracks
    # It was followed back to the search before it and on past one that missed it, not for ever.
    assert [face.frame_index for face in told[0]] == [*range(4, 15)]


@pytest.mark.parametrize("count", [MOST_FACES, MOST_FACES + 40])
def test_of_a_crowd_the_largest_faces_are_followed(count: int) -> None:
    crowd = [((30.0 * k, 0.0, 30.0 * k + 20.0, 20.0), 0.99) for k in range(count)]
    result, _ = track(numbered(12), Scripted(dict.fromkeys(range(12), crowd)))
    firsts = sorted(face.box_xyxy[0, 0] for face in result.tracks.values())
    assert firsts == [30.0 * k for k in range(MOST_FACES)]
    assert bool(result.notes) == (count > MOST_FACES)


def test_a_doubtful_face_is_not_a_track() -> None:
    doubtful, _ = track(numbered(16), Scripted({i: [(HERE, 0.85)] for i in range(16)}))
    sure, _ = track(numbered(16), Scripted({i: [(HERE, 0.95)] for i in range(16)}))
    assert not doubtful.tracks
    assert len(sure.tracks) == 1


@pytest.mark.parametrize(("confidence", "kept"), [(0.999, 1), (0.97, 0)])
def test_a_shot_of_two_samples_needs_a_sure_face_in_both(confidence: float, kept: int) -> None:
    script = {i: [(HERE, confidence)] for i in range(2)}
    assert len(track(numbered(2), Scripted(script))[0].tracks) == kept
    assert not track(numbered(2), Scripted({1: [(HERE, 0.999)]}))[0].tracks


def test_a_lost_face_has_its_frame_searched_once() -> None:
    script = {i: [(HERE, 0.99), (THERE, 0.99)] for i in range(16)}
    felt = {i: rows if i != 5 else rows[:1] for i, rows in script.items()}
    scripted = Scripted(script, felt)
    result, _ = track(numbered(16), scripted)
    assert sorted(scripted.searches) == [0, 5, 7, 15]
    assert [len(face) for face in result.tracks.values()] == [16, 16]
    assert all(face.detected[5] for face in result.tracks.values())


def test_the_middle_is_searched_unless_the_same_faces_are_there_before_and_after() -> None:
    calm = {i: [(HERE, 0.999)] for i in range(24)}
    for comes, goes, searches in (
        (24, 24, [0, 7, 15, 23]),  # nobody comes or goes
        (5, 24, [0, 3, 7, 15, 23]),  # somebody is first seen at 7
        (10, 24, [0, 7, 11, 15, 23]),  # at 15
        (8, 15, [0, 7, 15, 23]),  # too short to be found twice, even at 11 and so on
    ):
        script = {i: [*rows, *[(THERE, 0.999)] * (comes <= i < goes)] for i, rows in calm.items()}
        scripted = Scripted(script)
        result, _ = track(numbered(24), scripted)
        assert sorted(scripted.searches) == searches
        seen = [len(face) for face in result.tracks.values()]
        assert seen == [24, goes - comes] if goes - comes >= 8 else [24]


def test_the_middle_is_searched_after_a_cut() -> None:
    frames = numbered(16)
    for i in range(9, 16):
        frames[i].rgb[1:] = (220, 40, 40)
    scripted = Scripted({i: [(HERE, 0.999)] for i in range(16)})
    result, _ = track(frames, scripted)
    assert result.cuts_s == (frames[9].time_s,)
    assert sorted(scripted.searches) == [0, 7, 9, 15]
    frames = numbered(16)
    for i in range(12, 16):
        frames[i].rgb[1:] = (220, 40, 40)
    scripted = Scripted({i: [(HERE, 0.999)] for i in range(16)})
    track(frames, scripted)
    assert sorted(scripted.searches) == [0, 7, 11, 12, 15]


def test_a_face_that_left_costs_one_search() -> None:
    scripted = Scripted({i: [(HERE, 0.99)] for i in range(9)})
    result, _ = track(numbered(24), scripted)
    # 9, where it is lost; 11 and 19, for it left and might still come back; not 3.
    assert sorted(scripted.searches) == [0, 7, 9, 11, 15, 19, 23]
    (face,) = result.tracks.values()
    assert len(face) == 9


def test_a_doubtful_face_does_not_have_its_frame_searched() -> None:
    script = {i: [(HERE, 0.8)] for i in range(8)}
    scripted = Scripted(script, {i: script[i] for i in (0, 3, 7)})
    track(numbered(8), scripted)
    assert sorted(scripted.searches) == [0, 3, 7]


def test_a_face_away_for_long_is_a_new_track() -> None:
    short = {i: [(HERE, 0.99)] for i in range(40) if not 8 <= i < 15}
    long = {i: [(HERE, 0.99)] for i in range(40) if not 8 <= i < 20}
    assert len(track(numbered(40), Scripted(short))[0].tracks) == 1
    assert len(track(numbered(40), Scripted(long))[0].tracks) == 2


def test_two_boxes_on_one_face_are_one_row() -> None:
    nested = (102.0, 98.0, 153.0, 161.0)
    script = {i: [(HERE, 0.99), (nested, 0.95)] for i in range(12)}
    result, told = track(numbered(12), Scripted(script))
    assert [len(face) for face in result.tracks.values()] == [12]
    assert len(told) == 1


def test_a_face_that_moves_more_than_its_width_a_sample_is_one_track() -> None:
    script = {i: [((60.0 * i, 100.0, 60.0 * i + 50, 160.0), 0.99)] for i in range(16)}
    scripted = Scripted(script)
    result, _ = track(numbered(16), scripted)
    assert [len(face) for face in result.tracks.values()] == [16]
    # Lost in frame 1; its motion is known from then on, so nothing more than the plan is searched.
    assert sorted(scripted.searches) == [0, 1, 3, 7, 11, 15]


def test_frames_whose_time_does_not_rise_are_passed_over() -> None:
    frames = numbered(12)
    frames[5] = Frame(5, frames[4].time_s, frames[5].rgb)
    frames[8] = Frame(8, 0.0, frames[8].rgb)
    result, _ = track(frames, Scripted({i: [(HERE, 0.99)] for i in range(12)}))
    (face,) = result.tracks.values()
    assert list(face.frame_index) == [0, 1, 2, 3, 4, 6, 7, 9, 10, 11]


def test_uncounted_frames_have_index_minus_one() -> None:
    frames = [Frame(None, f.time_s, f.rgb) for f in numbered(4)]
    faces = Tracker(Scripted({i: [(HERE, 0.99)] for i in range(4)})).update(frames)
    assert {face.frame_index for face in faces} == {-1}


def test_frames_are_forgotten() -> None:
    tracker = Tracker(Scripted({i: [(HERE, 0.99)] for i in range(8)}))
    frames = numbered(8)
    pixels = [weakref.ref(frame.rgb) for frame in frames]
    tracker.update(frames)
    del frames
    gc.collect()
    assert not any(ref() is not None for ref in pixels)
    assert len(tracker.finish().tracks) == 1


def test_nothing_given_nothing_found() -> None:
    tracker = Tracker(Scripted({}))
    assert tracker.update([]) == []
    assert tracker.finish() == Tracks({}, (), 0)
