"""`/metrics`: the venue's figures in Prometheus' text format, gathered when somebody asks and never for a message.

The registry is the venue's own; nothing is kept in prometheus_client's global one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gateway.operations import folder_metrics, machine_metrics, market_metrics, trading_metrics
from gateway.operations.families import counters, gauges, histograms
from gateway.operations.health_pages import HealthPages, Page
from gateway.venue.stage_times import Histogram
from gateway.venue.venue import Venue


class PortCount(NamedTuple):
    """Who is connected to one of the venue's ports."""

    port: str
    http: int
    anonymous: int
    logged_in: int
    slow: int
    limit: int
    turned_away: int


class Metrics:
    """The page of a venue. `ports` counts who is connected; `loop_lag` is how late the loop's timers were."""

    def __init__(
        self, venue: Venue, health: HealthPages, ports: Callable[[], list[PortCount]], loop_lag: Histogram
    ) -> None:
        self._venue = venue
        self._health = health
        self._ports = ports
        self._loop_lag = loop_lag
        self._counted = trading_metrics.Counted(venue)
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def find(self, path: str) -> Page | None:
        """The page at `/metrics`; None for another path."""
        return (200, generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4) if path == "/metrics" else None

    def collect(self) -> Iterator[Metric]:
        """Every family but those of the process; called by the registry."""
        venue = self._venue
        yield from self._counted.families()
        yield from trading_metrics.families(venue)
        yield from market_metrics.families(venue)
        yield from machine_metrics.families(venue, self._health)
        yield from folder_metrics.families(venue)
        yield from _connections(self._ports())
        lag = {"timers": self._loop_lag}
        yield histograms("loop_lag_seconds", "How late the event loop's timers run, in seconds", "what", lag)


def _connections(ports: Iterable[PortCount]) -> Iterator[Metric]:
    found = list(ports)
    kinds = ("http", "anonymous", "logged_in")
    rows = [((port.port, kind), float(getattr(port, kind))) for port in found for kind in kinds]
    text = "Open connections: http, or websockets without and with a login"
    yield gauges("connections", text, ("port", "kind"), rows)
    slow = [((port.port,), float(port.slow)) for port in found]
    yield gauges("slow_connections", "Websockets that do not read as fast as they are told", ("port",), slow)
    limits = [((port.port,), float(port.limit)) for port in found]
    turned_away = [((port.port,), float(port.turned_away)) for port in found]
    yield counters("connections_turned_away", "Connections for which there was no room", ("port",), turned_away)
    yield gauges("connections_limit", "Open connections at most", ("port",), limits)
