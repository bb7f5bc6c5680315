"""What operators can measure. Labels are bounded: no tenant, subject, record or path ever becomes one."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_FACES = (1, 2, 4, 8, 16, 32)
_NO_FIDELITY = "none"
_ENDINGS = (
    ("granted", "exact"),
    ("granted", "generative"),
    *((outcome, _NO_FIDELITY) for outcome in ("denied", "invalid", "failed", "interrupted")),
)


class _Ready(Collector):
    """Parts come with their first answer: none is called ready, or not ready, before it was asked."""

    def __init__(self, seen: Callable[[], Mapping[str, bool]]) -> None:
        self._seen = seen

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ready = GaugeMetricFamily("visard_ready", "1 where /readyz finds this part well, otherwise 0.", labels=["part"])
        for part, well in self._seen().items():
            ready.add_metric([part], float(well))
        yield ready


class Metrics:
    """Collectors in a registry of their own, told of what happens by who does it."""

    def __init__(self, version: str, weights: str) -> None:
        """Make the collectors.

        Args:
            version: of the service.
            weights: digest of the default bundle, hexadecimal.
        """
        own = CollectorRegistry()
        self._registry = own
        self._requests = Counter(
            "visard_requests", "Requests by route and class of status.", ["route", "status"], registry=own
        )
        self._request_seconds = Histogram(
            "visard_request_duration_seconds", "Time to the answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self._phase_seconds = Histogram(
            "visard_phase_duration_seconds", "Time in one phase of the work.", ["phase"], buckets=_SECONDS, registry=own
        )
        self._faces = Counter("visard_faces", "Faces handled, by operation.", ["operation"], registry=own)
        self._batch = Histogram(
            "visard_batch_faces", "Faces in one evaluation of the network.", buckets=_FACES, registry=own
        )
        self._device_seconds = Counter("visard_device_seconds", "Time the device was busy.", registry=own)
        self._recoveries = Counter(
            "visard_recoveries", "Recoveries by outcome and fidelity.", ["outcome", "fidelity"], registry=own
        )
        # There from the start: to Prometheus, a counter that appears with its first event has not increased.
        for outcome, fidelity in _ENDINGS:
            self._recoveries.labels(outcome, fidelity)
        self._audit_failures = Counter("visard_audit_write_failures", "Audit entries not committed.", registry=own)
        self._unshipped = Counter(
            "visard_checkpoint_ship_failures", "Times a checkpoint did not leave the database's reach.", registry=own
        )
        self._not_out = Gauge(
            "visard_checkpoint_unshipped",
            "1 while somebody's newest checkpoint is not where it should be.",
            registry=own,
        )
        self._key_errors = Counter("visard_key_fetch_errors", "Times the key custody gave no key.", registry=own)
        self._in_flight = Gauge(
            "visard_requests_in_flight", "Requests that are being read, worked on or answered.", registry=own
        )
        self._queue = Gauge(
            "visard_queue_depth",
            "Requests waiting for a thread or for the device; with Ray, also all that replicas have.",
            registry=own,
        )
        self._admitted = Gauge(
            "visard_requests_admitted", "Requests that hold a place: they upload, wait or are worked on.", registry=own
        )
        self._places = Gauge("visard_requests_admitted_limit", "Places there are.", registry=own)
        self._expiring = Gauge(
            "visard_tokens_expiring", "Tokens made for longer than a week that end within one.", registry=own
        )
        self._certificates = Gauge(
            "visard_certificate_expiry_timestamp_seconds",
            "When the first certificate in a configured file ends.",
            ["file"],
            registry=own,
        )
        ProcessCollector(registry=own)
        Gauge("visard_build_info", "Always 1.", ["version", "weights"], registry=own).labels(version, weights).set(1)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Ask at every scrape how many requests have arrived and are not worked on."""
        self._queue.set_function(waiting)

    def watch_places(self, taken: Callable[[], int], limit: int) -> None:
        """Ask at every scrape how many of ``limit`` places requests hold."""
        self._admitted.set_function(taken)
        self._places.set(limit)

    def watch_readiness(self, seen: Callable[[], Mapping[str, bool]]) -> None:
        """Ask at every scrape which parts are well; ``seen`` must not wait for them."""
        self._registry.register(_Ready(seen))

    def watch_shipping(self, failing: Callable[[], bool]) -> None:
        """Ask at every scrape whether a checkpoint did not get out and waits for another try."""
        self._not_out.set_function(lambda: float(failing()))

    def expiring(self, tokens: int) -> None:
        """Note how many tokens end soon."""
        self._expiring.set(tokens)

    def certificate_ends(self, file: str, timestamp: float) -> None:
        """Note when a certificate ends; ``file`` is the name of the setting, never a path."""
        self._certificates.labels(file).set(timestamp)

    def began(self) -> None:
        """Count a request until it is answered."""
        self._in_flight.inc()

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request that began; ``route`` is its template."""
        self._in_flight.dec()
        self._requests.labels(route, f"{status // 100}xx").inc()
        self._request_seconds.labels(route).observe(seconds)

    def handled(self, operation: str, faces: int) -> None:
        """Count faces of an operation that succeeded."""
        self._faces.labels(operation).inc(faces)

    def recovery(self, outcome: str, fidelity: str = _NO_FIDELITY) -> None:
        """Count an attempt by how it ended."""
        self._recoveries.labels(outcome, fidelity).inc()

    def audit_failed(self) -> None:
        """Count an audit entry that was not committed."""
        self._audit_failures.inc()

    def shipping_failed(self) -> None:
        """Count a checkpoint that did not get out."""
        self._unshipped.inc()

    def keys_failed(self) -> None:
        """Count a key custody that did not answer, or refused to."""
        self._key_errors.inc()

    def spent(self, phase: str, seconds: float) -> None:
        """Time of one phase of an operation."""
        self._phase_seconds.labels(phase).observe(seconds)

    def evaluated(self, seconds: float, faces: int) -> None:
        """Time and size of one evaluation of the network."""
        self._device_seconds.inc(seconds)
        self._batch.observe(faces)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer scrapes at an address of their own, in a thread of their own; returns what ends it.

        Raises:
            OSError: it cannot be bound.
        """
        server, thread = start_http_server(port, host, self._registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)
