"""reference.py: how far crops lie from the training crops, and the file that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from dfexplain import calibration as calibrations
from dfexplain import hub, naturalness, reference
from dfexplain.errors import WeightsRefused
from dfexplain.reference import OutOfDistribution, Pictures
from tests import small_weights as small

K = len(naturalness.NAMES)
FILE = "out_of_distribution.safetensors"


def pictures(usual: NDArray[np.float64]) -> Pictures:
    """Where the statistics (N, K) lie, as if independent; drawings lie along the first."""
    drawn = np.zeros(K, np.float32)
    drawn[0] = 1.0
    return Pictures(
        mean=usual.mean(axis=0).astype(np.float32),
        scale=np.maximum(usual.std(axis=0), 0.05).astype(np.float32),
        whitening=np.eye(K, dtype=np.float32) / np.float32(np.sqrt(K)),
        drawn=drawn,
    )


def with_pictures(width: int = 576) -> OutOfDistribution:
    usual = np.random.default_rng(1).normal(size=(20, K))
    return replace(small.out_of_distribution(width), residual=0.5, pictures=pictures(usual))


def plane(residual: float | None) -> OutOfDistribution:
    """Features of 8 dimensions that lie along the first one, around 0."""
    one = np.eye(1, 8, dtype=np.float32)
    return OutOfDistribution(np.zeros(8, np.float32), one, np.float32([4.0]), residual)


def test_without_a_residual_the_distance_is_mahalanobis_in_the_subspace() -> None:
    features = np.float32([[2, 0, 0, 0, 0, 0, 0, 0], [4, 9, 0, 0, 0, 0, 0, 0]])
    assert reference.distances(features, plane(None)).tolist() == pytest.approx([1.0, 2.0])


def test_with_a_residual_it_is_what_the_subspace_does_not_explain() -> None:
    features = np.float32([[5, 0, 0, 0, 0, 0, 0, 0], [3, 4, 0, 0, 0, 0, 0, 0]])
    found = reference.distances(features, plane(0.4))
    assert found.tolist() == pytest.approx([0.0, 2.0], abs=1e-6)
    np.testing.assert_allclose(reference.distances(7 * features, plane(0.4)), found, atol=1e-6)
    assert np.isfinite(reference.distances(np.zeros((1, 8), np.float32), plane(0.4))).all()


def test_a_blurred_track_departs_as_a_picture_and_says_so() -> None:
    rng = np.random.default_rng(0)
    crops = rng.normal(128, 30, (12, 64, 64, 3))
    crops = np.stack([cv2.GaussianBlur(c, (0, 0), 1.0) * 3 - 256 for c in crops])
    usual = np.clip(crops, 0, 255).astype(np.uint8)
    known = replace(plane(0.4), pictures=pictures(naturalness.statistics(usual)))

    def depart(pictures: NDArray[np.uint8]) -> reference.Departure:
        jpegs = [cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
                 for p in pictures]  # fmt: skip
        return reference.departure(np.ones((len(pictures), 8), np.float32), jpegs, known)

    same, blurred = depart(usual), depart(np.stack([cv2.GaussianBlur(c, (0, 0), 4) for c in usual]))
    assert same.picture is not None
    assert blurred.picture is not None
    assert blurred.picture > 3 * same.picture
    assert blurred.features == same.features
    assert blurred.oddest in {"blurred", "soft edges", "no fine detail", "flat areas of one colour"}
    plain = reference.departure(np.ones((1, 8), np.float32), [b""], plane(0.4))
    assert plain[1:] == (None, None, None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "whole"
    limits = {"max_picture_distance": 2.0, "max_drawn": 1.5, "min_confidence": 0.9}
    hub.save(
        folder,
        config=small.CONFIG,
        state=small.state(),
        heat_scale=1.0,
        card="",
        calibration=replace(small.calibration(max_distance=3.0), **limits),
        out_of_distribution=with_pictures(),
    )
    return folder


def test_the_reference_comes_back_whole(whole: Path) -> None:
    weights = hub.load(whole)
    saved, found = with_pictures(), weights.out_of_distribution
    assert found is not None
    assert found.residual == pytest.approx(0.5)
    assert found.pictures is not None
    assert saved.pictures is not None
    for key, value in vars(saved.pictures).items():
        np.testing.assert_array_equal(getattr(found.pictures, key), value)
    limits = weights.calibration
    assert limits is not None
    assert (limits.max_picture_distance, limits.max_drawn, limits.min_confidence) == (2.0, 1.5, 0.9)


def test_a_calibration_from_before_these_limits_has_none() -> None:
    data = calibrations.to_dict(small.calibration(max_distance=3.0))
    for key in calibrations.LATER_LIMITS:
        del data[key]
    older = calibrations.from_dict(data)
    assert older.max_distance == 3.0
    assert (older.max_picture_distance, older.max_drawn, older.min_confidence) == (None,) * 3


def altered(**changes: NDArray[np.generic] | None) -> Callable[[dict[str, bytes]], bytes]:
    def change(files: dict[str, bytes]) -> bytes:
        arrays = safetensors.numpy.load(files[FILE]) | changes
        sha256 = json.loads(files["config.json"])["sha256"]
        kept = {k: np.asarray(v) for k, v in arrays.items() if v is not None}
        return safetensors.numpy.save(kept, {"weights_sha256": sha256})

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (altered(picture_drawn=None), r"missing \['picture_drawn'\]"),
        (altered(picture_mean=np.zeros(3, np.float32)), "picture_mean of shape"),
        (altered(picture_scale=np.zeros(K, np.float32)), "positive values in picture_scale"),
        (altered(residual=np.zeros(1, np.float32)), "positive values in residual"),
        (altered(picture_whitening=np.full((K, K), np.nan, np.float32)), "finite values in"),
        (
            altered(residual=None, picture_mean=None, picture_scale=None,
                    picture_whitening=None, picture_drawn=None),
            "as calibration.json sets max_picture_distance, but got one that knows no pictures",
        ),
    ],
)  # fmt: skip
def test_an_odd_reference_is_refused(
    whole: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], bytes], says: str
) -> None:
    files = small.files_of(whole)
    with pytest.raises(WeightsRefused, match=says):
        hub.load(small.write(tmp_path / "odd", files | {FILE: change(files)}))


@pytest.mark.parametrize(
    ("key", "value"), [("min_confidence", 1.5), ("max_drawn", "far"), ("max_picture_distance", -1)]
)
def test_an_odd_limit_is_refused(whole: Path, tmp_path: Path, key: str, value: object) -> None:
    files = small.files_of(whole)
    name = "calibration.json"
    files[name] = json.dumps(json.loads(files[name]) | {key: value}).encode()
    with pytest.raises(WeightsRefused, match=f"calibration {key} must"):
        hub.load(small.write(tmp_path / "odd", files))
