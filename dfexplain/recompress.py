"""Does a verdict survive compression? The video is encoded again, and analysed as before.

A finding that is gone after one more upload hung on traces that compression removes; one that
comes up only then is made of the compression's own. Decoding happens in the cage, what is encoded
are our own frames, and one encoded file at a time lies on the disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.detector import Detector
from dfexplain.errors import SettingError
from dfexplain.structures import (
    Progress,
    Sampling,
    Segment,
    Verdict,
    VideoInfo,
    VideoReport,
)

__all__ = ["VARIANTS", "Recompressed", "Step", "Variant", "overlap", "recompress", "variants"]

# All frames of a file are encoded where they are at most so many, holding so many pixels in all;
# of a longer or larger one as many, evenly spread: some 30 s of 1080p on one core.
MOST_FRAMES, MOST_PIXELS = 1500, 1_500_000_000
PRESET, THREADS = "veryfast", 2


@dataclass(frozen=True)
class Variant:
    """One way to encode: x264's `crf` (23 is its default, 40 coarse), after scaling by `scale`."""

    name: str
    crf: int
    scale: float = 1.0

    @property
    def slug(self) -> str:
        """The name within a file name."""
        return self.name.lower().replace(" ", "")


def variants(crfs: Sequence[int]) -> tuple[Variant, ...]:
    """One a CRF at full size, and half size at CRF 23. Raises SettingError for a CRF that x264 does
    not have, or none."""
    if not crfs or not all(0 <= crf <= 51 for crf in crfs):
        raise SettingError(
            f"--crf must be numbers from 0 to 51, but got {', '.join(map(str, crfs)) or 'none'}. "
            "23, 28, 35 and 40 are usual."
        )
    return (*(Variant(f"CRF {crf}", crf) for crf in crfs), Variant("half size", 23, 0.5))


VARIANTS = variants((23, 28, 35, 40))


@dataclass(frozen=True)
class Step:
    """A sign of life: which variant, whether it is "encode" or "analyze", and how far that is."""

    variant: Variant
    doing: str
    progress: Progress


@dataclass(frozen=True)
class Recompressed:
    """What became of the verdict. `sampling` gives the same numbers when the encoded file, of
    `sha256`, is analysed; `overlap` is that of its flagged spans with those of the original."""

    variant: Variant
    sha256: str
    size_bytes: int
    sampling: Sampling
    verdict: Verdict
    segments: tuple[Segment, ...]
    overlap: float | None
    survives: bool


def overlap(some: Sequence[Segment], others: Sequence[Segment]) -> float | None:
    """Shared time of two sets of spans over the time of either (0..1), whichever faces they are of;
    None where there is no span in either."""
    edges = np.unique([edge for span in (*some, *others) for edge in (span.start_s, span.end_s)])
    if len(edges) < 2:
        return None
    middle, length = (edges[1:] + edges[:-1]) / 2, np.diff(edges)

    def within(spans: Sequence[Segment]) -> NDArray[np.bool_]:
        inside = np.zeros(len(middle), bool)
        for span in spans:
            inside |= (span.start_s < middle) & (middle < span.end_s)
        return inside

    one, other = within(some), within(others)
    return float(length[one & other].sum() / length[one | other].sum())


def _frames(info: VideoInfo, wanted: int) -> Sampling:
    """Which frames are encoded: all, or as many as is fair, and never fewer than are looked at."""
    most = min(MOST_FRAMES, MOST_PIXELS // max(1, info.width_px * info.height_px))
    most = max(most, wanted, 1)
    if info.frame_count is not None and info.frame_count <= most:
        return Sampling(frames=None, every=1, max_frames=most)
    return Sampling(frames=most, max_frames=most)


def _scaled(rgb: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return rgb
    size = tuple(max(2, round(side * scale)) for side in (rgb.shape[1], rgb.shape[0]))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encode(
    path: str | Path, out: Path, variant: Variant, wish: Sampling, info: VideoInfo
) -> Generator[Progress]:
    rate = info.fps or 25.0
    if wish.frames is not None and info.duration_s:
        rate = min(rate, wish.frames / info.duration_s)
    with video.sample(path, wish) as stream:
        timed = ((frame.time_s, _scaled(frame.rgb, variant.scale)) for frame in stream)
        steps = video.writing(out, timed, rate, crf=variant.crf, preset=PRESET, threads=THREADS)
        for done in steps:
            yield Progress("encode", done, stream.wanted)


def recompress(
    path: str | Path,
    detector: Detector,
    original: VideoReport,
    chosen: Sequence[Variant] = VARIANTS,
    keep: Path | None = None,
) -> Iterator[Step | Recompressed]:
    """Encode the file of a report again in each of the `chosen` ways and analyse each by the same
    detector and sampling. Yields `Step`s, and a `Recompressed` for each.

    Presentation times stay. Encoded files are kept as <keep>.<slug>.mp4, or deleted. Closing the
    generator stops the work and leaves no half of a file behind.

    Raises SettingError for a picture or a report without a score, and as `Detector.analyze`.
    """
    info = original.info
    if info.kind != "video" or original.verdict.score is None:
        raise SettingError(
            f"what is compressed must be a video with a score, but got one of kind {info.kind} "
            f"that is {original.verdict.outcome}. Take a video with a face."
        )
    wish, sampling = _frames(info, original.coverage.wanted), original.sampling
    if wish.every is None and sampling.every is not None:
        # Every k-th frame of those that were left would be fewer than of the file.
        sampling = Sampling(frames=original.coverage.wanted, max_frames=sampling.max_frames)
    with tempfile.TemporaryDirectory(prefix="dfexplain-") as folder:
        prefix = keep or Path(folder) / "clip"
        for variant in chosen:
            out = prefix.with_name(f"{prefix.name}.{variant.slug}.mp4")
            with closing(_encode(path, out, variant, wish, info)) as encoding:
                for progress in encoding:
                    yield Step(variant, "encode", progress)
            again = cast("Generator[Progress | VideoReport]", detector.analyze(out, sampling))
            with closing(again) as steps:
                for step in steps:
                    if isinstance(step, Progress):
                        yield Step(variant, "analyze", replace(step, preview=None, lanes=()))
                    else:
                        yield _compared(variant, original, step)
            if keep is None:
                out.unlink()


def _compared(variant: Variant, original: VideoReport, found: VideoReport) -> Recompressed:
    return Recompressed(
        variant=variant,
        sha256=found.info.sha256,
        size_bytes=found.info.size_bytes,
        sampling=found.sampling,
        verdict=found.verdict,
        segments=found.segments,
        overlap=overlap(original.segments, found.segments),
        survives=found.verdict.outcome is original.verdict.outcome,
    )
