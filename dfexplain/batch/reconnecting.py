"""A step of Celery's consumer that notices when a message could not be acknowledged.

Celery takes no further message while one is out. Where Redis was away as that one was to be
acknowledged, it stays out for ever: nothing more is read, so nobody notices that the connection is
gone (seen with Celery 5.7 and kombu 5.7). The step ends the connection, and Celery makes a new one.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.worker import state

__all__ = ["Reconnecting"]

_LOOK_S = 1.0


class Reconnecting(bootsteps.StartStopStep):  # type: ignore[misc]
    """Looks once a second; what stands twice is stuck."""

    requires = {"celery.worker.consumer.tasks:Tasks"}  # noqa: RUF012

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None
        self._stood = False

    def start(self, parent: Any) -> None:
        """Begin to look, with each connection anew."""
        self._stood = False
        self._timer = parent.timer.call_repeatedly(_LOOK_S, self._look, (parent,))

    def stop(self, parent: Any) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, consumer: Any) -> None:
        """ConnectionResetError where nothing is being done and yet nothing may be taken."""
        idle = not state.reserved_requests and not state.active_requests
        full = not consumer.task_consumer.channel.qos.can_consume()
        stood, self._stood = self._stood, idle and full
        if stood and self._stood:
            raise ConnectionResetError("a message could not be acknowledged")
