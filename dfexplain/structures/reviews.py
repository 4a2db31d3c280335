"""What is kept of an analysis after it was shown, and what people said of its video."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dfexplain.structures.verdict import Verdict

__all__ = ["Answer", "Note", "PastAnalysis", "Reading"]


class Answer(StrEnum):
    """What a reader takes a video to be."""

    REAL = "real"
    FAKE = "fake"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True)
class Note:
    """Free text on a video. `time_s` is the moment of the video it speaks of, None: all of it."""

    when_utc: str
    time_s: float | None
    text: str


@dataclass(frozen=True)
class Reading:
    """What one reader committed to. `confidence` goes from 1 (a guess) to 5 (sure).

    `blind`: the page hid the verdict until this was committed, and the reader had not read the
    video before. A reading is never changed; a later one is another row.
    """

    when_utc: str
    sha256: str
    reader: str
    answer: Answer
    confidence: int
    note: str
    blind: bool


@dataclass(frozen=True)
class PastAnalysis:
    """One kept analysis, without its JSON. `when_utc` is ISO 8601, `sha256` that of the video.

    `weights` is name@revision, `sampling`, `spans`, `because` (why the verdict
    is what it is) and `coverage` are in the words of the report. `band` are the probabilities
    between which the answer is "cannot tell", None without a calibration. `has_bundle`: the whole
    evidence bundle is kept as well.
    """

    id: int
    when_utc: str
    file: str
    size_bytes: int
    sha256: str
    weights: str
    weights_sha256: str
    sampling: str
    verdict: Verdict
    band: tuple[float, float] | None
    spans: str
    because: str
    coverage: str
    has_bundle: bool
