"""What speed costs: faces lost, boxes moved and scores changed against the slow path.

    python -m benchmarks.quality CLIP ...

The slow path runs MTCNN on each full frame alone, and the network as it was trained on one crop at
a time. Counted are faces of at least 60 px that it is sure of (0.99); the boxes of a tracked face
are those of the report.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import clips, pipeline, sides
from benchmarks.table import Row

__all__ = ["Agreement", "agreement", "rows"]

# As many as an analysis looks at if nothing else is asked for.
FRAMES = 32
LEAST_PX, SURE, SAME_FACE = 60.0, 0.99, 0.5
CLIPS = ("one face", "three faces", "720p")


class Agreement(NamedTuple):
    """`faces` of the slow path, of which `found` were tracked; `iou` of each pair of boxes;
    p_fake of the clip's mean logit: by the slow path, by its boxes, and by the fast one."""

    faces: int
    found: int
    iou: list[float]
    slow_p: float
    own_boxes_p: float
    fast_p: float


def agreement(path: str, frames: int = FRAMES) -> Agreement:
    """Compare both paths on frames spread over a clip."""
    import numpy as np
    import torch
    from facenet_pytorch import MTCNN

    from dfexplain import hub, video
    from dfexplain.engine import Engine
    from dfexplain.faces import FaceDetector, iou
    from dfexplain.structures import Sampling
    from dfexplain.tracks import Tracker, crop_face

    weights = hub.load(None)
    engine, tracker, slow = Engine(weights.config, weights.state), Tracker(FaceDetector()), MTCNN()
    slow.keep_all = True
    with video.sample(path, Sampling(frames=frames)) as stream:
        pictures = list(stream)
    for first in range(0, len(pictures), 8):
        tracker.update(pictures[first : first + 8])
    tracks = tracker.finish().tracks.values()
    margin, size = weights.config.crop_margin, weights.config.crop_px

    def one_at_a_time(crops: list[np.ndarray]) -> list[float]:
        with torch.inference_mode():
            batches = [engine.normalise(crop[None]).unsqueeze(1) for crop in crops]
            return [float(engine.model(batch)[0][0]) for batch in batches]

    faces, overlaps, slow_crops, fast_crops = 0, [], [], []
    for picture in pictures:
        boxes, sure = slow.detect(picture.rgb)
        if boxes is None:
            continue
        here = [t.box_xyxy[list(t.time_s).index(picture.time_s)]
                for t in tracks if picture.time_s in t.time_s]  # fmt: skip
        for box, p in zip(np.asarray(boxes, np.float32), sure, strict=True):
            if p < SURE or min(box[2:] - box[:2]) < LEAST_PX:
                continue
            faces += 1
            near = iou(box[None], np.stack(here))[0] if here else np.zeros(1)
            if near.max() >= SAME_FACE:
                overlaps.append(float(near.max()))
                slow_crops.append(crop_face(picture.rgb, box, margin, size))
                own = here[int(near.argmax())]
                fast_crops.append(crop_face(picture.rgb, own, margin, size))
    if not overlaps:
        return Agreement(faces, 0, [], 0.5, 0.5, 0.5)
    means = [
        np.mean(one_at_a_time(slow_crops)),
        np.mean(one_at_a_time(fast_crops)),
        np.mean(engine.run(np.stack(fast_crops)).logit),
    ]
    slow_p, own_p, fast_p = (float(1 / (1 + np.exp(-mean))) for mean in means)
    return Agreement(faces, len(overlaps), overlaps, slow_p, own_p, fast_p)


def rows(say: Callable[[str], None], frames: int) -> list[Row]:
    """Recall, overlap and score, over the made clips and, where DFEXPLAIN_DATA is, its clips."""
    paths = [str(clips.clip(name)) for name in CLIPS]
    if data := os.environ.get("DFEXPLAIN_DATA"):
        paths += [str(path) for path in sorted((Path(data) / "clips").glob("*.mp4"))[::3]]
    command = [sys.executable, "-m", "benchmarks.quality", str(frames), *paths]
    answer = subprocess.run(
        command, cwd=pipeline.ROOT, env=sides.calm(), check=True, capture_output=True, text=True
    )
    found = [Agreement(*json.loads(line)) for line in answer.stdout.splitlines()]
    for path, one in zip(paths, found, strict=True):
        middle = sorted(one.iou)[len(one.iou) // 2] if one.iou else 0.0
        say(f"  {Path(path).name}: {one.found} of {one.faces} faces, IoU {middle:.3f}, "
            f"p {one.slow_p:.4f} {one.own_boxes_p:.6f} {one.fast_p:.6f}")  # fmt: skip
    faces, kept = sum(one.faces for one in found), sum(one.found for one in found)
    overlaps = sorted(value for one in found for value in one.iou)
    arithmetic = max(abs(one.own_boxes_p - one.fast_p) for one in found)
    whole = max(abs(one.slow_p - one.fast_p) for one in found)
    full = "MTCNN on full frames"
    middle = overlaps[len(overlaps) // 2]
    return [
        Row("faces of 60 px and more found", full, 0.99, None, kept / faces, f"{kept} / {faces}"),
        Row("median IoU of their boxes", full, 0.9, None, middle, f"{len(overlaps)} boxes"),
        Row("score, same boxes", "unfolded, crop by crop", 1e-3, None, arithmetic, "p", True),
        Row("score, boxes too", "the slow path", None, None, whole, f"p, {len(found)} clips", True),
    ]


def main() -> int:
    for path in sys.argv[2:]:
        print(json.dumps(agreement(path, int(sys.argv[1]))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
