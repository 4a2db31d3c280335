"""What is seen of a video: the file, its sampled frames, the faces followed through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures.rows import check_rows

__all__ = ["SUFFIXES", "FaceTrack", "Frame", "Picture", "Preview", "Sampling", "VideoInfo"]

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".flv", ".asf", ".wmv"),
    *(".ts", ".m2ts", ".mpg", ".mpeg", ".ogg", ".ogv", ".gif"),
    *(".jpg", ".jpeg", ".png", ".webp"),
)
"""What the names of videos and pictures end in, where a name decides what is offered."""


@dataclass(frozen=True)
class VideoInfo:
    """What the container says, as far as it was found to be true.

    `width_px` and `height_px` are those of the displayed frame (after rotation). `fps` is the mean
    frame rate over the file's own timestamps, None where fewer than two are known. `duration_s` is
    the time from the first frame to the end of the last; None where unknown. `kind` is "video", or
    "image" for a single picture, which has one frame, at 0 s, and neither rate nor duration.
    """

    file: str
    sha256: str
    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width_px: int
    height_px: int
    rotation_deg: int
    fps: float | None
    duration_s: float | None
    frame_count: int | None
    kind: str = "video"


@dataclass(frozen=True)
class Frame:
    """One decoded picture. `index` is its position in presentation order, None if not counted."""

    index: int | None
    time_s: float
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Sampling:
    """Which frames are wanted: `frames` spread over the file, `fps` a second, or every `every`-th.

    Exactly one of the three is set. `max_frames` bounds the work whatever the file.
    """

    frames: int | None = 32
    fps: float | None = None
    every: int | None = None
    max_frames: int = 3000

    def __post_init__(self) -> None:
        chosen = [v for v in (self.frames, self.fps, self.every) if v is not None]
        if len(chosen) != 1 or not 0 < chosen[0] < float("inf"):
            raise ValueError(
                "Sampling must set one positive value of frames, fps or every, but got "
                f"frames={self.frames}, fps={self.fps}, every={self.every}."
            )


@dataclass(frozen=True)
class FaceTrack:
    """One face followed through consecutive sampled frames, N rows, time strictly rising.

    `frame_index` is -1 where the position was not counted. `detected` is False where the box was
    followed from its neighbours instead of found by a full detection. `shot` numbers the shot.
    """

    frame_index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    detected: NDArray[np.bool_]
    shot: NDArray[np.int64]

    def __post_init__(self) -> None:
        rows = len(self.time_s)
        check_rows(
            "FaceTrack",
            rows,
            frame_index=self.frame_index,
            box_xyxy=self.box_xyxy,
            landmarks_xy=self.landmarks_xy,
            confidence=self.confidence,
            detected=self.detected,
            shot=self.shot,
        )
        if self.box_xyxy.shape != (rows, 4) or self.landmarks_xy.shape != (rows, 5, 2):
            raise ValueError(
                "FaceTrack must hold boxes (N, 4) and landmarks (N, 5, 2), but got "
                f"{self.box_xyxy.shape} and {self.landmarks_xy.shape}."
            )
        if rows > 1 and not bool(np.all(np.diff(self.time_s) > 0)):
            raise ValueError("FaceTrack.time_s must rise strictly.")

    def __len__(self) -> int:
        return len(self.time_s)


class Picture(Protocol):
    """A picture for display, however it is kept."""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels (H, W, 3)."""


@dataclass(frozen=True)
class Preview:
    """A sampled frame for display, scaled by `scale`."""

    frame_index: int | None
    time_s: float
    picture: Picture
    scale: float
