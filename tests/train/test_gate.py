"""gate.py: what the gate learns from training crops, and limits that keep good videos in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import jpegs
from dfexplain.engine import Engine
from dfexplain.models import ModelConfig
from dfexplain.reference import Departure, departure
from tests import small_weights as small
from tests.train.crops import video
from tests.train.faces import portraits
from train import cartoons, gate
from train.config import Data
from train.forgeries import Forger
from train.material import PortraitMaterial
from train.samples import make_pair
from train.scores import ScoredVideo


class Pairs(PortraitMaterial):
    """Crops of few people, drawn again and again."""

    def crops(
        self, split: str, config: ModelConfig, limit: int
    ) -> Iterator[tuple[NDArray[np.uint8], int]]:
        """20 real and 20 forged crops, as PortraitMaterial makes them."""
        rng = np.random.default_rng(0 if split == "train" else 1)
        people = self.train
        forger = Forger([(p.rgb, p.landmarks_xy) for p in people])
        made = [
            make_pair(people[i % 3], people[0], forger, config, rng, data=Data(moving=False))
            for i in range(20)
        ]
        yield np.stack([pair.real for pair in made]), 0
        yield np.stack([pair.fake for pair in made]), 1


def test_drawn_faces_lie_apart_from_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "DRAWN_CROPS", 24)
    people = list(portraits())
    material = Pairs(people, people)
    engine = Engine(small.CONFIG, dict(small.state()))
    known = gate.reference(engine, material)
    assert known.residual is not None
    assert known.pictures is not None

    def depart(crops: NDArray[np.uint8]) -> list[Departure]:
        features = engine.run(crops).features
        return [
            departure(row[None], [jpegs.encoded(crop)], known)
            for row, crop in zip(features, crops, strict=True)
        ]

    usual = [d for crops, _ in material.crops("train", small.CONFIG, 60) for d in depart(crops)]
    usual_and_unworn = [*usual, *depart(material.unworn(small.CONFIG, 10))]
    assert np.mean([d.picture**2 for d in usual_and_unworn if d.picture]) == pytest.approx(
        1.0, abs=0.02
    )
    toward = np.array([d.drawn for d in usual_and_unworn], float)
    assert (toward.mean(), toward.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    assert np.median([d.features for d in usual]) == pytest.approx(1.0, abs=1e-3)

    fresh, _ = next(material.crops("val", small.CONFIG, 60))
    rng = np.random.default_rng(5)
    line = np.stack([cartoons.draw_over(crop, "line", 48.0, rng) for crop in fresh[:10]])
    good, drawn = depart(fresh), depart(line)
    assert min(d.drawn for d in drawn if d.drawn) > max(d.drawn for d in good if d.drawn)


def scored(number: int, rng: np.random.Generator, **known: Any) -> ScoredVideo:
    far = Departure(*(float(v) for v in rng.normal(1.0, 0.2, 3)), "blurred")
    usual = {"face_px": float(rng.uniform(60, 200)), "confidence": 0.99, "departure": far}
    return ScoredVideo(video(number, number % 2), 0.0, **(usual | known))


def beyond(item: ScoredVideo, limits: Any) -> bool:
    far = item.departure
    assert far is not None
    return bool(
        item.face_px < limits.min_face_px
        or item.confidence < limits.min_confidence
        or far.features > limits.max_distance
        or far.picture > limits.max_picture_distance
        or far.drawn > limits.max_drawn
    )


def test_all_limits_together_turn_away_few_good_videos() -> None:
    rng = np.random.default_rng(0)
    videos = [scored(i, rng, confidence=float(rng.uniform(0.95, 1))) for i in range(400)]
    limits = gate.limited(small.calibration(), videos)
    share = float(np.mean([beyond(item, limits) for item in videos]))
    assert 0.5 * gate.GATE_SHARE <= share <= gate.GATE_SHARE


def test_what_is_not_known_has_no_limit() -> None:
    rng = np.random.default_rng(0)
    videos = [scored(i, rng, confidence=None, departure=None) for i in range(50)]
    limits = gate.limited(replace(small.calibration(), min_face_px=0.0), videos)
    assert limits.min_face_px == pytest.approx(min(v.face_px or 0 for v in videos), rel=0.1)
    assert (limits.min_confidence, limits.max_distance, limits.max_drawn) == (None,) * 3
