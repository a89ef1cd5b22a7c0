"""Keeps the index of a running venue fed: live sources and scripted prices, as decided now."""

import asyncio
import logging

from gateway.index_feeds.index_publisher import IndexPublisher, routes_of
from gateway.index_feeds.scripted import SCRIPTED, IndexScriptError, IndexWalk
from gateway.index_feeds.sources import Sources
from gateway.net.loop_turns import Turns
from gateway.venue.venue import Venue
from gateway.wire.command_rows import index_row

INDEX_SECONDS = 0.5
_LOG = logging.getLogger("lionrock.feeds")


class IndexPrices:
    """Gives each contract's prices twice a second; sources that change are connected to anew at once."""

    def __init__(self, venue: Venue, turns: Turns) -> None:
        self._venue = venue
        self._turns = turns
        self._sources: Sources = {}
        self._publisher: IndexPublisher | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._walks: dict[str, IndexWalk] = {}

    def start(self) -> None:
        """Begin with the sources of now. Raises when one names a contract that is not listed."""
        self._follow(self._venue.decided.sources(), begins=True)
        self._step()
        self._turns.every(INDEX_SECONDS, self._step)

    def refresh(self) -> None:
        """Take over sources that were changed."""
        sources = self._venue.decided.sources()
        if sources != self._sources:
            _LOG.warning("the index has other sources now: %s", ", ".join(map(_told, sources.items())) or "none")
            self._follow(sources)

    def stop(self) -> None:
        """End the connections."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _follow(self, sources: Sources, begins: bool = False) -> None:
        """`begins`: scripted prices wander on from the index of the log, as if the venue had not been away."""
        find = self._venue.projection.contract
        self.stop()
        routes = routes_of(sources)
        self._publisher = IndexPublisher(routes, find, self._venue.time) if routes else None
        if self._publisher is not None:
            self._tasks = [self._turns.loop.create_task(source.run()) for source in self._publisher.sources]
        walks = {}
        for name, (first, *_) in sources.items():
            contract = find(name)
            if first.venue == SCRIPTED:
                if contract is None:
                    raise IndexScriptError(f"scripted_index: {name} is not listed")
                is_new = sources[name] != self._sources.get(name)
                walks[name] = IndexWalk(contract, first.pair) if is_new else self._walks[name]
                last_subticks = self._venue.projection.ticker(contract.slot).index_subticks
                if begins and last_subticks:
                    walks[name].go_on_from(last_subticks)
        self._walks, self._sources = walks, sources

    def _step(self) -> None:
        now_ns = self._venue.time.now_ns()
        rows = self._publisher.rows(now_ns) if self._publisher is not None else []
        for walk in self._walks.values():
            rows += [index_row(walk.contract.slot, place, price, now_ns) for place, price in enumerate(walk.step())]
        if rows:
            for row in rows:
                self._venue.sequencer.submit(row, None, None)
            self._turns.touch()


def _told(item: tuple[str, tuple[object, ...]]) -> str:
    return f"{item[0]} {' '.join(dict.fromkeys(map(str, item[1])))}"
