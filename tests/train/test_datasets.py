"""batches.py, datasets.py: samples are functions of their place, and a broken picture is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dfexplain.errors import DataError, OneClassFold, SettingError
from tests.train.crops import crops_data, draw, rows
from tests.train.faces import portraits
from train import config
from train.augment import geometry_and_colour
from train.batches import Batches, loader
from train.datasets import CropsData, CropsDataset, PortraitsData, positions

FRAMES: dict[str, dict[str, object]] = {
    "model": {"architecture": "simple_cnn", "crop_px": 32},
    "data": {"workers": 0, "batch_size": 4},
    "run": {"pretrained": False},
}
CLIPS = FRAMES | {"model": {"architecture": "simple_cnn", "crop_px": 32, "clip_frames": 3}}


def settings(base: dict[str, dict[str, object]] = FRAMES, **data: object) -> config.FitConfig:
    return config.from_dict({**base, "data": {**base["data"], **data}})


@pytest.mark.parametrize(
    ("count", "frames", "stride", "places"),
    [
        (9, 3, 0, [1, 4, 7]),
        (16, 16, 0, list(range(16))),
        (2, 4, 0, [0, 0, 1, 1]),
        (1, 3, 0, [0, 0, 0]),
        (9, 3, 2, [2, 4, 6]),
        (3, 4, 2, [0, 2, 2, 2]),
    ],
)
def test_clips_are_spread_or_consecutive_and_padded(
    count: int, frames: int, stride: int, places: list[int]
) -> None:
    assert positions(count, frames, stride).tolist() == places


@pytest.mark.parametrize("stride", [0, 1, 3])
def test_jitter_stays_in_the_track_and_in_order(stride: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [positions(20, 4, stride, rng) for _ in range(50)]
    assert all((np.diff(p) >= 0).all() and p[0] >= 0 and p[-1] < 20 for p in drawn)
    assert len({tuple(p) for p in drawn}) > 5


def test_a_sample_is_a_function_of_seed_epoch_and_index(tmp_path: Path) -> None:
    data = crops_data(tmp_path)
    wear = replace(settings(CLIPS), augmentation=config.Augmentation(wear=0.5, blur=0.5))
    one, again = (CropsDataset(data.train, tmp_path, wear, training=True) for _ in range(2))
    before = torch.random.get_rng_state()
    first = [one[i].clips for i in range(len(one))]
    for i in reversed(range(len(one))):
        assert torch.equal(again[i].clips, first[i])
    # The steps' own random numbers are left alone.
    assert torch.equal(before, torch.random.get_rng_state())
    assert first[0].shape == (1, 3, 3, 32, 32)
    assert first[0].dtype == torch.uint8
    one.set_epoch(1)
    assert not all(torch.equal(one[i].clips, clip) for i, clip in enumerate(first))


def test_validation_leaves_the_crops_as_they_are(tmp_path: Path) -> None:
    data = crops_data(tmp_path)
    plain = CropsDataset(data.val, tmp_path, settings(), training=False)
    assert len(plain) == len(data.val)
    want = cv2.resize(
        cv2.cvtColor(cv2.imread(str(tmp_path / data.val[0].file)), cv2.COLOR_BGR2RGB),
        (32, 32),
        interpolation=cv2.INTER_AREA,
    )
    np.testing.assert_array_equal(plain[0].clips[0, 0].numpy().transpose(1, 2, 0), want)
    clips = CropsDataset(data.val, tmp_path, settings(CLIPS), training=False)
    assert [r.video for r in clips.rows] == list({c.video.key: 1 for c in data.val})
    # A fake and the real video that it was made from are one cluster.
    assert len({r.source for r in clips.rows}) == 3


def test_all_frames_of_a_clip_change_alike() -> None:
    frame = torch.randint(0, 255, (3, 24, 24), dtype=torch.uint8)
    change = geometry_and_colour(config.Augmentation(blur=0.5))
    different = 0
    for seed in range(20):
        torch.manual_seed(seed)
        clip = change(frame.repeat(4, 1, 1, 1))
        assert all(torch.equal(clip[0], other) for other in clip)
        different += not torch.equal(clip[0], frame)
    assert different > 15
    none = config.Augmentation(flip=0, rotation_deg=0, jitter=0)
    assert torch.equal(geometry_and_colour(none)(frame[None]), frame[None])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_an_error_that_names_it(tmp_path: Path, workers: int) -> None:
    data = crops_data(tmp_path, train=1, val=1, frames=2)
    broken = data.train[2].file
    (tmp_path / broken).write_bytes(b"no picture")
    samples = data.training(settings())
    batches = Batches(samples, 4, "shuffled", 0)
    with pytest.raises(DataError, match=f"readable pictures, but got '.*{broken}'") as caught:
        list(loader(samples, batches, workers))
    assert "Traceback" not in str(caught.value)


def test_tables_that_cannot_be_trained_on_are_refused(tmp_path: Path) -> None:
    table = rows(range(2), labels=(1,))
    draw(tmp_path, table)
    with pytest.raises(OneClassFold, match="val must hold real and fake videos, but got 0 real"):
        CropsData(table, table, tmp_path).validation(settings())
    unlabelled = [replace(r, video=replace(r.video, label=None)) for r in table]
    with pytest.raises(DataError, match=r"must have a label, but made:fake/0\.mp4 has none"):
        CropsData(unlabelled, unlabelled, tmp_path).training(settings())


def test_fewer_videos_and_fewer_frames(tmp_path: Path) -> None:
    data = crops_data(tmp_path, train=6)
    few = data.training(settings(max_videos_per_class=2, frames_per_track=3))
    videos = {r.video: r.label for r in few.rows}
    assert sorted(videos.values()) == [0, 0, 1, 1]
    assert len(few) == 4 * 3
    # Validation is on all videos, or runs could not be compared.
    assert len({r.video for r in data.validation(settings(max_videos_per_class=1)).rows}) == 6


def test_batches_are_new_each_epoch_and_hold_each_sample_once(tmp_path: Path) -> None:
    samples = crops_data(tmp_path).training(settings())
    batches = Batches(samples, 4, "shuffled", 7)
    first = list(batches)
    assert len(first) == len(batches) == len(samples) // 4
    assert len({i for batch in first for i in batch}) == 4 * len(first)
    batches.start = 3
    assert list(batches) == first[3:]
    batches.epoch, batches.start = 1, 0
    assert list(batches) != first


def test_processes_share_a_batch(tmp_path: Path) -> None:
    samples = crops_data(tmp_path).training(settings())
    whole = list(Batches(samples, 8, "shuffled", 7))
    halves = [list(Batches(samples, 8, "shuffled", 7, rank=r, world=2)) for r in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
    with pytest.raises(SettingError, match=r"batch_size must be a multiple of 3 .*, but got 8"):
        Batches(samples, 8, "shuffled", 7, world=3)


def test_balanced_batches_hold_as_many_real_as_fake(tmp_path: Path) -> None:
    table = [*rows(range(2)), *rows(range(2, 8), labels=(1,))]
    draw(tmp_path, table)
    samples = CropsData(table, table, tmp_path).training(settings())
    for batch in Batches(samples, 8, "balanced", 0):
        assert sum(samples.rows[i].label for i in batch) == 4


def test_paired_batches_put_a_fake_beside_a_real_of_its_source(tmp_path: Path) -> None:
    table = [*rows(range(3)), *rows(range(3, 5), labels=(1,)), *rows(range(5, 7), labels=(0,))]
    draw(tmp_path, table)
    samples = CropsData(table, table, tmp_path).training(settings())
    batches = Batches(samples, 4, "paired", 0)
    assert len(batches) == 2 * 3 * 4 // 4
    for batch in batches:
        for real, fake in zip(batch[::2], batch[1::2], strict=True):
            assert (samples.rows[real].label, samples.rows[fake].label) == (0, 1)
            assert samples.rows[real].source == samples.rows[fake].source
    alone = [*rows(range(2), labels=(1,)), *rows(range(2, 4), labels=(0,))]
    with pytest.raises(DataError, match="paired sampling must find fakes with a real video"):
        Batches(CropsData(alone, alone, tmp_path).training(settings()), 4, "paired", 0)


def test_portraits_give_pairs_with_masks_and_a_validation_that_never_changes() -> None:
    people = list(portraits())
    small = replace(settings(), model=replace(settings().model, crop_px=64))
    data = PortraitsData(people, people)
    training, validation = data.training(small), data.validation(small)
    assert (len(training), len(validation)) == (3, 9)
    sample = training[0]
    assert sample.clips.shape == (2, 1, 3, 64, 64)
    assert sample.cells.shape == (2, 2, 2)
    assert float(sample.cells[0].max()) == 0.0
    before = validation[4].clips
    assert not torch.equal(before, validation[7].clips)
    assert torch.equal(before, validation[4].clips)
    (batch,) = loader(training, [[0, 2]], 0)
    assert batch.labels.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert batch.rows.tolist() == [0, 1, 4, 5]
