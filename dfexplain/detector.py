"""Detector: a video goes in, signs of life come out, and at the end a VideoReport."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import aggregate, calibration, jpegs, lanes, video
from dfexplain.ahead import ahead
from dfexplain.engine import Engine, EngineOutput, TrackWindows
from dfexplain.faces import FaceDetector
from dfexplain.finders import Finder, finder_for
from dfexplain.hub import Weights
from dfexplain.structures import (
    EVIDENCE,
    MASK,
    Calibration,
    Coverage,
    FaceTrack,
    Frame,
    Lane,
    Picture,
    Preview,
    Progress,
    Sampling,
    TrackScores,
    VideoReport,
)
from dfexplain.tracks import TrackedFace, crop_face

__all__ = ["NOT_CHECKED", "Detector"]

# Frames handled at once: as many faces as the engine scores in one batch, for one person.
CHUNK = 8
# Chunks without a face after which its track is over: the tracker gives up within two.
OVER = 3
PREVIEW_PX = 640
PIXEL_BYTES = 24 << 20  # 36 previews of 640 x 360 px
NOT_CHECKED = (
    "sound and voices",
    "whether lips match the words",
    "wholly synthetic pictures or people",
    "edits outside faces",
    "where the file comes from",
)
# Of a picture the first two make no sense.
NOT_CHECKED_IMAGE = NOT_CHECKED[2:]


def _preview(frame: Frame, before: int, pixel_bytes: int) -> Preview:
    """The preview of a frame with so many `before` it, as pixels if all are so small together."""
    scale = min(1.0, PREVIEW_PX / max(frame.rgb.shape[:2]))
    rgb = frame.rgb
    if scale < 1.0:
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        how = cv2.INTER_AREA
        if scale <= 0.5 and not any(side % 2 for side in rgb.shape[:2]):
            # Halving is vectorised, other areas are not: a third of the time in two steps.
            half = (rgb.shape[1] // 2, rgb.shape[0] // 2)
            rgb = np.asarray(cv2.resize(rgb, half, interpolation=cv2.INTER_AREA), np.uint8)
            how = cv2.INTER_LINEAR if scale > 0.25 else cv2.INTER_AREA
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)
    picture: Picture = jpegs.Pixels(rgb)
    if (before + 1) * rgb.nbytes > pixel_bytes:
        picture = jpegs.Jpeg(jpegs.encoded(rgb, jpegs.PREVIEW))
    return Preview(frame.index, frame.time_s, picture, scale)


def _chunks(events: Iterator[Frame | None]) -> Iterator[list[Frame] | None]:
    """CHUNK frames at a time, and None for each sign of life while none is ready.

    Signs of life come as the machine's load has it; the chunks are the same every time.
    """
    chunk: list[Frame] = []
    for frame in events:
        if frame is None:
            yield None
            continue
        chunk.append(frame)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _drawn(weights: Weights) -> tuple[str, float]:
    """Which of the two maps that come with a score is drawn, and its scale: that of the mask head
    where it was measured to be the better one."""
    record = weights.heatmaps
    if record is not None and record.method == MASK and weights.config.mask_head:
        return record.method, record.scales[record.method]
    return EVIDENCE, weights.heat_scale


class _Scored:
    """The scores of one track so far, row by row as the tracker yields them.

    With a model of clips the last rows may still wait for their window to fill.
    """

    def __init__(self, windows: TrackWindows | None = None) -> None:
        self.time_s: list[float] = []
        self.outputs: list[EngineOutput] = []
        self.crops_jpeg: list[bytes] = []
        self.windows = windows
        self.quiet = 0  # chunks since the last crop

    def add(self, face: TrackedFace, crop: NDArray[np.uint8], output: EngineOutput | None) -> None:
        self.time_s.append(face.time_s)
        self.crops_jpeg.append(jpegs.encoded(crop))
        self.quiet = 0
        if self.windows is not None:
            output = self.windows.add(crop)
        if output is not None:
            self.outputs.append(output)

    def end(self) -> None:
        """No crop follows: score what still waits."""
        rest = None if self.windows is None else self.windows.finish()
        if rest is not None:
            self.outputs.append(rest)
        self.windows = None

    def so_far(self, name: str) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
        """The name with times and logits of the rows that have one; None where none has."""
        if not self.outputs:
            return None
        logits = np.concatenate([o.logit for o in self.outputs])
        return name, np.array(self.time_s[: len(logits)]), logits

    def finished(self) -> TrackScores:
        logit, evidence, features, mask = EngineOutput.joined(self.outputs)
        return TrackScores(logit, evidence, features, tuple(self.crops_jpeg), mask)


class Detector:
    """One set of weights, ready to analyse videos and pictures one after another.

    The same file, weights and sampling give the same report, but for its run times. `look` makes
    what finds the faces of a file of some kind: `Memory.finder_for` spares a second look at one.
    Previews of a file are kept as pixels up to `pixel_bytes`, and further ones as JPEG: 0 for who
    keeps many reports.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "cpu",
        look: Callable[[str, FaceDetector], Finder] = finder_for,
        pixel_bytes: int = PIXEL_BYTES,
    ) -> None:
        self.weights = weights
        self._look = look
        self._pixel_bytes = pixel_bytes
        self._engine = Engine(weights.config, weights.state, device=device)
        self._faces = FaceDetector()

    def analyze(
        self, path: str | Path, sampling: Sampling | None = None
    ) -> Iterator[Progress | VideoReport]:
        """Analyse one file. Yields `Progress` and, last, the `VideoReport`.

        Closing the generator stops the decoding child at once. Raises InputError (FileRefused,
        NotAVideo, LimitExceeded) with one line that says what is wrong with the file.
        """
        sampling = sampling or Sampling()
        clock = {"start": time.perf_counter(), "score": 0.0, "faces": 0.0}
        finder: Finder | None = None
        scored: dict[int, _Scored] = {}
        previews: list[Preview] = []
        yield Progress("open", 0, 1)
        with (
            video.sample(path, sampling, pictures=True) as stream,
            closing(ahead(stream)) as events,
        ):
            for chunk in _chunks(events):
                if chunk is None:
                    yield Progress("read" if previews else "open", stream.decoded, stream.wanted)
                    continue
                began = time.perf_counter()
                finder = finder or self._look(stream.info.kind, self._faces)
                faces = finder.update(chunk)
                clock["faces"] += time.perf_counter() - began
                began = time.perf_counter()
                self._score(chunk, faces, scored)
                clock["score"] += time.perf_counter() - began
                for frame in chunk:
                    previews.append(_preview(frame, len(previews), self._pixel_bytes))
                yield Progress(
                    "read",
                    stream.decoded,
                    stream.wanted,
                    previews[-1],
                    tuple(
                        shown
                        for key, track in scored.items()
                        if (shown := track.so_far(str(key + 1))) is not None
                    ),
                )
            info, notes = stream.info, list(stream.notes)
            coverage_of = (stream.wanted, stream.decoded)
        tracks = (finder or self._look(info.kind, self._faces)).finish()
        measured = lanes.measured(self.weights, info.kind)
        waiting = [scored[key] for key in tracks.tracks if scored[key].windows is not None]
        for done, track in enumerate(waiting):
            yield Progress("score", done, len(waiting))
            began = time.perf_counter()
            track.end()
            clock["score"] += time.perf_counter() - began
        yield Progress("score", len(previews), len(previews))
        coverage = Coverage(*coverage_of, with_face=tracks.frames_with_face)
        found = self._lanes(tracks.tracks, scored, measured)
        judged = aggregate.judged(found, info.kind)
        outside = [
            reason
            for lane in judged
            if measured is not None
            for reason in lanes.outside(lane, self.weights)
        ]
        strange = frozenset(reason.track_id for reason in outside)
        verdict = aggregate.decide(found, coverage, measured, strange, info.kind)
        if coverage.decoded < coverage.wanted:
            notes.append(f"{coverage.decoded} of {coverage.wanted} frames could be read")
        notes += [f"face {reason.track_id}: {reason.words}" for reason in outside]
        notes += [
            f"face {lane.track_id}: seen in {len(lane)} frames, too few to be judged"
            for lane in found
            if lane.track_id not in {one.track_id for one in judged}
        ]
        notes += tracks.notes
        picture = info.kind == "image"
        if picture:
            notes += lanes.over_the_edge(found, info, self.weights.config.crop_margin)
        if measured is None:
            what = " for pictures" if picture else ""
            notes.append(f"the weights carry no calibration{what}: scores are not probabilities")
        analysable = verdict.score is not None
        spans = [
            span
            for lane in judged
            if analysable and measured and lane.track_id not in strange
            for span in aggregate.segments(lane, measured.threshold, measured)
        ]
        heat_method, heat_scale = _drawn(self.weights)
        total = time.perf_counter() - clock["start"]
        yield VideoReport(
            info=info,
            weights=self.weights.info,
            calibration=measured,
            sampling=Sampling(frames=1) if picture else sampling,
            verdict=verdict,
            coverage=coverage,
            segments=tuple(sorted(spans, key=lambda s: (s.start_s, s.track_id))),
            lanes=tuple(found) if analysable else (),
            cuts_s=tracks.cuts_s,
            previews=tuple(previews),
            heat_method=heat_method,
            heat_scale=heat_scale,
            notes=tuple(notes),
            not_checked=NOT_CHECKED_IMAGE if picture else NOT_CHECKED,
            outside=tuple(outside) if analysable else (),
            run_times_s={
                "faces": clock["faces"],
                "score": clock["score"],
                "read": total - clock["faces"] - clock["score"],
                "total": total,
            },
        )

    def _score(
        self, chunk: list[Frame], faces: list[TrackedFace], scored: dict[int, _Scored]
    ) -> None:
        for track in scored.values():
            track.quiet += 1
            if track.quiet == OVER:
                track.end()
        if not faces:
            return
        config = self.weights.config
        clips = config.clip_frames > 1
        crops = np.stack(
            [
                crop_face(
                    chunk[face.position].rgb, face.box_xyxy, config.crop_margin, config.crop_px
                )
                for face in faces
            ]
        )
        output = None if clips else self._engine.run(crops)
        for i, face in enumerate(faces):
            if face.track_key not in scored:
                scored[face.track_key] = _Scored(TrackWindows(self._engine) if clips else None)
            row = None if output is None else output.rows(i, i + 1)
            scored[face.track_key].add(face, crops[i], row)

    def _lanes(
        self,
        tracks: dict[int, FaceTrack],
        scored: dict[int, _Scored],
        measured: Calibration | None,
    ) -> list[Lane]:
        pairs = [(track, scored[key].finished()) for key, track in tracks.items()]
        out = []
        for name, (track, scores) in zip(
            lanes.names(), lanes.join(pairs, self.weights), strict=False
        ):
            p = None if measured is None else calibration.p_fake(measured, scores.logit)
            score = aggregate.lane_score(scores.logit)
            out.append(Lane(name, track, scores, score, p))
        return out
