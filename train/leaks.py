"""Leaks between splits: what would let a score measure memory instead of detection (A14, N10).

    DFX001   a person in two splits
    DFX002   a source recording, or nearly the same frame, in two splits
    DFX003   a split with real or fake videos only

Nearly the same frames are found by a perceptual hash: 255 signs of the lowest 16 x 16 cosine
frequencies of a 32 x 32 picture against their median (after Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions", 2010, sec. 3.2.1, which keeps 8 x 8). Measured on
120 made clips of 60 people: a copy at 70 % of the size and JPEG quality 50 differs in 12 bits at
most, crops of different people before one backdrop in 50 at least; MOST_BITS lies between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.errors import DataError, IdentityLeak, InputError, OneClassFold, SourceLeak
from dfexplain.structures import Sampling
from train.importers.files import locate
from train.records import CropRow, VideoRecord

__all__ = [
    "MOST_BITS",
    "Bits",
    "Finding",
    "audit",
    "check",
    "crop_hashes",
    "frame_hash",
    "raise_first",
    "report",
    "video_hashes",
]

MOST_BITS = 24
"""Up to so many different bits of 255 two frames are nearly the same."""

HASHED_CROPS = 3  # of a video: first, middle, last
FLATTEST = 2.0  # deviation of grey levels below which a picture has nothing to be known by
ROWS_AT_ONCE = 2048

Bits = NDArray[np.bool_]
Splits = Mapping[str, Sequence[VideoRecord] | Sequence[CropRow]]
ERRORS = {"DFX001": IdentityLeak, "DFX002": SourceLeak, "DFX003": OneClassFold}


@dataclass(frozen=True)
class Finding:
    """One leak. `first` and `second` are the two records, of `splits`; a one-class fold has none.

    `official` says that the data set itself put both where they are: its published split leaks.
    """

    code: str
    message: str
    splits: tuple[str, ...]
    first: VideoRecord | None = None
    second: VideoRecord | None = None
    official: bool = False


def _videos(rows: Sequence[VideoRecord] | Sequence[CropRow]) -> list[VideoRecord]:
    """The videos of a split, each once, ordered by key."""
    found = {v.key: v for v in (r.video if isinstance(r, CropRow) else r for r in rows)}
    return [found[key] for key in sorted(found)]


def frame_hash(rgb: NDArray[np.uint8]) -> Bits | None:
    """The hash (255,) of a picture (H, W, 3); None for one that is all but flat."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if float(grey.std()) < FLATTEST:
        return None
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    low = np.asarray(cv2.dct(small))[:16, :16].ravel()[1:]
    return np.asarray(low > np.median(low), np.bool_)


def crop_hashes(crops: Iterable[CropRow], image_root: Path) -> dict[str, Bits]:
    """Video key -> hashes (K, 255) of its first, middle and last crop below `image_root`.

    Raises DataError for a crop that cannot be read.
    """
    of_video: dict[str, list[str]] = defaultdict(list)
    for crop in crops:
        of_video[crop.video.key].append(crop.file)
    out = {}
    for key, files in of_video.items():
        chosen = sorted({0, len(files) // 2, len(files) - 1})[:HASHED_CROPS]
        hashes = [frame_hash(_picture(image_root, files[i])) for i in chosen]
        out[key] = _stacked(h for h in hashes if h is not None)
    return out


def _picture(image_root: Path, file: str) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(image_root / file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"crops must be readable pictures, but '{file}' is none. Redo it.")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def video_hashes(videos: Iterable[VideoRecord], root: Path) -> dict[str, Bits]:
    """Video key -> hash (1, 255) of its first frame; videos that cannot be read have none."""
    out = {}
    for record in videos:
        try:
            first = Sampling(frames=None, every=1 << 40)
            with video.sample(locate(root, record.path), first) as stream:
                hashes = [frame_hash(frame.rgb) for frame in stream]
        except InputError:
            continue
        out[record.key] = _stacked(h for h in hashes if h is not None)
    return out


def _stacked(hashes: Iterable[Bits]) -> Bits:
    rows = list(hashes)
    return np.stack(rows) if rows else np.zeros((0, 255), np.bool_)


def audit(
    splits: Splits, hashes: Mapping[str, Bits] | None = None, *, most_bits: int = MOST_BITS
) -> list[Finding]:
    """Every leak between `splits`: each shared person, source and near-duplicate pair once.

    `hashes` (from crop_hashes or video_hashes) adds the search for nearly the same frames, whose
    cost is the product of the two splits' frames: 20,000 by 5,000 take about a second.
    """
    videos = {name: _videos(rows) for name, rows in splits.items()}
    findings = _shared(videos, "DFX001") + _shared(videos, "DFX002")
    known = {(f.first, f.second) for f in findings}
    if hashes is not None:
        names = list(videos)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                pairs = _near(videos[a], videos[b], hashes, most_bits)
                findings += [
                    _finding("DFX002", f"frames that differ in {bits} of 255 bits", (a, b), v, w)
                    for v, w, bits in pairs
                    if (v, w) not in known
                ]
    return findings + _one_class(videos)


def _marks(record: VideoRecord, code: str) -> list[str]:
    if code == "DFX001":
        return [f"person {person}" for person in record.identities]
    source = [f"source {record.source_id}"] if record.source_id else []
    return [*source, f"source {record.key}"]


def _shared(videos: Mapping[str, list[VideoRecord]], code: str) -> list[Finding]:
    seen: dict[str, dict[str, VideoRecord]] = defaultdict(dict)
    for name, records in videos.items():
        for record in records:
            for mark in _marks(record, code):
                seen[mark].setdefault(name, record)
    findings = []
    for mark, places in seen.items():
        (a, first), *others = places.items()
        findings += [_finding(code, mark, (a, b), first, other) for b, other in others]
    return findings


def _finding(
    code: str, what: str, names: tuple[str, str], first: VideoRecord, second: VideoRecord
) -> Finding:
    official = all(v.split == n for v, n in zip((first, second), names, strict=True))
    return Finding(
        code=code,
        message=(
            f"{what} must be in one split, but {first.key} is in {names[0]} and {second.key} in "
            f"{names[1]}"
        ),
        splits=names,
        first=first,
        second=second,
        official=official and first.dataset == second.dataset,
    )


def _near(
    first: list[VideoRecord], second: list[VideoRecord], hashes: Mapping[str, Bits], most_bits: int
) -> list[tuple[VideoRecord, VideoRecord, int]]:
    """Pairs of videos with nearly the same frames, and by how many bits they differ."""
    a, rows_a = _signs(first, hashes)
    b, rows_b = _signs(second, hashes)
    least: dict[tuple[int, int], int] = {}
    for start in range(0, len(a), ROWS_AT_ONCE):
        # Signs of +-1: 255 minus the product is twice the number of differing bits.
        bits = np.rint((255.0 - a[start : start + ROWS_AT_ONCE] @ b.T) / 2.0)
        for i, j in np.argwhere(bits <= most_bits):
            pair = (int(rows_a[start + i]), int(rows_b[j]))
            least[pair] = min(least.get(pair, 255), int(bits[i, j]))
    return [(first[i], second[j], bits) for (i, j), bits in sorted(least.items())]


def _signs(
    videos: list[VideoRecord], hashes: Mapping[str, Bits]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All hashes of some videos as +-1 (R, 255), and the video of each row (R,)."""
    found = [(i, hashes[v.key]) for i, v in enumerate(videos) if v.key in hashes]
    bits = np.concatenate([np.zeros((0, 255), np.bool_), *(h for _, h in found)])
    rows = np.repeat([i for i, _ in found], [len(h) for _, h in found])
    return bits.astype(np.float32) * 2.0 - 1.0, rows.astype(np.int64)


def _one_class(videos: Mapping[str, list[VideoRecord]]) -> list[Finding]:
    findings = []
    for name, records in videos.items():
        fake = sum(r.label == 1 for r in records)
        real = sum(r.label == 0 for r in records)
        if not fake or not real:
            message = f"{name} must hold real and fake videos, but holds {real} real, {fake} fake"
            findings.append(Finding("DFX003", message, (name,)))
    return findings


def report(findings: Sequence[Finding]) -> dict[str, object]:
    """The audit as plain data: counts by code, and every finding with its two videos."""
    return {
        "counts": {code: sum(f.code == code for f in findings) for code in ERRORS},
        "findings": [
            {
                "code": f.code,
                "message": f.message,
                "splits": list(f.splits),
                "videos": [v.key for v in (f.first, f.second) if v is not None],
                "official": f.official,
            }
            for f in findings
        ],
    }


def raise_first(findings: Sequence[Finding], *, allow_official: bool = False) -> None:
    """Raise the first finding as IdentityLeak, SourceLeak or OneClassFold, if there is one."""
    wrong = [f for f in findings if not (allow_official and f.official)]
    if not wrong:
        return
    more = f" ({len(wrong) - 1} more like it.)" if len(wrong) > 1 else ""
    advice = "Split again with `python -m train split`."
    if wrong[0].code == "DFX003":
        advice = "Use fewer splits, more videos, or `python -m train split --drop-bridges`."
    if wrong[0].official:
        advice = "The published split leaks: make another with --official ignore, or allow it."
    raise ERRORS[wrong[0].code](f"{wrong[0].message}. {advice}{more}")


def check(splits: Splits, image_root: Path | None = None, *, allow_official: bool = False) -> None:
    """Refuse splits that leak: raises IdentityLeak, SourceLeak or OneClassFold with the records.

    `splits` maps names to videos or to crops; with crops and `image_root` nearly the same frames
    are looked for too. `allow_official` lets pass what a data set's own split shares.
    """
    hashes = None
    if image_root is not None:
        crops = [row for rows in splits.values() for row in rows if isinstance(row, CropRow)]
        hashes = crop_hashes(crops, image_root)
    raise_first(audit(splits, hashes), allow_official=allow_official)
