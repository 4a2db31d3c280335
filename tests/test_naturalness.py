"""naturalness.py: statistics that tell photographs from drawings, noise and blur."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import naturalness

SIDE = 96


def photograph(seed: int = 0) -> NDArray[np.uint8]:
    """Noise whose amplitude falls as 1 / frequency, as that of photographs does."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(SIDE, SIDE)))
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    grey = np.fft.irfft2(noise / np.maximum(radius, 1 / SIDE), s=(SIDE, SIDE))
    grey = np.clip(128 + 45 * (grey - grey.mean()) / grey.std(), 0, 255)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def words(changed: NDArray[np.uint8]) -> set[str]:
    """The words for what changed most against untouched photographs."""
    usual = naturalness.statistics(np.stack([photograph(seed) for seed in range(20)]))
    z = (naturalness.statistics(changed[None])[0] - usual.mean(axis=0)) / usual.std(axis=0)
    return {naturalness.NAMES[i][int(z[i] > 0)] for i in np.argsort(-np.abs(z))[:6]}


def test_one_row_a_crop_with_a_word_for_each_number() -> None:
    found = naturalness.statistics(np.stack([photograph(0), photograph(1)]))
    assert found.shape == (2, len(naturalness.NAMES))
    assert np.isfinite(found).all()
    assert naturalness.statistics(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, found.shape[1])


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_of_one_colour_has_numbers_too(level: int) -> None:
    flat = np.full((1, 32, 32, 3), level, np.uint8)
    assert np.isfinite(naturalness.statistics(flat)).all()


def test_changes_have_their_words() -> None:
    picture = photograph(99)
    noise = np.random.default_rng(0).normal(0, 40, picture.shape)
    assert words(np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)) & {
        "blurred",
        "no fine detail",
    }
    assert words(np.clip(picture + noise, 0, 255).astype(np.uint8)) & {
        "noise from pixel to pixel",
        "noise or sharpening",
    }
    poster = cv2.medianBlur(picture, 9) // 80 * 80
    assert "flat areas of one colour" in words(poster)


def test_crops_are_spread_over_the_track() -> None:
    jpegs = [cv2.imencode(".jpg", np.full((8, 8, 3), 20 * i, np.uint8))[1].tobytes()
             for i in range(10)]  # fmt: skip
    levels = naturalness.decoded(jpegs, 4)[:, 0, 0, 0]
    assert levels.tolist() == pytest.approx([0, 60, 120, 180], abs=2)
    assert len(naturalness.decoded(jpegs[:3], 8)) == 3
    with pytest.raises(ValueError, match="must hold JPEGs"):
        naturalness.decoded([b"no picture"], 1)
