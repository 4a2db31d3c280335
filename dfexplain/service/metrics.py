"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dfexplain.batch.jobs import State

__all__ = ["Metrics"]


class Metrics:
    """The numbers of one service, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "dfexplain_requests", "Requests answered", ["route", "method", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "dfexplain_request_seconds", "Time to answer a request", ["route"], registry=registry
        )
        self._refused = Counter(
            "dfexplain_refused", "Requests refused, by error code", ["code"], registry=registry
        )
        self._webhooks = Counter(
            "dfexplain_webhooks", "Webhooks sent, by outcome", ["outcome"], registry=registry
        )
        self._jobs = Gauge("dfexplain_jobs", "Jobs in the store", ["state"], registry=registry)
        self._alive = Gauge(
            "dfexplain_worker_alive", "Whether the embedded worker runs", registry=registry
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is the pattern of the address, never the address."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """A request was refused with an error."""
        self._refused.labels(code).inc()

    def webhook(self, outcome: str) -> None:
        """A webhook was "answered" or "failed"."""
        self._webhooks.labels(outcome).inc()

    def text(self, counts: Mapping[State, int], alive: bool) -> bytes:
        """Everything, in Prometheus' text format."""
        for state, count in counts.items():
            self._jobs.labels(str(state)).set(count)
        self._alive.set(float(alive))
        return generate_latest(self._registry)
