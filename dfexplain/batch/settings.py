"""What the environment says of the queue: the database, the broker, and how often who looks."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError
from dfexplain.history_file import default_path

if TYPE_CHECKING:
    from dfexplain.batch.store import Store

__all__ = ["BROKER", "DATABASE", "LEASE_S", "POLL_S", "SWEEP_S", "Settings", "opened"]

DATABASE, BROKER = "DFEXPLAIN_DATABASE", "DFEXPLAIN_BROKER"
LEASE_S, POLL_S, SWEEP_S = "DFEXPLAIN_LEASE_S", "DFEXPLAIN_POLL_S", "DFEXPLAIN_SWEEP_S"

# Seconds: the shortest and the longest that make sense.
_RANGES = {LEASE_S: (1.0, 86_400.0), POLL_S: (0.05, 3600.0), SWEEP_S: (0.05, 3600.0)}
_BROKERS = ("redis://", "rediss://", "redis+socket://")


@dataclass(frozen=True)
class Settings:
    """Where the jobs are, and the seconds of a lease, between two looks at the database of a worker
    that polls, and between two sweeps. `broker` is None where there is none: workers then poll.

    The two addresses may hold passwords, so they are not shown.
    """

    database: str = field(repr=False)
    broker: str | None = field(default=None, repr=False)
    lease_s: float = 60.0
    poll_s: float = 1.0
    sweep_s: float = 5.0

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of the environment. SettingError for a number out of its range and for a
        broker that is not Redis."""
        broker = environment.get(BROKER) or None
        if broker is not None and not broker.startswith(_BROKERS):
            kind = broker.partition("://")[0] if "://" in broker else "no URL"
            raise SettingError(
                f"{BROKER} must be redis://HOST:PORT/NUMBER, but got {kind:.40}. Correct it."
            )
        return cls(
            environment.get(DATABASE) or f"sqlite:///{default_path('jobs.sqlite')}",
            broker,
            *(_seconds(environment, name) for name in (LEASE_S, POLL_S, SWEEP_S)),
        )


def _seconds(environment: Mapping[str, str], name: str) -> float:
    default = {LEASE_S: Settings.lease_s, POLL_S: Settings.poll_s, SWEEP_S: Settings.sweep_s}[name]
    text = environment.get(name) or str(default)
    low, high = _RANGES[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise SettingError(
            f"{name} must be a number of seconds from {low:g} to {high:g}, but got {text!r:.40}. "
            "Correct it."
        )
    return value


def opened(url: str) -> Store:
    """The store at `url`, its tables up to date. SettingError where the extra is not installed."""
    try:
        from dfexplain.batch.store import Store
    except ImportError as error:
        raise SettingError.without_extra("batch", error) from error
    store = Store(url)
    store.migrate()
    return store
