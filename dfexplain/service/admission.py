"""Who may ask, and how often."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Mapping

from dfexplain.errors import KeyRefused, TooMany

__all__ = ["Keyring", "Limiter", "hashed", "new_key"]

_LONGEST_KEY = 200


def new_key() -> str:
    """A key that nobody guesses: 256 random bits."""
    return "dfx_" + secrets.token_urlsafe(32)


def hashed(key: str) -> str:
    """What is kept of a key. It is random, so a plain hash cannot be searched for it."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class Keyring:
    """The keys by name, as their sha256."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)

    def name_of(self, key: str | None) -> str:
        """Whose key it is. KeyRefused for none and for an unknown one.

        All keys are compared, each in constant time: the time tells nothing of them.
        """
        if key is None:
            raise KeyRefused(
                "the request must carry an API key, but has none. Send it as `Authorization: "
                "Bearer KEY` or `X-API-Key: KEY`."
            )
        found = hashed(key[:_LONGEST_KEY])
        names = [name for name, known in self._keys.items() if hmac.compare_digest(known, found)]
        if not names:
            raise KeyRefused(
                "the API key must be one of this service, but it is not. Ask who runs it."
            )
        return names[0]


class Limiter:
    """`per_min` requests a minute for each name; what was not used is kept for a minute."""

    def __init__(self, per_min: int) -> None:
        self._per_s, self._most = per_min / 60.0, float(per_min)
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, name: str, now: float | None = None) -> None:
        """Count a request. TooMany, with the seconds until the next one, where there were too
        many."""
        now = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.get(name, (self._most, now))
            left = min(self._most, left + (now - since) * self._per_s)
            if left < 1.0:
                wait_s = math.ceil((1.0 - left) / self._per_s)
                raise TooMany(
                    f"the key must make at most {self._most:g} submissions a minute, but made "
                    f"more. Try again in {wait_s} s.",
                    wait_s,
                )
            self._left[name] = (left - 1.0, now)
