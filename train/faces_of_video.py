"""The faces of one video as crops: sampled, tracked and cut as the app does it."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import lanes, video
from dfexplain.errors import DataError, InputError
from dfexplain.face_shape import MEAN_POINTS, similarity
from dfexplain.faces import FaceDetector
from dfexplain.structures import Frame, Sampling, VideoInfo
from dfexplain.tracks import TrackedFace, Tracker, crop_face

__all__ = ["CHUNK", "INFO_COLUMNS", "NO_FACE", "Cut", "align_face", "cut_video"]

CHUNK = 8
"""Frames handled at once; the tracker's answer depends on it, so it is the detector's number."""

INFO_COLUMNS = (
    *("container", "codec", "pixel_format", "width_px", "height_px", "fps", "duration_s"),
    *("frame_count", "size_bytes", "frames_wanted", "frames_read", "frames_with_face", "notes"),
)
NO_FACE = "no-face"
JPEG_QUALITY = 95

# How long MTCNN's boxes are, in distances between the eyes, and how far below these their middle
# lies: medians over 200 portraits.
BOX_EYES = 2.95
BOX_MIDDLE_EYES = 0.3


@dataclass(frozen=True)
class Cut:
    """How the faces of a video are cut; see train.extract.ExtractSettings."""

    sampling: Sampling
    crop_px: int
    margin: float
    align: bool
    suffix: str


def align_face(
    rgb: NDArray[np.uint8], landmarks_xy: NDArray[np.float32], margin: float, size_px: int
) -> NDArray[np.uint8]:
    """The face (S, S, 3) with its eyes level and of one size, by its five landmarks (5, 2) px.

    A least-squares similarity onto the mean face (train.sbi), so that its box is as large in the
    crop as crop_face would make it. Where the crop leaves the frame the border is replicated.
    """
    unit = size_px / (BOX_EYES * (1.0 + 2.0 * margin))
    middle = np.array([0.0, BOX_MIDDLE_EYES], np.float32)
    place = (MEAN_POINTS - middle) * np.float32(unit) + np.float32(size_px / 2.0)
    matrix = similarity(landmarks_xy, place)
    # Shrink by areas first, so that no detail folds into noise.
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1.0:
        size = (max(2, round(rgb.shape[1] * scale)), max(2, round(rgb.shape[0] * scale)))
        ratio = np.array(size, np.float32) / rgb.shape[1::-1]
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = similarity(np.asarray(landmarks_xy * ratio, np.float32), place)
    return np.asarray(
        cv2.warpAffine(
            rgb,
            matrix,
            (size_px, size_px),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _info(info: VideoInfo, stream: video.FrameStream, with_face: int) -> dict[str, object]:
    return {
        "container": info.container,
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "width_px": info.width_px,
        "height_px": info.height_px,
        "fps": info.fps,
        "duration_s": info.duration_s,
        "frame_count": info.frame_count,
        "size_bytes": info.size_bytes,
        "frames_wanted": stream.wanted,
        "frames_read": stream.decoded,
        "frames_with_face": with_face,
        "notes": "; ".join(stream.notes),
    }


def cut_video(path: Path, folder: Path, cut: Cut, detector: FaceDetector) -> dict[str, Any]:
    """Write the crops of a video's tracks into `folder`, new, and say what they are.

    The result is plain data: `rows` of (file name, track, frame index, time_s, face_px), ordered by
    track and frame; `info` by INFO_COLUMNS or None; `reason` (code, line) where there is no row.
    Only faces of tracks with support count, as in the app (B9). Raises no InputError.
    """
    folder.mkdir(parents=True)
    tracker = Tracker(detector)
    try:
        with video.sample(path, cut.sampling) as stream:
            frames = iter(stream)
            while chunk := list(itertools.islice(frames, CHUNK)):
                for face in tracker.update(chunk):
                    _write(folder, face, chunk[face.position], cut)
            info, read = stream.info, stream.decoded
            tracks = tracker.finish()
            about = _info(info, stream, tracks.frames_with_face)
    except InputError as error:
        shutil.rmtree(folder)
        return {"rows": [], "info": None, "reason": (error.code, str(error))}
    rows: list[tuple[str, str, int, float, float]] = []
    for name, (key, track) in zip(lanes.names(), tracks.tracks.items(), strict=False):
        for row, (index, time_s, box) in enumerate(
            zip(track.frame_index, track.time_s, track.box_xyxy, strict=True)
        ):
            shown = f"{name}_{row:06d}.{cut.suffix}"
            (folder / _unnamed(key, row, cut)).rename(folder / shown)
            side = float(max(box[2] - box[0], box[3] - box[1]))
            rows.append((shown, name, int(index), round(float(time_s), 6), round(side, 2)))
    for unsupported in folder.glob("*-*"):
        unsupported.unlink()
    reason = ("", "")
    if not rows:
        reason = (NO_FACE, f"no face was found in {read} frames that would carry a track")
    return {"rows": rows, "info": about, "reason": reason}


def _unnamed(key: int, row: int, cut: Cut) -> str:
    """What a crop is called until it is known which tracks count."""
    return f"{key}-{row}.{cut.suffix}"


def _write(folder: Path, face: TrackedFace, frame: Frame, cut: Cut) -> None:
    if cut.align:
        crop = align_face(frame.rgb, face.landmarks_xy, cut.margin, cut.crop_px)
    else:
        crop = crop_face(frame.rgb, face.box_xyxy, cut.margin, cut.crop_px)
    target = folder / _unnamed(face.track_key, face.row, cut)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if cut.suffix == "jpg" else []
    if not cv2.imwrite(str(target), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), quality):
        raise DataError(f"crops must be writable, but '{target}' is not. Check the disk.")
