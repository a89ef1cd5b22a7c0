"""Turns quotes of live sources into INDEX_PRICE rows; routes say which pair is which source of which contract."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from engine.units import SUBTICKS
from gateway.clock import VenueTime
from gateway.index_feeds.adapters import ADAPTERS
from gateway.index_feeds.scripted import SCRIPTED
from gateway.index_feeds.source_connection import Source
from gateway.index_feeds.sources import FeedScriptError, Sources
from gateway.wire.command_rows import index_row
from gateway.wire.decimals import Contract


@dataclass(frozen=True)
class Route:
    """One pair of one venue as a source of a contract's index."""

    contract: str
    source: int
    venue: str
    pair: str


def routes_of(sources: Sources) -> list[Route]:
    """A route for each live source, in its place."""
    return [
        Route(contract, place, source.venue, source.pair)
        for contract, found in sources.items()
        for place, source in enumerate(found)
        if source.venue != SCRIPTED
    ]


def price_subticks(price: Decimal, contract: Contract) -> int:
    """A price in 1/1000 of the contract's tick, to the nearest."""
    tick = Decimal(contract.tick.mantissa).scaleb(contract.tick.exponent)
    return int((price / tick * SUBTICKS).to_integral_value(ROUND_HALF_EVEN))


class IndexPublisher:
    """Gives the prices of live books as commands. A contract's sources are pairs, and each lives by itself."""

    def __init__(
        self,
        routes: list[Route],
        find: Callable[[str], Contract | None],
        time: VenueTime,
        urls: Mapping[str, str] | None = None,
    ) -> None:
        """`time` says when messages come; `urls` are those of venues that are somewhere else than usual."""
        self._routes = routes
        self._find = find
        for route in routes:
            if find(route.contract) is None:
                raise FeedScriptError(f"index_feeds: {route.contract} is not listed")
        venues = sorted({route.venue for route in routes})
        self._by_venue = {venue: self._source(venue, urls or {}, time) for venue in venues}

    @property
    def sources(self) -> list[Source]:
        """The feed of each venue that a route names."""
        return list(self._by_venue.values())

    def _source(self, venue: str, urls: Mapping[str, str], time: VenueTime) -> Source:
        pairs = dict.fromkeys(route.pair for route in self._routes if route.venue == venue)
        adapter = ADAPTERS[venue](pairs)
        adapter.url = urls.get(venue, adapter.url)
        return Source(adapter, time)

    def rows(self, now_ns: int) -> list[bytes]:
        """One INDEX_PRICE row for each source whose book is alive, with the time of the last message about that book.

        The row is repeated with that time until it is stale: what the engine refuses now, as too far from an index that
        moves, may count in a moment.
        """
        found = []
        for route in self._routes:
            price, contract = self._by_venue[route.venue].price(route.pair, now_ns), self._find(route.contract)
            if price is not None and contract is not None:
                subticks = price_subticks(price.price, contract)
                found.append(index_row(contract.slot, route.source, subticks, price.time_ns))
        return found
