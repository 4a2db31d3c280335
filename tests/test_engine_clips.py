"""Models of clips in the engine, the golden file and the detector: windows of one track."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.engine import Engine, EngineOutput, TrackWindows
from dfexplain.models import ModelConfig, build
from dfexplain.structures import Progress, Sampling, VideoReport

LSTM = ModelConfig("pooled", "mobilenetv3_small_100", 32, clip_frames=4, pooling="lstm")
LSTM = replace(LSTM, embed_dim=32)
CNN = ModelConfig("simple_cnn", crop_px=32, clip_frames=6)
EXAMPLE = Path(__file__).parent.parent / "examples" / "two_people.mp4"


def crops(rows: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (rows, size, size, 3), dtype=np.uint8)


@cache
def state_of(config: ModelConfig) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build(config).state_dict()


def engine(config: ModelConfig = LSTM) -> Engine:
    return Engine(config, state_of(config))


def by_hand(config: ModelConfig, pictures: NDArray[np.uint8]) -> list[float]:
    """The rule, written down again: frame logits of one window."""
    model = build(config).eval()
    model.load_state_dict(state_of(config))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (config.mean, config.std))
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
    with torch.no_grad():
        return [float(v) for v in model(((frames - mean) / std)[None])[1][0]]


def test_windows_stand_side_by_side_and_the_last_one_ends_with_the_track() -> None:
    pictures = crops(10)
    wanted = [
        *by_hand(LSTM, pictures[0:4]),
        *by_hand(LSTM, pictures[4:8]),
        *by_hand(LSTM, pictures[6:10])[2:],
    ]
    output = engine().run(pictures)
    np.testing.assert_allclose(output.logit, wanted, atol=1e-6)
    assert len(output.evidence) == len(output.features) == 10


def test_a_short_track_is_filled_up_with_its_last_crop() -> None:
    pictures = crops(3)
    output = engine().run(pictures)
    filled = np.concatenate([pictures, pictures[-1:]])
    np.testing.assert_allclose(output.logit, by_hand(LSTM, filled)[:3], atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 4, 5])
def test_every_crop_has_one_row(rows: int) -> None:
    output = engine().run(crops(rows))
    assert [len(column) for column in output[:3]] == [rows] * 3
    assert output.mask is None
    assert output.features.shape[1] == 32


def test_a_track_crop_by_crop_keeps_one_window_and_scores_the_same() -> None:
    pictures, running = crops(11), engine()
    windows = TrackWindows(running)
    parts: list[EngineOutput] = []
    for picture in pictures:
        if (part := windows.add(picture)) is not None:
            parts.append(part)
        assert len(windows._crops) <= LSTM.clip_frames
        assert windows.waiting < LSTM.clip_frames
    assert windows.waiting == 3
    rest = windows.finish()
    assert rest is not None
    assert windows.finish() is None
    got, whole = EngineOutput.joined([*parts, rest]), running.run(pictures)
    for one, other in zip(got[:3], whole[:3], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig("s3d", crop_px=32, clip_frames=8),
        ModelConfig("swin3d_t", crop_px=32, clip_frames=2),
        ModelConfig("pooled", "swin_tiny_patch4_window7_224", 32, clip_frames=2, embed_dim=16),
    ],
    ids=["s3d", "swin3d_t", "swin"],
)
def test_networks_over_time_and_those_with_computed_tables_run(config: ModelConfig) -> None:
    rows = config.clip_frames + 1
    output = engine(config).run(crops(rows))
    assert np.isfinite(output.logit).all()
    assert output.evidence.shape[0] == rows
    if config.architecture == "s3d":
        assert len(set(output.logit[:-1].tolist())) == 1


def test_a_saved_model_of_clips_answers_its_golden_crops(tmp_path: Path) -> None:
    saved = hub.save(
        tmp_path / "lstm", config=LSTM, state=state_of(LSTM), heat_scale=1.0, card="made up"
    )
    assert saved.config == LSTM
    assert saved.info.architecture == "mobilenetv3_small_100 (pooled, lstm)"
    assert hub.verify(saved) == []
    assert saved.golden is not None
    assert len({round(logit, 7) for logit in saved.golden.logits}) == len(saved.golden.logits)
    key = "pooling.lstm.weight_hh_l0"
    changed = replace(saved, state={**saved.state, key: saved.state[key] * -1.0})
    assert hub.verify(changed)


def analysed(folder: Path, config: ModelConfig) -> tuple[list[Progress], VideoReport]:
    weights = hub.save(folder, config=config, state=state_of(CNN), heat_scale=1.0, card="made up")
    *progress, report = Detector(weights).analyze(EXAMPLE, Sampling(frames=20))
    assert isinstance(report, VideoReport)
    return [p for p in progress if isinstance(p, Progress)], report


def test_the_detector_gives_every_face_of_every_person_its_own_row(tmp_path: Path) -> None:
    """A model whose frames do not see each other scores them alike, alone or in windows."""
    seen, in_windows = analysed(tmp_path / "windows", CNN)
    _, alone = analysed(tmp_path / "alone", replace(CNN, clip_frames=1))
    assert len(in_windows.lanes) == len(alone.lanes) == 2
    for one, other in zip(in_windows.lanes, alone.lanes, strict=True):
        assert len(one) == 20
        np.testing.assert_array_equal(one.track.time_s, other.track.time_s)
        np.testing.assert_allclose(one.scores.logit, other.scores.logit, atol=1e-5)
        np.testing.assert_allclose(one.scores.evidence, other.scores.evidence, atol=1e-4)
        assert one.scores.crops_jpeg == other.scores.crops_jpeg
    growing = [p for p in seen if p.stage == "read" and p.lanes]
    assert all(len(times) == len(logits) for p in growing for _, times, logits in p.lanes)
    # 20 rows in windows of 6: 18 while reading, the last two once the track is known to be over.
    assert {len(logits) for _, _, logits in growing[-1].lanes} == {18}
    assert [p.done for p in seen if p.stage == "score"][:2] == [0, 1]
