"""What is known of a job, and what is asked for with a new one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LONGEST_PARAMETERS", "TRIES", "Job", "NewJob", "Result", "State", "canonical"]

# A job whose worker was lost this often is given up: it may be what loses them.
TRIES = 3
# The parameters are a part of the unique key, and PostgreSQL indexes at most 2,704 bytes.
LONGEST_PARAMETERS = 2000

_SHA256 = re.compile(r"[0-9a-f]{64}")


class State(StrEnum):
    """Where a job stands. The last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


def canonical(parameters: Mapping[str, object]) -> str:
    """The parameters as JSON in one spelling: keys sorted, no spaces, ASCII."""
    return json.dumps(
        parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


@dataclass(frozen=True)
class NewJob:
    """A job to submit: which bytes, which weights, which parameters (`canonical`).

    These three are its identity: a file sent twice is one job. `path` is where the workers find the
    file, `webhook` the URL to tell at the end, `out` the folder for report files.
    Raises ValueError for a digest that is not SHA-256 in lower case hex, and for parameters that
    are not canonical or too long.
    """

    path: str
    input_sha256: str
    weights_sha256: str
    parameters: str = "{}"
    webhook: str | None = None
    out: str | None = None

    def __post_init__(self) -> None:
        for name in ("input_sha256", "weights_sha256"):
            value = getattr(self, name)
            if not _SHA256.fullmatch(value):
                raise ValueError(f"{name} must be 64 digits of lower case hex, but got {value!r}.")
        read = json.loads(self.parameters)
        if not isinstance(read, dict) or canonical(read) != self.parameters:
            raise ValueError(f"parameters must be canonical JSON, but got {self.parameters!r:.80}.")
        if len(self.parameters) > LONGEST_PARAMETERS:
            raise ValueError(
                f"parameters must have at most {LONGEST_PARAMETERS} characters, but got "
                f"{len(self.parameters)}."
            )


@dataclass(frozen=True)
class Result:
    """What a finished job found: the verdict's fields (`structures.Verdict`) and the report's JSON.

    `score` (a logit) and `p_fake` (0..1) are None where there is no evidence for a number.
    """

    verdict: str
    reason: str | None
    score: float | None
    p_fake: float | None
    report: str

    @classmethod
    def of(cls, document: str) -> Result:
        """What the store keeps of a report, from its JSON."""
        read = json.loads(document)
        return cls(read["verdict"], read["reason"], read["score"], read["p_fake"], document)


@dataclass(frozen=True)
class Job:
    """A row of the store. Times are UTC, in seconds since 1970.

    `due_at` is when it may be claimed: the end of the lease while it runs, None at its end.
    `verdict`, `reason`, `score` and `p_fake` are those of the result, None before it; the report
    itself is `Store.report`. `error_code` and `error_reason` say why it failed, or why the last
    try did.
    """

    id: str
    path: str
    input_sha256: str
    weights_sha256: str
    parameters: str
    webhook: str | None
    out: str | None
    state: State
    tries: int
    worker: str | None
    created_at: float
    due_at: float | None
    started_at: float | None
    finished_at: float | None
    told_at: float | None
    error_code: str | None
    error_reason: str | None
    verdict: str | None = None
    reason: str | None = None
    score: float | None = None
    p_fake: float | None = None
