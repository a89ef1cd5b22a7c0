"""The reader of every recording of single orders: a decoder's LIFE rows as batches of commands and checks."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from engine.recordings.batches import EVERYTHING, Batch, ContractSpec, Reader, Wanted
from engine.recordings.checks import Checks
from engine.recordings.life_commands import new_out
from engine.recordings.live_orders import (
    ADDED_AGAIN,
    BOOKS,
    CHECKS,
    CROSSED,
    DONE,
    EXECUTIONS,
    FROM_REACHED,
    IS_MUTE,
    LIVE,
    NEED,
    OUT_FULL,
    OVERRUN,
    ROWS,
    UNKNOWN,
    Array,
    grown,
    new_follower,
)
from engine.recordings.order_follower import follow, seed
from engine.recordings.order_lives import BLOCK_ROWS, LIFE, LifeAction, LifeBlock, LifeDecoder
from engine.recordings.recorded_contracts import refuse_unknown_symbols
from engine.recordings.source import RecordingError

OUT_ROWS = 1 << 15
_COUNTED = {
    **{UNKNOWN + action: f"{action.name} of an order that never came" for action in LifeAction},
    ADDED_AGAIN: "orders that came again under an id that rested",
    OVERRUN: "orders that gave more than they had",
    CROSSED: "ends of events with a crossed book, which is not compared",
}


class LivesReader:
    """Follows a decoder. `depth` levels of each contract's book are compared after each of its events.

    What is compared is what the recording says of each order, added up by this reader: see `order_follower`. With
    `wanted.from_ns` what comes before is followed in silence, and enters as new orders at that time.
    """

    has_clock = True
    is_log = False
    accounts = 1

    def __init__(self, decoder: LifeDecoder, depth: int = 10, wanted: Wanted = EVERYTHING) -> None:
        self.decoder, self.depth, self.wanted = decoder, depth, wanted
        self.contract = ContractSpec(decoder.format.upper())
        self._follower = new_follower(self.wanted.from_ns)
        self._out = new_out(OUT_ROWS, depth)
        self._read = 0
        self._ahead: list[LifeBlock] = []
        self._blocks = decoder.blocks()

    def find_contract(self) -> ContractSpec:
        """The first contract; reads on until it appears. RecordingError when there is none."""
        while not self.contracts:
            block = next(self._blocks, None)
            if block is None:
                refuse_unknown_symbols(self.wanted, self.decoder.seen)
                raise RecordingError(f"a {self.format} recording without an order")
            self._ahead.append(block)
        return self.contracts[0]

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
        """What had no effect on the book: the decoder's counts, and those of orders that never came."""
        counts = self._follower.counts.tolist()
        return dict(self.decoder.ignored) | {name: counts[place] for place, name in _COUNTED.items() if counts[place]}

    def batches(self) -> Iterator[Batch]:
        """The whole recording; the executions of one aggressor are never parted by the end of a block."""
        rest = np.zeros(0, LIFE)
        for block in chain(self._ahead, self._blocks):
            rows = np.concatenate([rest, block.rows]) if len(rest) else block.rows
            whole = _whole(rows)
            rest = rows[whole:].copy()
            read = int(rest["message"][0]) - 1 if len(rest) else block.read
            yield from self._follow(LifeBlock(rows[:whole], read))
            self._read = block.read
        yield from self._follow(LifeBlock(rest, self._read))
        if self._follower.head[IS_MUTE]:
            yield self._seeded()
        refuse_unknown_symbols(self.wanted, self.decoder.seen)

    def _follow(self, block: LifeBlock) -> Iterator[Batch]:
        follower, done = self._follower, 0
        while True:
            done, reason = follow(follower, block.rows, done, self._out)
            if reason in (DONE, OUT_FULL):
                read = block.read if reason == DONE else int(block.rows["message"][done]) - 1
                yield self._flush(read, int(follower.head[NEED]) if reason == OUT_FULL else 0)
                if reason == DONE:
                    return
            elif reason == FROM_REACHED:
                yield self._seeded()
            else:
                self._follower = follower = grown(follower, reason)

    def _seeded(self) -> Batch:
        """What rests at the time from which the recording is wanted."""
        self._out = new_out(int(self._follower.head[LIVE]), self.depth)
        seed(self._follower, self._out)
        return self._flush(self._read)

    def _flush(self, read: int, need: int = 0) -> Batch:
        """What was written so far, and room for `need` rows at least."""
        head, out = self._follower.head, self._out
        rows, messages = int(head[ROWS]), out.messages[: head[ROWS]]
        checks = Checks(out.checks[: head[CHECKS]], out.executions[: head[EXECUTIONS]], out.books[: head[BOOKS]])
        head[[ROWS, CHECKS, EXECUTIONS, BOOKS]] = 0
        self._out = new_out(max(OUT_ROWS, need), self.depth)
        return Batch(out.commands[:rows], messages, messages, read, checks)


def choose_contract(reader: Reader, option: str) -> None:
    """Where a recording's orders all become one contract's: name it. RecordingError unless one symbol is chosen."""
    if isinstance(reader, LivesReader):
        if len(reader.wanted.symbols) != 1:
            raise RecordingError(
                f"{option}: a {reader.format} recording may hold several contracts; name one with --symbols"
            )
        reader.contract = reader.find_contract()


def refuse_other_contracts(commands: Array, option: str) -> None:
    """RecordingError when commands are of another contract than the first."""
    if len(commands) and commands["contract_slot"].max() > 0:
        raise RecordingError(f"{option}: the recording holds several contracts, and this takes one alone")


def _whole(rows: Array) -> int:
    """How many rows may be followed before the next block is seen: the last executions may go on there."""
    size = len(rows)
    if not size or size >= 2 * BLOCK_ROWS or rows["action"][-1] != LifeAction.EXECUTE:
        return size
    last = rows[-1]
    others = (
        (rows["action"] != LifeAction.EXECUTE)
        | (rows["time_ns"] != last["time_ns"])
        | (rows["contract"] != last["contract"])
    )
    places = np.flatnonzero(others)
    return int(places[-1]) + 1 if len(places) else 0
