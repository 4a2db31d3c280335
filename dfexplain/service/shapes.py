"""What requests and answers of the API look like; the OpenAPI document is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import Body

from dfexplain.batch.jobs import Job, State
from dfexplain.errors import SettingError
from dfexplain.structures import Sampling

__all__ = [
    "EVERY",
    "FPS",
    "FRAMES",
    "WEBHOOK",
    "ErrorShape",
    "JobList",
    "JobShape",
    "PathRequest",
    "sampling_of",
]

MOST_FRAMES = Sampling().max_frames

# What a form and a JSON body have in common.
FRAMES: dict[str, Any] = {"ge": 1, "le": MOST_FRAMES, "description": "frames over the file (32)"}
FPS: dict[str, Any] = {"gt": 0, "le": 240, "description": "frames a second"}
EVERY: dict[str, Any] = {"ge": 1, "le": 1_000_000, "description": "every K-th frame"}
WEBHOOK: dict[str, Any] = {"max_length": 2000, "description": "address to tell at the end"}


@dataclass(frozen=True)
class ErrorDetail:
    """What went wrong."""

    code: str
    message: str


@dataclass(frozen=True)
class ErrorShape:
    """One line: a stable code and a sentence."""

    error: ErrorDetail


@dataclass(frozen=True)
class PathRequest:
    """A file that the service can see."""

    # Where pydantic looks for its settings: a misspelt key is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    path: Annotated[str, Body(min_length=1, max_length=4096)]
    frames: Annotated[int | None, Body(**FRAMES)] = None
    fps: Annotated[float | None, Body(**FPS)] = None
    every: Annotated[int | None, Body(**EVERY)] = None
    webhook: Annotated[str | None, Body(**WEBHOOK)] = None


@dataclass(frozen=True)
class JobShape:
    """A job. Times are seconds since 1970 (UTC); p_fake is null where there is no probability.

    `new` says whether this request made the job.
    """

    id: str
    state: State
    sha256: str
    weights_sha256: str
    tries: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    verdict: str | None
    reason: str | None
    p_fake: float | None
    score: float | None
    error: ErrorDetail | None
    new: bool | None = None

    @classmethod
    def of(cls, job: Job, new: bool | None = None) -> JobShape:
        """The job as it is shown: without the paths of this machine."""
        error = None
        if job.error_code is not None and job.state is not State.DONE:
            error = ErrorDetail(code=job.error_code, message=job.error_reason or "")
        return cls(
            id=job.id,
            state=job.state,
            sha256=job.input_sha256,
            weights_sha256=job.weights_sha256,
            tries=job.tries,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            verdict=job.verdict,
            reason=job.reason,
            p_fake=job.p_fake,
            score=job.score,
            error=error,
            new=new,
        )


@dataclass(frozen=True)
class JobList:
    """Jobs, the oldest first."""

    jobs: list[JobShape]


def sampling_of(frames: int | None, fps: float | None, every: int | None) -> Sampling:
    """What a request asks to look at; one of the three at most."""
    if sum(value is not None for value in (frames, fps, every)) > 1:
        raise SettingError(
            "frames, fps and every must be one of them at most, but got several. Choose one."
        )
    if fps is not None or every is not None:
        return Sampling(frames=None, fps=fps, every=every)
    return Sampling() if frames is None else Sampling(frames=frames)
