"""The trail in blocks, ready to be written: rows with their texts and hashes, made a block ahead of who writes them.

One thread replays the journal and makes the texts, in compiled code that lets others run meanwhile; the thread that
asks for the blocks links and writes them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.hash_chain import CHAIN, Chain, link_all
from gateway.audit_trail.read_ahead import ahead
from gateway.audit_trail.row_writer import (
    CSV_LINES,
    HASH_BYTES,
    JSON_LINES,
    MAX_ROW_BYTES,
    NO_LINES,
    as_words,
    write_hashes,
    write_rows,
)

_PLACES = 3
BLOCKS_AHEAD = 2
_IN_HANDS = 3
"""Besides those that wait there are a block that is made, one that is handed over, and one that is written."""
Item = Any
"""A record of its own as a dict, or rows: records that have neither number nor hash yet."""


@dataclass
class Block:
    """Rows with their numbers, their lines in the file, and the hash of each; good until the next block is taken."""

    rows: Any
    lines: memoryview
    hashes: bytes

    @property
    def chain(self) -> str:
        """The hash after the last row."""
        return self.hashes[-HASH_BYTES:].hex()

    def behind(self, count: int) -> "Block":
        """The rows and hashes behind so many, without lines."""
        return Block(self.rows[count:], memoryview(b""), self.hashes[count * HASH_BYTES :])


@dataclass
class _Draft:
    """Rows whose texts lack their hashes."""

    rows: Any
    lines: Any
    size: int
    canonical: Any
    places: Any


class _Buffers:
    """Memory for the texts of one block, used again and again: fresh pages cost more than what is written there."""

    def __init__(self) -> None:
        self._lines = self._canonical = np.empty(0, np.uint8)

    def room(self, size: int) -> tuple[Any, Any]:
        """Room for lines, and for canonical JSON."""
        if len(self._lines) < size:
            self._lines, self._canonical = np.empty(size, np.uint8), np.empty(size, np.uint8)
        return self._lines, self._canonical


class _Drafter:
    """Numbers rows and writes their texts."""

    def __init__(self, kind: str) -> None:
        self._number = 1
        self._format = {"csv": CSV_LINES, "jsonl": JSON_LINES}.get(kind, NO_LINES)
        self._buffers = cycle([_Buffers() for _ in range(BLOCKS_AHEAD + _IN_HANDS)])
        self._spans = np.full((len(COLUMNS), _PLACES), -1)

    def draft(self, item: Item) -> Record | _Draft:
        """A record as it is; of rows a draft."""
        if isinstance(item, dict):
            self._number += 1
            return item
        item["number"] = np.arange(self._number, self._number + len(item))
        self._number += len(item)
        lines, canonical = next(self._buffers).room(len(item) * MAX_ROW_BYTES)
        places = np.empty((len(item), _PLACES), np.int64)
        size = int(write_rows(item, as_words(item), (lines, canonical), self._spans, places, self._format))
        return _Draft(item, lines, size, canonical, places)


def _linked(draft: _Draft, chain: Chain) -> Block:
    hashes = link_all(chain.hash, draft.canonical.data, draft.places[:, :2].tolist())
    chain.number += len(hashes)
    chain.hash = hashes[-1]
    data = b"".join(hashes)
    if draft.size:
        write_hashes(draft.lines, draft.places, np.frombuffer(data, np.uint8))
    return Block(draft.rows, draft.lines[: draft.size].data, data)


def linked(items: Iterable[Item], note: str, kind: str) -> Iterator[Record | Block]:
    """Records and blocks with numbers and hashes, for a file of a kind."""
    chain, drafts = Chain(note), map(_Drafter(kind).draft, items)

    def link(item: Record | _Draft) -> Record | Block:
        return chain.add(item) if isinstance(item, dict) else _linked(item, chain)

    # To link takes as long as to write a text, and half as long as to write Parquet. So each thread has as much to do.
    if kind == "parquet":
        yield from ahead(map(link, drafts), BLOCKS_AHEAD)
    else:
        yield from map(link, ahead(drafts, BLOCKS_AHEAD))


def last_chain(item: Record | Block) -> str:
    """The hash after a record or a block."""
    return str(item[CHAIN]) if isinstance(item, dict) else item.chain
