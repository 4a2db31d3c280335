"""camera.py: what a video camera does to a picture, alike for a face and its forgery."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain.models import ModelConfig
from tests.train.faces import portraits
from train.augment import draw_wear
from train.camera import AROUND, BAND_PX, CORED, WITHIN, Camera, Focus, draw_camera
from train.config import Data, FitConfig
from train.datasets import PortraitSamples
from train.samples import PairDataset

PLAIN = Camera(
    gains=(1.0,) * len(BAND_PX),
    cores=(0.0,) * len(BAND_PX),
    median_px=0.0,
    chroma_px=0.0,
    contrast=1.0,
    saturation=1.0,
)
CONFIG = ModelConfig(crop_px=96, crop_margin=0.05)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.float32]:
    """A face (H, W, 3), 0..255."""
    return portraits()[0].rgb.astype(np.float32)


def detail(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """The finest band of a picture's grey."""
    grey = cv2.cvtColor(rgb / 255.0, cv2.COLOR_RGB2GRAY) * 255.0
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), BAND_PX[0]), np.float32)


def test_a_camera_that_does_nothing_leaves_the_picture(picture: NDArray[np.float32]) -> None:
    assert np.abs(PLAIN.apply(picture, 1.0) - picture).max() < 0.6


def test_coring_takes_weak_detail_and_leaves_edges(picture: NDArray[np.float32]) -> None:
    before = np.abs(detail(picture))
    after = np.abs(detail(replace(PLAIN, cores=CORED).apply(picture, 1.0)))
    weak, strong = before < 2.0, before > np.percentile(before, 99.5)
    assert after[weak].mean() < 0.5 * before[weak].mean()
    assert after[strong].mean() > 0.4 * before[strong].mean()
    # Coring is not blur: what is left of weak detail, compared with edges, is far less.
    kept = after[weak].mean() / before[weak].mean()
    assert kept < 0.8 * after[strong].mean() / before[strong].mean()


def test_peaking_raises_detail(picture: NDArray[np.float32]) -> None:
    raised = replace(PLAIN, gains=(2.0,) * len(BAND_PX)).apply(picture, 1.0)
    assert detail(raised).std() > 1.5 * detail(picture).std()


def test_colours_are_blurred_and_brightness_is_not(picture: NDArray[np.float32]) -> None:
    soft = replace(PLAIN, chroma_px=5.0).apply(picture, 1.0)
    before, after = (cv2.cvtColor(x / 255.0, cv2.COLOR_RGB2YCrCb) for x in (picture, soft))
    assert np.abs(before[..., 0] - after[..., 0]).mean() < 0.002
    assert cv2.Laplacian(after[..., 1], cv2.CV_32F).std() < 0.5 * (
        cv2.Laplacian(before[..., 1], cv2.CV_32F).std()
    )


def test_focus_takes_detail_from_the_face_and_leaves_what_is_around_it() -> None:
    grain = np.random.default_rng(0).normal(128.0, 8.0, (300, 300, 1)).astype(np.float32)
    grain = np.repeat(grain, 3, axis=2)
    focus = Focus(np.log(0.5), 0.0, half_axes=(0.4, 0.5), centre=(0.0, 0.0), soft=0.2)
    gains = focus.gains((300, 300), 1.0)
    assert gains[150, 150] == pytest.approx(0.5, abs=0.02)
    assert gains[2, 2] == pytest.approx(1.0, abs=0.01)
    assert gains[150, 150 + round(0.4 * 150)] == pytest.approx(np.sqrt(0.5), abs=0.03)
    before, after = detail(grain), detail(replace(PLAIN, focus=focus).apply(grain, 1.0))
    within, around = np.s_[120:180, 120:180], np.s_[:40, :40]
    assert after[within].std() == pytest.approx(0.5 * before[within].std(), rel=0.05)
    assert after[around].std() == pytest.approx(before[around].std(), rel=0.05)


def test_contrast_and_saturation(picture: NDArray[np.float32]) -> None:
    grey = replace(PLAIN, saturation=0.0).apply(picture, 1.0)
    assert np.ptp(grey, axis=2).max() < 1.0
    assert replace(PLAIN, contrast=1.4).apply(picture, 1.0).std() > 1.35 * picture.std()


def test_a_draw_follows_from_its_seed_and_stays_in_bounds() -> None:
    drawn = [draw_camera(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn[7] == draw_camera(np.random.default_rng(7))
    assert 0.2 < np.mean([c.median_px > 0 for c in drawn]) < 0.4
    for camera in drawn:
        assert all(0.5 <= gain <= 2.2 for gain in camera.gains)
        assert all(0.0 <= core <= most for core, most in zip(camera.cores, CORED, strict=True))
    focused = [c.focus for c in drawn if c.focus is not None]
    assert 0.7 < len(focused) / len(drawn) < 0.9
    for focus in focused:
        assert WITHIN[0] <= focus.within <= WITHIN[1]
        assert AROUND[0] <= focus.around <= AROUND[1]


def test_wear_without_a_camera_is_what_it_was() -> None:
    """Clips that were made before there were cameras are drawn as they were."""
    for seed in range(20):
        usual, filmed = (draw_wear(np.random.default_rng(seed), camera=c) for c in (0.0, 1.0))
        assert usual.camera is None
        assert filmed.camera is not None
        assert replace(filmed, camera=None) == usual


def test_a_pair_shares_its_camera() -> None:
    filmed = PairDataset(list(portraits()), CONFIG, seed=3, data=Data(camera=1.0)).pair(0)
    plain = PairDataset(list(portraits()), CONFIG, seed=3).pair(0)
    assert (filmed.real != plain.real).any()
    apart = np.abs(filmed.real.astype(np.float32) - filmed.fake).mean(axis=2)
    by_cell = cv2.resize(apart, filmed.cells.shape, interpolation=cv2.INTER_AREA)
    assert by_cell.flat[filmed.cells.argmin()] < 0.7 * by_cell.flat[filmed.cells.argmax()]


def test_cameras_and_expressions_are_validated_on_as_well() -> None:
    """Or the epoch that never saw a camera would be the best one."""
    asked = Data(camera=1.0, expressions=1.0)
    kept = PortraitSamples(list(portraits()), FitConfig(model=CONFIG, data=asked), seed=3, draws=1)
    crops, *_ = PairDataset(list(portraits()), CONFIG, seed=3, data=asked)[0]
    np.testing.assert_array_equal(kept[0].clips[:, 0], crops)
    plain, *_ = PairDataset(list(portraits()), CONFIG, seed=3)[0]
    assert (crops != plain).any()


def test_a_teacher_sees_the_pair_before_its_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = replace(PLAIN, saturation=0.0)
    monkeypatch.setattr("train.augment.draw_camera", lambda rng: grey)
    asked = Data(camera=1.0, before_camera=True)
    pair = PairDataset(list(portraits()), CONFIG, seed=3, data=asked).pair(0)
    assert pair.taught is not None
    for seen, shown in zip((pair.real, pair.fake), pair.taught, strict=True):
        # Codecs leave a grey picture grey, but for a level or two.
        assert np.ptp(seen.astype(int), axis=2).max() < 5 < np.ptp(shown.astype(int), axis=2).max()
        greys = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).ravel() for p in (seen, shown)]
        assert np.corrcoef(greys)[0, 1] > 0.97
    kept = PortraitSamples(list(portraits()), FitConfig(model=CONFIG, data=asked), seed=3, draws=1)
    assert not kept[0].taught.numel()  # Nobody is taught by what validates.


def test_a_teacher_sees_a_real_face_before_its_expression() -> None:
    """It takes an expression for a warp; that the forgery is one it may say."""
    asked = Data(expressions=1.0, before_camera=True)
    crops, _, taught = PairDataset(list(portraits()), CONFIG, seed=3, data=asked)[0]
    np.testing.assert_array_equal(taught[1], crops[1])
    assert (taught[0] != crops[0]).float().mean() > 0.5  # The same head, bent.
    assert (taught[0].int() - crops[0].int()).abs().float().mean() < 30
    steady = Data(before_camera=True)
    crops, _, taught = PairDataset(list(portraits()), CONFIG, seed=3, data=steady)[0]
    np.testing.assert_array_equal(taught, crops)
