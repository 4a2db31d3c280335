"""The naive reference stays what it was, and sees the faces that the fast path sees."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import explanations, naive, pipeline, store
from dfexplain import hub, video
from dfexplain.faces import FaceDetector, iou
from dfexplain.structures import Frame, Sampling
from dfexplain.tracks import Tracker
from tests import small_weights

# A ratio in docs/ or a commit message was measured against exactly this file.
NAIVE_SHA256 = "4bd11252f5c9885cf45605942e6d56fec9edb6edbd3389e0a735ce883b934049"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 960, 540, 1.0)


def test_the_reference_is_unchanged() -> None:
    source = Path(naive.__file__).read_bytes().replace(b"\r\n", b"\n")
    assert hashlib.sha256(source).hexdigest() == NAIVE_SHA256


def test_the_weights_of_the_reference_are_unchanged() -> None:
    torch.manual_seed(7)  # what came before must not matter
    model = naive.build_b0()
    parameters = dict(model.named_parameters())
    assert sum(p.numel() for p in parameters.values()) == 4_008_829
    sums = {
        name: float(parameters[name].detach().double().abs().sum())
        for name in ("conv_stem.weight", "blocks.3.1.conv_pw.weight", "conv_head.weight")
    }
    assert sums == pytest.approx(
        {
            "conv_stem.weight": 57.75123076,
            "blocks.3.1.conv_pw.weight": 1977.06943215,
            "conv_head.weight": 12922.01986389,
        },
        rel=1e-6,
    )
    ramp = torch.linspace(-1, 1, 2 * 3 * 64 * 64).view(2, 3, 64, 64)
    with torch.no_grad():
        logits = model(ramp).flatten().tolist()
    assert logits == pytest.approx([-1.3096e-06, -3.6549e-05], abs=1e-8)


def test_the_reference_runs_and_agrees_with_the_fast_path(clip: Path) -> None:
    found = naive.NaiveDetector().analyze(clip, 5)
    pictures = dict(naive.read_frames(clip, 5))
    assert [face.frame for face in found] == list(pictures) == [2, 7, 12, 17, 22]
    for face in found:
        assert 0.0 < face.score < 1.0
        assert face.crop_overlay.shape == (naive.CROP_PX, naive.CROP_PX, 3)
        picture = pictures[face.frame]
        assert face.frame_overlay.shape == picture.shape
        changed = np.any(face.frame_overlay != picture, axis=2)
        assert 0.02 < changed.mean() < 0.6
    tracker = Tracker(FaceDetector())
    tracker.update([Frame(i, i / pipeline.FPS, rgb) for i, rgb in pictures.items()])
    (track,) = tracker.finish().tracks.values()
    assert list(track.frame_index) == list(pictures)
    assert not track.detected.all()
    truth = np.stack([face.box_xyxy for face in found])
    assert np.diagonal(iou(truth, track.box_xyxy)).min() > 0.8


def test_the_clip_is_what_the_benchmark_says(clip: Path) -> None:
    info = video.probe(clip)
    assert (info.codec, info.width_px, info.height_px) == ("h264", 960, 540)
    assert info.fps == pytest.approx(pipeline.FPS)
    with video.sample(clip, Sampling(frames=4)) as stream:
        first, *_, last = stream
    assert np.abs(first.rgb.astype(int) - last.rgb).mean() > 2, "nothing moves"


def test_the_naive_side_counts_its_work(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FRAMES", 2)
    row = pipeline.measure("naive", clip, None)
    assert row["faces"] == 2
    assert 0 < row["cpu_s"] <= row["process_s"]
    assert row["wall_s"] > 0


def test_the_fast_side_does_the_same_work(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    hub.save(
        folder,
        config=small_weights.CONFIG,
        state=small_weights.state(),
        heat_scale=1.0,
        card="random numbers",
    )
    monkeypatch.setattr(pipeline, "FRAMES", 8)
    assert pipeline.measure("dfexplain", clip, str(folder))["faces"] == 8


def test_drawing_costs_little_beside_scoring() -> None:
    """A loaded machine may take its time, but the ratio is within one run."""
    found = explanations.measure(hub.load(None), rounds=3)
    assert 0 < found["score"] < found["faithfulness"]
    assert found["overlays"] <= 1.5 * explanations.OVERLAYS_WANTED * found["score"]
    assert found["opened"] > 0


def test_the_benchmark_of_the_store_counts_its_jobs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    found = store.measure(url, jobs=20, workers=1, rows=30)
    assert min(found.submitted, found.done, found.cpu_ms) > 0
