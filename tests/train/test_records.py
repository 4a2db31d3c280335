"""records.py: tables that read back as they were written, and mistakes that are named."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dfexplain.errors import DataError
from train.records import CropRow, VideoRecord, read_crops, read_videos, write_crops, write_videos

VIDEOS = [
    VideoRecord("a/1.mp4", 0, "dfdc", ("p1",), "dfdc:a/1.mp4", split="train"),
    VideoRecord("b/1.mp4", 1, "dfdc", ("p1", "p2"), "dfdc:a/1.mp4", "swap", "c23"),
    VideoRecord("c, odd.mp4", None, "dfdc"),
]


def test_a_videos_table_reads_back(tmp_path: Path) -> None:
    write_videos(tmp_path / "new" / "videos.csv", VIDEOS)
    assert read_videos(tmp_path / "new" / "videos.csv") == VIDEOS
    assert len({v.key for v in VIDEOS}) == 3


def test_a_crops_table_reads_back_and_shares_its_records(tmp_path: Path) -> None:
    crops = [
        CropRow(VIDEOS[0], "a/1.mp4/A_000012.png", "A", 12, 0.4, 133.5),
        CropRow(VIDEOS[0], "a/1.mp4/A_000024.png", "A", 24, 0.8, 131.0),
        CropRow(VIDEOS[1], "frame_3.jpg"),
    ]
    write_crops(tmp_path / "crops.csv", crops)
    back = read_crops(tmp_path / "crops.csv")
    assert back[:2] == crops[:2]
    assert back[0].video is back[1].video
    assert (back[2].frame_index, math.isnan(back[2].time_s)) == (-1, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nx.mp4,1\n", "lacks dataset"),
        ("path,label,dataset,identities,source_id,method,compression,split\nx,2,d,,,,,\n", "0, 1"),
        ("path,label,dataset,identities,source_id,method,compression,split\nx,1,d,,,,,dev\n", "de"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_videos(tmp_path / "v.csv")
    with pytest.raises(DataError, match="must be a file"):
        read_videos(tmp_path / "none.csv")
