"""explainer.py: one frame of a report explained, covered and scored anew (G7, G8, N4, N15)."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import explainer as explaining
from dfexplain.explain import faithfulness, regions, tables
from dfexplain.explain.cover import HOW
from dfexplain.explain.explainer import Explainer, clip_rows, flagged_rows
from dfexplain.face_shape import MEAN_POINTS
from dfexplain.hub import Weights
from dfexplain.models import ModelConfig, build
from dfexplain.structures import (
    EvaluationTable,
    Explanation,
    FaceTrack,
    HeatmapRecord,
    Lane,
    NeighbourIndex,
    Number,
    Segment,
    TrackScores,
    VideoReport,
    WeightsInfo,
)
from tests import planted
from tests.reports import REPORTS

SIZE = 64
LANDMARKS = (MEAN_POINTS * 20 + np.array((32, 25))).astype(np.float32)
MOUTH = (28, 42)  # where a patch of 8 px lies within the mouth and in four cells of the map


def weights(config: ModelConfig = planted.CONFIG, **more: object) -> Weights:
    state = planted.state() if config == planted.CONFIG else build(config).state_dict()
    info = WeightsInfo(
        "planted", "local", "ab" * 32, False, config.label, config.crop_px, config.crop_margin
    )
    return Weights(info, config, dict(state), 20.0, None, None, "", Path(), **more)


def stored(crop: NDArray[np.uint8]) -> bytes:
    """A crop as a report keeps it."""
    how = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR)
    done, data = cv2.imencode(".jpg", crop[..., ::-1], (*how, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444))
    assert done
    return data.tobytes()


def opened(data: bytes) -> NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].copy()


def report_of(
    crops: list[NDArray[np.uint8]], using: Weights, shots: list[int] | None = None
) -> VideoReport:
    """A report of one face, scored on its crops as they are stored, flagged from row 1 on."""
    rows, config = len(crops), using.config
    jpegs = tuple(stored(crop) for crop in crops)
    pictures = np.stack([opened(data) for data in jpegs])
    if config.crop_px != SIZE:
        pictures = np.stack([cv2.resize(p, (config.crop_px,) * 2) for p in pictures])
        jpegs = tuple(stored(crop) for crop in pictures)
        pictures = np.stack([opened(data) for data in jpegs])
    running = Engine(config, using.state)
    shot = np.array(shots or [0] * rows)
    parts = [running.run(pictures[shot == s]) for s in sorted(set(shot.tolist()))]
    output = type(parts[0]).joined(parts)
    # The square around the box is four times the crop.
    half = 2 * SIZE / (1 + 2 * config.crop_margin)
    box = np.tile(np.float32([400 - half, 400 - half, 400 + half, 400 + half]), (rows, 1))
    landmarks = np.tile(400 - 2 * SIZE + 4 * LANDMARKS, (rows, 1, 1)).astype(np.float32)
    track = FaceTrack(
        np.arange(rows),
        np.arange(rows) / 10.0,
        box,
        landmarks,
        np.ones(rows, np.float32),
        np.ones(rows, np.bool_),
        shot,
    )
    scores = TrackScores(output.logit, output.evidence, output.features, jpegs)
    lane = Lane("A", track, scores, float(output.logit.mean()), None)
    span = Segment("A", 0.1, (rows - 1) / 10.0, 1.0, None)
    return dataclasses.replace(
        REPORTS["untouched"](),
        weights=using.info,
        lanes=(lane,),
        segments=(span,),
        heat_scale=using.heat_scale,
    )


PLANTED = weights()
REPORT = report_of(
    [planted.face(), *[planted.patched(*MOUTH, seed=s, side=8) for s in (1, 2)]], PLANTED
)
LANE = REPORT.lanes[0]


def mouth_mask() -> NDArray[np.float32]:
    return regions.masks(LANDMARKS, SIZE)[regions.REGIONS.index("mouth")].astype(np.float32)


def same(a: Explanation, b: Explanation) -> bool:
    """Equal to the bit, arrays included."""
    plain = [dataclasses.replace(e, heatmap=None, neighbours=()) for e in (a, b)]  # type: ignore[arg-type]
    return plain[0] == plain[1] and bool(np.array_equal(a.heatmap.values, b.heatmap.values))


def test_a_frame_is_explained() -> None:
    found = Explainer(PLANTED).explain(REPORT, LANE, 1)
    assert (found.track_id, found.row, found.time_s) == ("A", 1, 0.1)
    assert found.logit == pytest.approx(LANE.scores.logit[1], abs=1e-5)
    assert found.heatmap.method == "Grad-CAM"
    assert found.heatmap.scale == REPORT.heat_scale
    np.testing.assert_array_equal(found.heatmap.values, LANE.scores.evidence[1])
    assert found.face_share is not None
    assert found.face_share > 0.7
    assert found.faithfulness is not None
    assert found.faithfulness.beats_chance
    assert found.neighbours == ()
    by_name = {one.name: one for one in found.regions}
    lowest = min(found.regions, key=lambda one: one.covered_logit)
    assert lowest.name == "mouth"
    assert lowest.covered_logit < 0.3 * found.logit
    assert by_name["hair"].covered_logit == pytest.approx(found.logit, abs=0.6)
    hot = max(found.regions, key=lambda one: (one.heat_share or 0.0) - one.area_share)
    assert hot.name == "mouth"
    assert sum(one.heat_share or 0.0 for one in found.regions) == pytest.approx(1.0)


def test_only_what_is_asked_for_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    logits = Engine.logits

    def counted(self: Engine, clips: NDArray[np.uint8]) -> NDArray[np.float64]:
        asked.append(len(clips))
        return logits(self, clips)

    monkeypatch.setattr(Engine, "logits", counted)
    explainer = Explainer(PLANTED)
    bare = explainer.explain(REPORT, LANE, 1, faithfulness=False, regions=False)
    assert (bare.faithfulness, bare.regions) == (None, ())
    explainer.explain(REPORT, LANE, 1, regions=False)
    explainer.explain(REPORT, LANE, 1)
    assert asked == [1, 1 + 12, 1 + 12 + len(regions.REGIONS)]


# The library hands tensors to numpy in a way that will end.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_the_exact_test_is_road(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = partial(faithfulness.road, percentiles=(80,))
    monkeypatch.setattr(explaining, "road", quick)
    found = Explainer(PLANTED).explain(REPORT, LANE, 1, regions=False, exact=True)
    assert found.faithfulness is not None
    assert found.faithfulness.how == faithfulness.EXACT
    assert found.faithfulness.tells
    assert found.faithfulness.beats_chance
    # Where filling from around is itself taken for a forgery, ROAD tells nothing.
    cell = Number(0.1, 0.0, 0.2, 20, 0.15)
    table = EvaluationTable(
        tables.FAITHFUL, "t", "n", ("map", tables.COVERS["inpaint"]), ((tables.TRUTH, cell),)
    )
    record = HeatmapRecord(
        "", "n", "grad_cam", {"grad_cam": 20.0}, 0.5, (0.4, 0.6), "mean", (table,)
    )
    doubted = Explainer(weights(heatmaps=record))
    assert doubted.explain(REPORT, LANE, 1, regions=False).faithfulness.tells  # type: ignore[union-attr]
    asked = doubted.explain(REPORT, LANE, 1, regions=False, exact=True)
    assert asked.faithfulness is not None
    assert not asked.faithfulness.tells
    assert not asked.loses_to_chance


def test_the_same_frame_gets_the_same_answer_in_any_thread() -> None:
    explainer = Explainer(PLANTED)
    rows = [1, 2, 1, 2, 0, 1]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda row: explainer.explain(REPORT, LANE, row), rows))
    assert all(same(a, Explainer(PLANTED).explain(REPORT, LANE, a.row)) for a in found[:2])
    assert same(found[0], found[2])
    assert same(found[1], found[3])


def test_a_frame_without_evidence() -> None:
    found = Explainer(PLANTED).explain(REPORT, LANE, 0)
    assert found.logit == pytest.approx(-1.0)
    assert found.face_share is None
    assert found.faithfulness is not None
    assert not found.faithfulness.beats_chance
    assert all(one.heat_share is None for one in found.regions)


# Noise lets colours show through, and colour is what the planted model looks for.
@pytest.mark.parametrize("how", [how for how in HOW if how != "noise"])
def test_covering_what_decides_changes_score_and_map(how: str) -> None:
    explainer = Explainer(PLANTED)
    done = explainer.cover(REPORT, LANE, 1, mouth_mask(), how)
    assert done.before == pytest.approx(LANE.scores.logit[1], abs=1e-5)
    assert done.after < 0.3 * done.before
    assert done.heatmap.values.max() < 0.4 * LANE.scores.evidence[1].max()
    assert done.heatmap.scale == REPORT.heat_scale
    crop = opened(LANE.scores.crops_jpeg[1])
    np.testing.assert_array_equal(done.crop[:20], crop[:20])
    assert np.abs(done.crop[42:50, 28:36].astype(int) - crop[42:50, 28:36]).mean() > 30
    nothing = explainer.cover(REPORT, LANE, 1, 0 * mouth_mask(), how)
    assert nothing.after == nothing.before
    elsewhere = explainer.cover(REPORT, LANE, 1, mouth_mask()[::-1], how)
    assert elsewhere.after > 0.9 * elsewhere.before


def test_methods_have_a_fixed_scale_or_are_not_offered() -> None:
    explainer = Explainer(PLANTED)
    assert explainer.default == "grad_cam"
    assert set(explainer.scales) == {"grad_cam", "hires_cam", "layer_cam", "shap"}
    found = explainer.explain(REPORT, LANE, 1, "layer_cam", regions=False)
    assert (found.heatmap.method, found.heatmap.scale) == ("LayerCAM", 20.0)
    assert found.faithfulness is not None
    assert found.faithfulness.beats_chance
    with pytest.raises(SettingError, match=r"method must be one of grad_cam, .* but got 'rise'"):
        explainer.explain(REPORT, LANE, 1, "rise")


def test_what_does_not_belong_is_refused() -> None:
    explainer = Explainer(PLANTED)
    with pytest.raises(SettingError, match=r"row must lie in 0\.\.2 for face A, but got 3"):
        explainer.explain(REPORT, LANE, 3)
    with pytest.raises(SettingError, match="report must be of the weights planted"):
        explainer.explain(REPORTS["untouched"](), LANE, 0)
    with pytest.raises(SettingError, match="mask must be 64 by 64"):
        explainer.cover(REPORT, LANE, 0, np.zeros((10, 10), np.float32))
    with pytest.raises(SettingError, match="how must be one of"):
        explainer.cover(REPORT, LANE, 0, mouth_mask(), "paint")


def test_regions_over_time() -> None:
    assert flagged_rows(REPORT, LANE) == [1, 2]
    (span,) = Explainer(PLANTED).spans(REPORT, LANE)
    assert (span.track_id, span.name, span.start_s, span.end_s) == ("A", "mouth", 0.1, 0.2)
    assert flagged_rows(dataclasses.replace(REPORT, segments=()), LANE) == []


def test_neighbours_come_from_the_weights_index() -> None:
    random = np.random.default_rng(0)
    index = NeighbourIndex(
        random.normal(size=(9, LANE.scores.features.shape[1])).astype(np.float16),
        np.arange(9, dtype=np.uint8) % 2,
        np.zeros((9, 48, 48, 3), np.uint8),
    )
    found = Explainer(weights(neighbours=index)).explain(REPORT, LANE, 1, regions=False)
    assert len(found.neighbours) == 6
    likeness = [one.likeness for one in found.neighbours]
    assert likeness == sorted(likeness, reverse=True)


def test_clips_are_those_that_were_scored() -> None:
    """One row after the other: the logit of its window is that of the report."""
    config = ModelConfig(
        "pooled", "mobilenetv3_small_100", 32, clip_frames=3, pooling="lstm", embed_dim=32
    )
    using = weights(config)
    crops = [planted.busy(seed) for seed in range(9)]
    report = report_of(crops, using, shots=[0] * 7 + [1] * 2)
    lane, explainer = report.lanes[0], Explainer(using)
    for row in range(9):
        found = explainer.explain(report, lane, row, faithfulness=False, regions=False)
        assert found.logit == pytest.approx(lane.scores.logit[row], abs=1e-5)
    whole = explainer.explain(report, lane, 5)
    assert len(whole.regions) == len(regions.REGIONS)
    done = explainer.cover(report, lane, 8, np.ones((32, 32), np.float32))
    assert done.after != done.before


def test_windows_stand_side_by_side_in_a_shot() -> None:
    shots = np.array([0, 0, 0, 0, 0, 1, 1])
    assert clip_rows(shots, 1, 3) == ([0, 1, 2], 1)
    assert clip_rows(shots, 3, 3) == ([2, 3, 4], 1)
    assert clip_rows(shots, 6, 3) == ([5, 6, 6], 1)
    assert clip_rows(shots, 4, 1) == ([4], 0)
