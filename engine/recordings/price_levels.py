"""Price levels: what every recording that shows levels and no orders is decoded into, and the reader that follows them.

A decoder turns the recorded bytes into LEVEL rows. `LevelsReader` makes commands of them, each level one anonymous
order, and says what the book should be after each event of the venue: see `level_follower`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from engine.recordings import level_follower as follower
from engine.recordings.batches import Batch, ContractSpec, Wanted
from engine.recordings.checks import BOOK_WORDS, CHECK, EXECUTION, Checks
from engine.recordings.recorded_contracts import refuse_unknown_symbols
from engine.recordings.source import RecordingError, Source
from engine.schema import COMMAND, record

BLOCK_ROWS = 1 << 16
"""The most LEVEL rows of one block, and of one event."""
OUT_ROWS = 1 << 15
MAX_LEVELS = 1 << 20
"""Levels that all contracts may have together: as many as the engine's."""
_FIRST_ROOM = 256
_CELLS_OF_ROW = 4

LEVEL = record(
    [
        ("time_ns", "i8"),
        ("message", "i8"),  # number of the recorded message, from 1
        ("price_ticks", "i8"),
        ("size_lots", "i8"),  # what the level has now, 0: it is gone; of a trade what was traded
        ("contract", "u2"),  # index into the decoder's contracts
        ("side", "u1"),  # Side of the level; of a trade the side of who took
        ("flags", "u1"),  # LevelFlag's bits
        ("pad", "u1", (4,)),
    ]
)
SNAPSHOT, LAST, TRADE = follower.SNAPSHOT, follower.LAST, follower.TRADE
"""Flags: of an event that names every level there is; the end of an event, whose rows are of one contract; a trade,
which is an event of its own."""
_COUNTED = {
    follower.TRADED_ALONE: "trades without a change of their level",
    follower.CROSSED: "levels that a newer one of the other side would trade with",
    follower.SNAPSHOTS: "snapshots",
}

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class LevelBlock:
    """At most BLOCK_ROWS rows in the recording's order, and how many messages were read until their end."""

    rows: Array
    read: int


class LevelDecoder(Protocol):
    """Decodes one recording. `total` is the messages when they are known beforehand, else 0."""

    total: int
    source: Source

    @property
    def format(self) -> str:
        """The format's name."""
        ...

    @property
    def contracts(self) -> list[ContractSpec]:
        """Those of a block are there before the block is given; later ones are only appended."""
        ...

    @property
    def bad(self) -> int:
        """What was left out as malformed, so far."""
        ...

    @property
    def ignored(self) -> dict[str, int]:
        """What has no effect, so far, by its name."""
        ...

    @property
    def seen(self) -> set[str]:
        """Every symbol met so far, wanted or not."""
        ...

    def blocks(self) -> Iterator[LevelBlock]:
        """The whole recording, in order. BadLineError or RecordingError where it is damaged."""
        ...


@runtime_checkable
class Checksummed(Protocol):
    """A decoder of a recording in which the venue tells checksums of its books; each is compared once."""

    most_levels: int
    """How many levels a side of a book has at most."""

    def compare(self, message: int, contract: int, image: Array) -> None:
        """Compare the book after a message with its checksum."""
        ...


class LevelsReader:
    """Follows a decoder. `depth` levels of each contract's book are compared after each of its events.

    What is compared is what the recording says of each level, kept by this reader. With `wanted.from_ns` what comes
    before is followed in silence, and enters as new orders at that time.
    """

    has_clock = True
    is_log = False
    accounts = 1

    def __init__(self, decoder: LevelDecoder, depth: int = 10, wanted: Wanted | None = None) -> None:
        self.decoder, self.depth, self.wanted = decoder, depth, wanted or Wanted()
        self._checksummed = decoder if isinstance(decoder, Checksummed) else None
        self.contract = ContractSpec(decoder.format.upper())
        self._state = np.zeros(follower.STATE_WORDS, np.int64)
        self._book = follower.Ladders(
            np.zeros((0, follower.LEVEL_WORDS), np.int64),
            np.zeros((0, follower.LADDER_WORDS), np.int64),
            np.zeros((follower.MAX_WAITING, follower.TRADE_WORDS), np.int64),
            np.zeros((_CELLS_OF_ROW * BLOCK_ROWS, 4), np.int64),
        )
        self._out = self._new_out(OUT_ROWS)
        self._muted = self.wanted.from_ns > 0
        self._read, self._time_ns = 0, 0

    @property
    def format(self) -> str:
        """The decoder's."""
        return self.decoder.format

    @property
    def contracts(self) -> list[ContractSpec]:
        """The decoder's, as far as they have appeared."""
        return self.decoder.contracts

    @property
    def bad(self) -> int:
        """What was left out because it is malformed."""
        return self.decoder.bad

    @property
    def total(self) -> int:
        """The messages when they are known beforehand, else 0."""
        return self.decoder.total

    @property
    def ignored(self) -> dict[str, int]:
        """What had no effect on the book or was changed: the decoder's counts, and those of the levels."""
        said = {name: int(self._state[place]) for place, name in _COUNTED.items()}
        said["trades at the end without a change of their level"] = int(self._state[follower.WAITING])
        return dict(self.decoder.ignored) | {name: count for name, count in said.items() if count}

    def batches(self) -> Iterator[Batch]:
        """The whole recording."""
        rest = np.zeros(0, LEVEL)
        for block in self.decoder.blocks():
            rows, start = np.concatenate([rest, block.rows]) if len(rest) else block.rows, 0
            self._add_ladders()
            self._state[follower.MOST_LEVELS] = self._checksummed.most_levels if self._checksummed else 0
            if self._muted:
                start = _first_event(rows, self.wanted.from_ns)
                for _ in self._follow(rows[:start]):
                    continue
                if start < len(rows):
                    yield self._seeded(int(rows["time_ns"][start]), int(rows["message"][start]) - 1)
                else:
                    start = int(self._state[follower.AT])
            yield from self._follow(rows[start:])
            rest = rows[start + self._state[follower.AT] :].copy()
            if len(rest) > BLOCK_ROWS:
                where = f"{self.decoder.source.name}, message {rest['message'][0]:,}"
                raise RecordingError(f"{where}: begins an event of more than {BLOCK_ROWS:,} levels")
            self._read, self._time_ns = block.read, int(rows["time_ns"][-1]) if len(rows) else self._time_ns
            if not self._muted:
                yield self._flush(int(rest["message"][0]) - 1 if len(rest) else block.read)
        if self._muted:
            yield self._seeded(self._time_ns, self._read)
        refuse_unknown_symbols(self.wanted, self.decoder.seen)

    def _follow(self, rows: Array) -> Iterator[Batch]:
        """The batches that are full; the last one stays to be flushed."""
        state = self._state
        state[follower.AT] = 0
        while True:
            why = follower.follow(self._book, self._out, state, rows)
            if why == follower.ENDED:
                return
            if why == follower.FULL:
                yield self._flush(int(rows["message"][state[follower.AT]]) - 1)
                if state[follower.WANTS] > len(self._out.rows):
                    self._out = self._new_out(2 * int(state[follower.WANTS]))
            else:
                self._make_room(int(state[follower.OF]), int(state[follower.WANTS]))

    def _new_out(self, rows: int) -> follower.Written:
        return follower.Written(
            np.zeros(rows, COMMAND),
            np.zeros(rows, np.int64),
            np.zeros(OUT_ROWS, CHECK),
            np.zeros(rows, EXECUTION),
            np.zeros((OUT_ROWS, self.depth, BOOK_WORDS), np.int64),
        )

    def _flush(self, read: int) -> Batch:
        """What was written since the last flush."""
        state, out = self._state, self._out
        rows, places = int(state[follower.ROWS]), (follower.CHECKS, follower.EXECUTIONS, follower.BOOKS)
        checks, executions, books = (int(state[place]) for place in places)
        for place in (follower.ROWS, *places):
            state[place] = 0
        self._out = self._new_out(OUT_ROWS)
        said = Checks(out.checks[:checks], out.executions[:executions], out.books[:books])
        if self._checksummed:
            for place, row in enumerate(said.rows.tolist()):
                self._checksummed.compare(row[1], row[2], said.books[place])
        return Batch(out.rows[:rows], out.messages[:rows], out.messages[:rows], read, said)

    def _add_ladders(self) -> None:
        """Two ladders for each contract that has appeared."""
        missing = 2 * len(self.decoder.contracts) - len(self._book.ladders)
        if missing > 0:
            more = np.zeros((missing, follower.LADDER_WORDS), np.int64)
            self._book = self._book._replace(ladders=np.concatenate([self._book.ladders, more]))

    def _make_room(self, ladder: int, levels: int) -> None:
        """Move a ladder to the end of the pool, with room for so many levels and as many again."""
        pool, ladders = self._book.pool, self._book.ladders
        if ladders[:, follower.COUNT].sum() + levels > MAX_LEVELS:
            reason = f"more than {MAX_LEVELS:,} levels at a time; name the contracts wanted with --symbols"
            raise RecordingError(f"{self.decoder.source.path}: {reason}")
        room = max(_FIRST_ROOM, 2 * levels)
        places: list[Array] = []
        for index in range(len(ladders)):
            count, start, had = ladders[index].tolist()
            kept = np.zeros((room if index == ladder else had, follower.LEVEL_WORDS), np.int64)
            kept[:count] = pool[start : start + count]
            ladders[index, follower.START] = sum(map(len, places))
            ladders[index, follower.ROOM] = len(kept)
            places.append(kept)
        self._book = self._book._replace(pool=np.concatenate(places))

    def _seeded(self, time_ns: int, message: int) -> Batch:
        """What rests at the time from which the recording is wanted, as new orders."""
        self._muted = False
        self._flush(message)
        self._out = self._new_out(max(OUT_ROWS, int(self._book.ladders[:, follower.COUNT].sum())))
        follower.seed(self._book, self._out, self._state, time_ns, message)
        return self._flush(message)


def _first_event(rows: Array, from_ns: int) -> int:
    """Where the first event begins that has a row of that time or later; how many rows there are when none does."""
    late = np.flatnonzero(rows["time_ns"] >= from_ns)
    if not len(late):
        return len(rows)
    ends = np.flatnonzero(rows["flags"][: late[0]] & LAST)
    return int(ends[-1]) + 1 if len(ends) else 0
