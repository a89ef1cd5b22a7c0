"""The hub: channels, their readers, and what each batch of events means for them.

A raw channel sends one message for each batch, the others send at intervals. Of an account's own channels no message
is left out: the server closes a reader that is too slow for them, and the client resumes by sequence.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any

import numpy as np

from engine.code_values import FLAG_FORCED, FLAG_TAKER
from gateway.market_data.account_topics import UserTopic, make_user_topic
from gateway.market_data.public_topics import (
    BookTopic,
    KindTradesTopic,
    LiquidationsTopic,
    Reader,
    Topic,
    TradesTopic,
    make_topic,
)
from gateway.read_model import event_fold, render
from gateway.read_model.history_views import HISTORY_ROW_BYTES, closed_by_force, trade_view
from gateway.read_model.projection import Projection
from gateway.read_model.segments import Segment
from gateway.wire.channels import Channel

_SHOWS_STATE = frozenset(
    {
        "ticker",
        "incremental_ticker",
        "quote",
        "perpetual",
        "index",
        "grouped_book",
        "user.portfolio",
        "user.positions",
        "user.notices",
    }
)


MARKED_PER_TURN = 100
"""How many channels of accounts say what a mark tick brought in one turn of `tick`: 1,000 a second. With more of them
each says it less often."""


def shows_state(channel: Channel) -> bool:
    """Whether the first message on a channel is an answer, made of all that was received before."""
    return channel.kind in _SHOWS_STATE


class Hub:
    """All topics that have readers."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._topics: dict[tuple[str, int], Topic] = {}
        self._books: defaultdict[int, list[BookTopic]] = defaultdict(list)
        self._trades: defaultdict[int, list[TradesTopic]] = defaultdict(list)
        self._kind_trades: list[KindTradesTopic] = []
        self._liquidations: defaultdict[int, list[LiquidationsTopic]] = defaultdict(list)
        self._users: defaultdict[int, list[UserTopic]] = defaultdict(list)
        self._marked: dict[UserTopic, None] = {}
        """The channels that are to say what a mark tick brought, the one that waits longest first."""
        self._mark_ticks = 0

    # --- readers --------------------------------------------------------------------------------------------------

    def join(self, reader: Reader, channel: Channel) -> None:
        """Subscribe a reader; a channel that has a state sends it at once."""
        key = (channel.name, channel.account_slot)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = self._open(channel)
        topic.join(reader)

    def _open(self, channel: Channel) -> Topic:
        if channel.is_private:
            user = make_user_topic(channel, self._projection)
            self._users[channel.account_slot].append(user)
            return user
        topic = make_topic(channel, self._projection)
        if isinstance(topic, BookTopic):
            self._books[channel.contract_slot].append(topic)
        elif isinstance(topic, LiquidationsTopic):
            self._liquidations[channel.contract_slot].append(topic)
        elif isinstance(topic, TradesTopic):
            self._trades[channel.contract_slot].append(topic)
        elif isinstance(topic, KindTradesTopic):
            self._kind_trades.append(topic)
        return topic

    def leave(self, reader: Reader, name: str, account_slot: int) -> None:
        """Unsubscribe a reader; a channel without readers is removed."""
        for slot in (-1, account_slot):
            topic = self._topics.get((name, slot))
            if topic is not None:
                topic.leave(reader)
                if not topic.readers:
                    self._close((name, slot), topic)

    def _close(self, key: tuple[str, int], topic: Topic) -> None:
        del self._topics[key]
        if isinstance(topic, BookTopic):
            self._books[topic.channel.contract_slot].remove(topic)
        elif isinstance(topic, LiquidationsTopic):
            self._liquidations[topic.channel.contract_slot].remove(topic)
        elif isinstance(topic, TradesTopic):
            self._trades[topic.channel.contract_slot].remove(topic)
        elif isinstance(topic, KindTradesTopic):
            self._kind_trades.remove(topic)
        elif isinstance(topic, UserTopic):
            self._marked.pop(topic, None)
            self._users[key[1]].remove(topic)
            if not self._users[key[1]]:
                del self._users[key[1]]

    def catch_up(self, reader: Reader) -> None:
        """A slow reader takes messages again: it gets what it missed, as one message for each channel.

        It counts as slow until the end of this, so that what a channel publishes meanwhile does not reach it twice.
        """
        for topic, mark in list(reader.behind.items()):
            topic.catch_up(reader, mark)
        reader.behind.clear()
        reader.is_slow = False

    # --- batches --------------------------------------------------------------------------------------------------

    def batch(self, events: Any, written: tuple[Segment, int, int]) -> None:
        """Publish a batch that was folded: its EVENT rows and its history rows."""
        segment, first, end = written
        if not self._topics:
            return
        if end > first and (self._kind_trades or any(self._trades.values())):
            self._legs(segment, first, end)
        if end > first and any(self._liquidations.values()):
            self._forced_legs(segment, first, end)
        if self._users and len(events):
            self._tell_users(events)
        if any(self._books.values()):
            self._move_books()
        self._flush_raw()

    def _move_books(self) -> None:
        """Tell the topics of each book what moved. While a book has none, its changes are folded when one is opened."""
        for contract_slot, moves in self._projection.books.fold():
            for topic in self._books.get(contract_slot, ()):
                topic.moved(moves)

    def _legs(self, segment: Segment, first: int, end: int) -> None:
        kinds = segment.legs["kind"][first:end]
        for index in np.flatnonzero(kinds == event_fold.TRADE_KIND).tolist():
            leg = segment.legs[first + index]
            contract = self._projection.contract_at(int(leg["contract_slot"]))
            topics = self._trades.get(contract.slot, ())
            of_kind = [topic for topic in self._kind_trades if topic.wants(contract)]
            if (topics or of_kind) and int(leg["flags"]) & FLAG_TAKER:
                trade = trade_view(segment.data, (first + index) * HISTORY_ROW_BYTES)
                data = render.trade(contract, trade)
                for topic in topics:
                    topic.traded(trade, data)
                for kind_topic in of_kind:
                    kind_topic.traded(data)

    def _forced_legs(self, segment: Segment, first: int, end: int) -> None:
        """Forced closings, for the readers of the liquidation channels."""
        rows = segment.legs[first:end]
        forced = (rows["kind"] == event_fold.TRADE_KIND) & (rows["flags"] & FLAG_FORCED != 0)
        for index in np.flatnonzero(forced).tolist():
            contract = self._projection.contract_at(int(rows[index]["contract_slot"]))
            closed = closed_by_force(segment.data, (first + index) * HISTORY_ROW_BYTES)
            if closed is None:
                continue
            data = render.liquidation(contract, *closed)
            for topic in self._liquidations.get(contract.slot, ()):
                topic.traded(closed[0], data)

    def _tell_users(self, events: Any) -> None:
        """Tell accounts that have readers what the batch means for them, command by command."""
        accounts = events["account_slot"]
        for account_slot in self._users.keys() & set(accounts.tolist()):
            topics = self._users[account_slot]
            kinds = frozenset(events["kind"][accounts == account_slot].tolist())
            for topic in topics:
                topic.touched(kinds)
            for _, reports in groupby(self._projection.batch_reports(account_slot), attrgetter("sequence")):
                facts = list(reports)
                for topic in topics:
                    topic.take(facts)

    def _flush_raw(self) -> None:
        public: Iterable[Sequence[Topic]] = chain(
            self._books.values(), self._trades.values(), (self._kind_trades,), self._liquidations.values()
        )
        for topics in public:
            for topic in topics:
                if topic.is_dirty and topic.is_raw:
                    topic.is_dirty = False
                    topic.flush()

    def _follow_mark(self) -> None:
        """Have what follows the mark say what the last mark tick brought, so many of an account's channels at once."""
        mark_ticks = self._projection.mark_ticks if self._users else self._mark_ticks
        if mark_ticks != self._mark_ticks:
            self._mark_ticks = mark_ticks
            for topics in self._users.values():
                self._marked |= dict.fromkeys(topic for topic in topics if topic.follows_mark)
        for topic in list(islice(self._marked, MARKED_PER_TURN)):
            del self._marked[topic]
            topic.marked()

    def tick(self) -> None:
        """Called ten times a second: publish the channels that gather changes or poll a value."""
        self._follow_mark()
        for topic in list(self._topics.values()):
            if topic.is_dirty or topic.is_polled:
                topic.flush()
                topic.is_dirty = False
