"""A market of price levels, written naively: what the tests of level readers write files from and compare with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from engine.recordings.batches import Book, Reader
from engine.recordings.checks import book_of

Sides = tuple[dict[int, int], dict[int, int]]
"""Quantity by price: bids, asks."""
Row = tuple[int, int, int]
"""(side 0 bid 1 ask, price in ticks, quantity in lots now)."""


@dataclass
class Event:
    """One event of the venue. `trades` happened just before and are part of the change: (taker buys, price, lots)."""

    symbol: str
    time_us: int
    snapshot: bool
    rows: list[Row]
    trades: list[tuple[bool, int, int]] = field(default_factory=list)


class Market:
    """Draws events of some symbols and keeps their books."""

    def __init__(
        self, seed: int, symbols: tuple[str, ...] = ("BTC-PERPETUAL", "ETH-PERPETUAL"), levels: int = 30
    ) -> None:
        self.draw, self.levels = Random(seed), levels
        self.books: dict[str, Sides] = {name: ({}, {}) for name in symbols}
        self.middle = dict.fromkeys(symbols, 5000)
        self.time_us = 1_700_000_000_000_000

    def events(self, count: int) -> Iterator[Event]:
        """About so many events, each symbol's first one a snapshot; no two snapshots follow each other then."""
        for name in self.books:
            yield self.snapshot(name)
        last = True
        for _ in range(count):
            name = self.draw.choice(list(self.books))
            kind = self.draw.random()
            drawn = self.snapshot if kind < 0.02 and not last else self.sweep if kind < 0.4 else self.change
            event = drawn(name)
            if event.rows:
                last = event.snapshot
                yield event

    def tick(self) -> int:
        """The time of the next event."""
        self.time_us += self.draw.randrange(1, 5000)
        return self.time_us

    def snapshot(self, name: str) -> Event:
        """A new book, as after a gap."""
        middle = self.middle[name]
        bids = {
            middle - 1 - step: self.draw.randrange(1, 500) for step in range(self.levels) if self.draw.random() < 0.8
        }
        asks = {
            middle + 1 + step: self.draw.randrange(1, 500) for step in range(self.levels) if self.draw.random() < 0.8
        }
        self.books[name] = bids, asks
        rows = [(0, price, lots) for price, lots in sorted(bids.items(), reverse=True)]
        return Event(name, self.tick(), True, rows + [(1, price, lots) for price, lots in sorted(asks.items())])

    def sweep(self, name: str) -> Event:
        """An aggressor takes from the best levels; the event names what is left of them."""
        buys = self.draw.random() < 0.5
        book, rows, trades = self.books[name][int(buys)], [], []
        for price in sorted(book, reverse=not buys)[: self.draw.randrange(1, 4)]:
            taken = book[price] if self.draw.random() < 0.7 else self.draw.randrange(1, book[price] + 1)
            left = book[price] - taken
            part = self.draw.randrange(taken + 1)
            trades += [(buys, price, lots) for lots in (part, taken - part) if lots]
            rows.append((int(buys), price, left))
            if left:
                book[price] = left
                break
            del book[price]
        return Event(name, self.tick(), False, rows, trades)

    def change(self, name: str) -> Event:
        """Some levels are set; now and then the whole market moves through where the other side was."""
        bids, asks = self.books[name]
        if self.draw.random() < 0.3:
            self.middle[name] += self.draw.randrange(-8, 9)
        middle, rows = self.middle[name], []
        for side, book in ((0, bids), (1, asks)):
            for price in [price for price in book if (price >= middle) == (side == 0) or price == middle]:
                rows.append((side, price, 0))
        for _ in range(self.draw.randrange(1, 6)):
            side = self.draw.randrange(2)
            price = middle + (1 + self.draw.randrange(self.levels)) * (1 if side else -1)
            rows.append((side, price, self.draw.choice([0, 0, self.draw.randrange(1, 500)])))
        self.draw.shuffle(rows)
        for side, price, lots in rows:
            self.books[name][side].pop(price, None)
            if lots:
                self.books[name][side][price] = lots
        return Event(name, self.tick(), False, rows)

    def best(self, name: str, levels: int) -> Book:
        """The best levels of a book."""
        bids, asks = self.books[name]
        return sorted(bids.items(), reverse=True)[:levels], sorted(asks.items())[:levels]


def books_of(reader: Reader) -> list[Book]:
    """The books of a recording of levels after each of its events."""
    return [book_of(image) for batch in reader.batches() for image in batch.checks.books]
