"""Shot cuts: found where the scene changes, and not where only light, camera or people move."""

from __future__ import annotations

import numpy as np
import pytest

from dfexplain.shots import CutDetector
from tests.portraits import Image, backdrop, paste

SIZE = (640, 360)


def room(seed: int) -> Image:
    return backdrop(seed, *SIZE)


def walk(
    seed: int, who: int, count: int, start_px: float = 150, step_px: float = 12
) -> list[Image]:
    """A head that moves through a room, a sample a frame."""
    return [paste(room(seed), who, (start_px + step_px * i, 170), 130) for i in range(count)]


def cuts(frames: list[Image]) -> list[int]:
    detector = CutDetector()
    return [i for i, frame in enumerate(frames) if detector.is_cut(frame)]


def brighter(frame: Image, gain: float, offset: float = 0.0) -> Image:
    return np.asarray(np.clip(frame * gain + offset, 0, 255), np.uint8)


def mixed(a: Image, b: Image, share: float) -> Image:
    return np.asarray(np.round(a * (1 - share) + b * share), np.uint8)


def test_hard_cuts() -> None:
    frames = walk(1, 0, 6) + walk(2, 1, 6) + walk(3, 2, 6)
    assert cuts(frames) == [6, 12]


def test_there_and_back() -> None:
    assert cuts([*walk(1, 0, 4), *walk(2, 1, 1), *walk(1, 0, 4)]) == [4, 5]


def test_every_frame_of_another_scene_minutes_apart() -> None:
    assert cuts([paste(room(20 + i), i % 3, (300, 170), 130) for i in range(10)]) == [*range(1, 10)]


def test_one_scene_minutes_apart() -> None:
    spots = np.random.default_rng(3).uniform(200, 440, 12)
    assert cuts([paste(room(4), 0, (float(x), 170), 130) for x in spots]) == []


def test_the_first_frame_is_no_cut() -> None:
    assert cuts([room(1)]) == []


def test_moving_people_are_no_cut() -> None:
    two = [paste(f, 1, (520 - 14 * i, 200), 110) for i, f in enumerate(walk(5, 0, 16))]
    assert cuts(two) == []


@pytest.mark.parametrize("step_px", [8, 24])
def test_a_pan_with_a_moving_head_is_no_cut(step_px: int) -> None:
    wide = backdrop(6, 1400, 360)
    frames = [
        paste(
            np.ascontiguousarray(wide[:, step_px * i : step_px * i + 640]), 0, (300 + i, 170), 130
        )
        for i in range(16)
    ]
    assert cuts(frames) == []


def test_a_flash_is_no_cut() -> None:
    frames = walk(7, 0, 8)
    frames[4] = brighter(frames[4], 1.2, 80)
    assert cuts(frames) == []


@pytest.mark.parametrize("level", [0, 255])
def test_a_blank_frame_is_no_cut(level: int) -> None:
    frames = walk(7, 0, 8)
    frames[4] = np.full_like(frames[4], level)
    assert cuts(frames) == []


def test_black_between_two_scenes_is_one_cut_at_the_second() -> None:
    black = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    assert cuts([*walk(1, 0, 4), black, black, *walk(2, 1, 4)]) == [6]


def test_fade_out_and_in() -> None:
    a, b = walk(8, 0, 8), walk(9, 1, 8)
    out = [brighter(f, g) for f, g in zip(a[5:8], (0.7, 0.4, 0.1), strict=True)]
    into = [brighter(f, g) for f, g in zip(b[:3], (0.1, 0.4, 0.7), strict=True)]
    black = np.zeros_like(a[0])
    found = cuts(a[:5] + out + [black] + into + b[3:])
    assert len(found) == 1
    assert 9 <= found[0] <= 10


def test_a_slow_change_of_light_is_no_cut() -> None:
    frames = [brighter(f, 1.0 - 0.05 * i) for i, f in enumerate(walk(10, 0, 14))]
    assert cuts(frames) == []


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_dissolve_is_a_cut(samples: int) -> None:
    a, b = walk(11, 0, 5, step_px=3), walk(12, 1, 5, step_px=3)
    shares = np.arange(1, samples + 1) / (samples + 1)
    between = [mixed(a[-1], b[0], float(s)) for s in shares]
    found = cuts(a + between + b)
    assert found
    assert found[0] >= 5
    assert found[-1] <= 5 + samples


def test_other_sizes_and_grey_frames() -> None:
    grey = [
        np.repeat(f.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8) for f in walk(1, 0, 3)
    ]
    small = [np.ascontiguousarray(f[::16, ::16]) for f in walk(2, 1, 3)]
    assert cuts(grey + small) == [3]
