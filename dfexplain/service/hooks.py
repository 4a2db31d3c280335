"""Webhooks: a backend is told that a job has ended, by a message that it can check.

The signature is HMAC-SHA256 (RFC 2104) over the time, a dot and the body, so that neither can be
changed and an old message cannot be sent again later. Only hosts that were allowed are asked; an
answer that points elsewhere counts as a refusal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from dfexplain.batch.jobs import Job
from dfexplain.batch.store import Store
from dfexplain.errors import SettingError
from dfexplain.service.settings import ServiceSettings, origin_of

__all__ = ["TRIES", "Hooks", "allowed", "body_of", "signature"]

SIGNATURE, MOMENT = "X-Dfexplain-Signature", "X-Dfexplain-Timestamp"
# Seconds until the next try after the first, second ... one; then it is given up.
WAITS_S = (2.0, 10.0, 60.0, 300.0)
TRIES = len(WAITS_S) + 1
_ANSWER_S = 10.0

log = logging.getLogger("dfexplain.service")


def signature(secret: str, moment: str, body: bytes) -> str:
    """What the header `X-Dfexplain-Signature` says of a body sent at `moment` (seconds of Unix)."""
    signed = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"


def allowed(url: str, settings: ServiceSettings) -> str:
    """The address, if its host may be told. SettingError where it may not."""
    origin = origin_of(url)
    if origin is None or origin not in settings.webhook_origins:
        raise SettingError(
            f"webhook must be an address on a host that the service may tell, but got {url!r:.99}. "
            "Ask who runs the service."
        )
    return url


def body_of(job: Job) -> bytes:
    """What is sent: the job as the API shows it, but for its path."""
    said = {
        "job": job.id,
        "state": str(job.state),
        "sha256": job.input_sha256,
        "verdict": job.verdict,
        "reason": job.reason,
        "p_fake": job.p_fake,
        "score": job.score,
        "error": None
        if job.error_code is None
        else {"code": job.error_code, "message": job.error_reason},
    }
    return json.dumps(said).encode()


@dataclass
class _Tried:
    count: int = 0
    not_before: float = 0.0


class Hooks:
    """Tells of the jobs of `store` that have ended. `count` is told what became of each try."""

    def __init__(
        self, settings: ServiceSettings, count: Callable[[str], None] = lambda _: None
    ) -> None:
        self._settings, self._count = settings, count
        self._tried: dict[str, _Tried] = {}

    def tell(self, store: Store, now: float | None = None) -> int:
        """Tell of all that is due; how many were told or given up."""
        now = time.monotonic() if now is None else now
        over = 0
        for job in store.untold():
            tried = self._tried.setdefault(job.id, _Tried())
            if tried.not_before > now:
                continue
            tried.count += 1
            answered = self._sent(job)
            self._count("answered" if answered else "failed")
            if answered or tried.count >= TRIES:
                store.told(job.id)
                del self._tried[job.id]
                over += 1
            else:
                tried.not_before = now + WAITS_S[tried.count - 1]
        return over

    def _sent(self, job: Job) -> bool:
        try:
            url = allowed(job.webhook or "", self._settings)
        except SettingError as error:
            log.warning("job %s: %s", job.id, error)
            return False
        body, moment = body_of(job), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            MOMENT: moment,
            SIGNATURE: signature(self._settings.webhook_secret, moment, body),
        }
        try:
            # No proxy of the environment, no redirect, and nothing of the answer but its status.
            with (
                httpx2.Client(timeout=_ANSWER_S, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            log.warning("job %s: the webhook does not answer: %s", job.id, type(error).__name__)
            return False
        if not 200 <= status < 300:
            log.warning("job %s: the webhook answered %d", job.id, status)
        return 200 <= status < 300
