"""leaks.py: every leak is found once, with both records named; near copies by their frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dfexplain.errors import DataError, IdentityLeak, OneClassFold, SourceLeak
from tests.train.faces import portraits
from train import leaks
from train.records import CropRow, VideoRecord

REAL = [VideoRecord(f"r{k}", 0, "d", (f"p{k}",), f"d:r{k}") for k in range(4)]
FAKE = [VideoRecord(f"f{k}", 1, "d", (f"p{k}",), f"d:r{k}") for k in range(4)]
CLEAN = {"train": [*REAL[:2], *FAKE[:2]], "val": [REAL[2], FAKE[2]], "test": [REAL[3], FAKE[3]]}


def test_clean_splits_pass() -> None:
    assert leaks.audit(CLEAN) == []
    leaks.check(CLEAN)


def test_a_person_in_two_splits() -> None:
    other = VideoRecord("x", 1, "d", ("p9", "p0"))
    splits = CLEAN | {"test": [*CLEAN["test"], other]}
    (finding,) = leaks.audit(splits)
    assert (finding.code, finding.first, finding.second) == ("DFX001", FAKE[0], other)
    with pytest.raises(IdentityLeak, match=r"person p0 .* d:f0 is in train and d:x in test"):
        leaks.check(splits)


@pytest.mark.parametrize(
    "other",
    [
        VideoRecord("x", 1, "d", (), "d:r0"),  # made from a training video
        VideoRecord("r0", 0, "d"),  # that very video
    ],
)
def test_a_source_in_two_splits(other: VideoRecord) -> None:
    splits = CLEAN | {"test": [*CLEAN["test"], other]}
    assert {f.code for f in leaks.audit(splits)} == {"DFX002"}
    with pytest.raises(SourceLeak, match=r"source d:r0") as refused:
        leaks.check(splits)
    assert refused.value.code == "DFX002"


def test_one_class_and_empty_folds() -> None:
    with pytest.raises(OneClassFold, match="val must hold real and fake videos, but holds 1 real"):
        leaks.check(CLEAN | {"val": [REAL[2]]})
    with pytest.raises(OneClassFold, match="holds 0 real, 0 fake"):
        leaks.check(CLEAN | {"val": []})


def test_a_published_leak_passes_only_where_it_is_allowed() -> None:
    train = VideoRecord("a", 0, "d", ("p",), split="train")
    tested = VideoRecord("b", 1, "d", ("p",), split="test")
    moved = VideoRecord("c", 1, "d", ("p",), split="train")
    splits = {"train": [train, FAKE[0]], "test": [REAL[1], tested]}
    assert [f.official for f in leaks.audit(splits)] == [True]
    leaks.check(splits, allow_official=True)
    with pytest.raises(IdentityLeak, match="published split leaks"):
        leaks.check(splits)
    # Put elsewhere than published: nobody's fault but ours.
    with pytest.raises(IdentityLeak, match="Split again"):
        leaks.check({"train": [train, FAKE[0]], "test": [REAL[1], moved]}, allow_official=True)


def faces() -> list[np.ndarray]:
    return [cv2.resize(p.rgb, (160, 196), interpolation=cv2.INTER_AREA) for p in portraits()]


def crops_of(
    root: Path, videos: dict[str, list[tuple[VideoRecord, np.ndarray]]]
) -> dict[str, list[CropRow]]:
    out: dict[str, list[CropRow]] = {}
    for name, pairs in videos.items():
        out[name] = []
        for video, rgb in pairs:
            assert cv2.imwrite(str(root / f"{video.path}.jpg"), rgb[..., ::-1])
            out[name].append(CropRow(video, f"{video.path}.jpg"))
    return out


def test_near_copies_are_found_by_their_frames_and_other_people_are_not(tmp_path: Path) -> None:
    a, b, c = faces()
    small = cv2.resize(a, (112, 137), interpolation=cv2.INTER_AREA)
    copy = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1)
    train = [(VideoRecord("a", 0, "d"), a), (VideoRecord("b", 1, "d"), b)]
    test = [(VideoRecord("c", 0, "d"), c), (VideoRecord("e", 1, "d"), a[:, ::-1].copy())]
    clean = crops_of(tmp_path, {"train": train, "test": test})
    leaks.check(clean, tmp_path)
    leaking = crops_of(
        tmp_path, {"train": train, "test": [*test, (VideoRecord("x", 1, "d"), copy)]}
    )
    leaks.check(leaking)  # nothing is recorded of it
    with pytest.raises(SourceLeak, match=r"frames that differ in \d+ of 255.*d:a.*d:x"):
        leaks.check(leaking, tmp_path)


def test_distances_are_those_of_a_plain_comparison() -> None:
    rng = np.random.default_rng(0)
    videos = [VideoRecord(f"{k}", 0, "d") for k in range(40)]
    hashes = {v.key: rng.random((3, 255)) < 0.5 for v in videos}
    hashes[videos[30].key][1] = hashes[videos[3].key][2]
    hashes[videos[30].key][1, :24] ^= True
    hashes[videos[31].key][0] = hashes[videos[4].key][0]
    hashes[videos[31].key][0, :25] ^= True
    found = leaks.audit({"train": videos[:20], "val": videos[20:]}, hashes)
    near = [f for f in found if f.code == "DFX002"]
    assert [(f.first, f.second) for f in near] == [(videos[3], videos[30])]
    assert "24 of 255 bits" in near[0].message


def test_flat_and_lost_pictures(tmp_path: Path) -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert leaks.frame_hash(flat) is None
    pairs = {
        "train": [(VideoRecord("a", 0, "d"), flat)],
        "test": [(VideoRecord("b", 0, "d"), flat)],
    }
    crops = crops_of(tmp_path, pairs)
    rows = [row for found in crops.values() for row in found]
    assert [h.shape for h in leaks.crop_hashes(rows, tmp_path).values()] == [(0, 255)] * 2
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"'a\.jpg' is none"):
        leaks.crop_hashes(rows, tmp_path)
