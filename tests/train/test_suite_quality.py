"""What quality alone gives away, and apparent skin tone from pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dfexplain import metrics
from dfexplain.models import ModelConfig
from tests.train.faces import portraits
from train.pictures import read_crop
from train.records import read_crops
from train.suite import probe, skin
from train.suite.shipped import CROPS


def test_each_statistic_measures_its_own() -> None:
    rgb = np.asarray(cv2.resize(portraits()[0].rgb[40:260, 60:280], (192, 192)), np.uint8)
    plain = dict(zip(probe.STATISTICS, probe.statistics(rgb), strict=True))

    def of(picture: np.ndarray) -> dict[str, float]:
        return dict(zip(probe.STATISTICS, probe.statistics(picture), strict=True))

    assert of(cv2.GaussianBlur(rgb, (0, 0), 2))["sharpness"] < plain["sharpness"] - 1
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 15])
    assert of(cv2.imdecode(data, cv2.IMREAD_COLOR))["blockiness"] > 2 * plain["blockiness"]
    rng = np.random.default_rng(0)
    flat = np.clip(128 + rng.normal(0, 6, rgb.shape[:2]), 0, 255).round().astype(np.uint8)
    assert of(cv2.cvtColor(flat, cv2.COLOR_GRAY2RGB))["noise"] == pytest.approx(6, rel=0.1)
    dark = of((rgb // 2).astype(np.uint8))
    assert dark["brightness"] == pytest.approx(plain["brightness"] / 2, abs=1)
    assert dark["contrast"] == pytest.approx(plain["contrast"] / 2, abs=1)
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert of(grey)["saturation"] == 0


def test_the_probe_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    labels, groups = np.arange(400) % 2, np.arange(400) // 4
    x = rng.normal(size=(400, 6)) * np.array([1, 5, 0.1, 40, 1, 1])
    blind = metrics.auc(probe.held_out_scores(x, labels, groups), labels)
    assert 0.4 < blind < 0.6
    x[:, 3] += 60 * labels
    assert metrics.auc(probe.held_out_scores(x, labels, groups), labels) > 0.8
    # What tells people apart is of no use for others: nothing is learnt from the person held out.
    own = np.where(groups % 2 == labels, 5.0, -5.0)[:, None] * np.ones(6)
    assert metrics.auc(probe.held_out_scores(own, labels, groups), labels) < 0.65


def test_quality_alone_does_not_tell_the_crops_that_ship() -> None:
    rows = read_crops(CROPS / "crops.csv")
    pictures = [read_crop(CROPS / row.file, 192) for row in rows]
    x = np.stack([probe.statistics(p) for p in pictures if p is not None])
    labels = np.array([row.video.label for row in rows], np.int64)
    people = np.array([row.video.identities[0] for row in rows])
    assert metrics.auc(probe.held_out_scores(x, labels, people), labels) < probe.LIMIT


def test_the_table_of_the_probe_counts_crops_and_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PAIRS", 2)
    faces = [replace(p, identity=f"{i}") for i, p in enumerate([*portraits()] * 2)]
    table = probe.table(faces, ModelConfig(crop_px=64), 20)
    assert "of 6 validation people" in table.note
    assert [row[0] for row in table.rows] == ["all", *(f"{s} alone" for s in probe.STATISTICS)]
    assert {cell.n for _, cell in table.rows if not isinstance(cell, str) and cell} == {24}


def test_tone_is_the_angle_of_the_cheeks_pixels() -> None:
    face = portraits()[0]
    for lightness, yellow, name in ((75.0, 12.0, "very light"), (60.0, 15.0, "intermediate"),
                                    (50.0, 20.0, "brown"), (30.0, 10.0, "dark")):  # fmt: skip
        lab = np.full((*face.rgb.shape[:2], 3), (lightness, 5.0, yellow), np.float32)
        rgb = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, 0, 255).round().astype(np.uint8)
        # Eyes and mouth are no cheeks.
        for x, y in face.landmarks_xy[[0, 1, 3, 4]].round().astype(int):
            cv2.circle(rgb, (int(x), int(y)), 6, (0, 0, 0), -1)
        angle = skin.ita_deg(replace(face, rgb=rgb))
        assert angle == pytest.approx(np.degrees(np.arctan2(lightness - 50, yellow)), abs=2)
        assert skin.tone(angle) == name
    assert [skin.tone(x) for x in (55.1, 55.0, 41.0, 28.0, 10.0, -30.0)] == [
        name for _, name in skin.TONES
    ]
