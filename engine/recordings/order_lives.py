"""The lives of single orders: what every recording that names each order is decoded into.

A decoder turns the recorded bytes into LIFE rows, a block at a time; `LivesReader` makes commands of them and says what
the book should be. All of a recording's formats share these rows, so that a rule about orders has one home.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Protocol

import numpy as np

from engine.recordings.batches import ContractSpec
from engine.schema import record

BLOCK_ROWS = 1 << 16
"""The most LIFE rows of one block: what a reader holds of a recording does not grow with the recording."""

LIFE = record(
    [
        ("time_ns", "i8"),
        ("order_id", "i8"),  # as recorded; any 64 bits
        ("new_order_id", "i8"),  # REPLACE: the order that takes its place
        ("price_ticks", "i8"),
        ("size_lots", "i8"),
        ("message", "i8"),  # number of the recorded message, from 1
        ("contract", "u2"),  # index into the decoder's contracts
        ("action", "u1"),  # LifeAction
        ("side", "u1"),  # Side of the resting order; 0: the follower looks it up
        ("flags", "u1"),  # LifeFlag
        ("pad", "u1", (3,)),
    ]
)


class LifeAction(IntEnum):
    """What happened to an order. Prices and sizes matter only where they are named."""

    ADD = 1
    """It rests at `price_ticks` with `size_lots`, behind the others of its price."""
    REDUCE = 2
    """`size_lots` are taken away and its priority stays; with nothing left it is gone."""
    RESIZE = 3
    """It is left with `size_lots` at `price_ticks` (0: its price); only less at the same price keeps its priority."""
    DELETE = 4
    """It is gone."""
    EXECUTE = 5
    """It gave `size_lots` to an aggressor."""
    REPLACE = 6
    """It is gone, and `new_order_id` rests at `price_ticks` with `size_lots`, on its side."""
    CLEAR = 7
    """All orders of the contract are gone."""
    TRADE = 8
    """A trade that touched no visible order."""
    STATUS = 9
    """Nothing happened to an order."""


class LifeFlag(IntFlag):
    """What else a row says."""

    SNAPSHOT = 1
    """Of a snapshot of the book: an order that rests already, not one that has just come."""
    LAST = 2
    """The end of one event of the venue: the book may be compared after it."""
    AGGRESSOR = 4
    """An EXECUTE that begins a new aggressor, although the execution before it has the same time and side."""


@dataclass(frozen=True, slots=True)
class LifeBlock:
    """At most BLOCK_ROWS rows in the recording's order, and how many messages were read until their end."""

    rows: np.ndarray[Any, Any]
    read: int


class LifeDecoder(Protocol):
    """Decodes one recording. It decides nothing about books: it does not look at what rests.

    `contracts` is indexed by LIFE's `contract`; a block's contracts stand there before the block is given, later ones
    are only appended, at most MAX_CONTRACTS. `seen`: the names of all that were met, wanted or not.
    """

    contracts: list[ContractSpec]
    seen: set[str]

    @property
    def format(self) -> str:
        """The format's name."""
        ...

    @property
    def total(self) -> int:
        """Its messages when they are known beforehand, else 0."""
        ...

    @property
    def bad(self) -> int:
        """What was left out as malformed, so far."""
        ...

    @property
    def ignored(self) -> dict[str, int]:
        """What has no effect, so far, by its name."""
        ...

    def blocks(self) -> Iterator[LifeBlock]:
        """The whole recording, in order. BadLineError or RecordingError where it is damaged."""
        ...
