"""The hash chain over the records of an export.

It is BLAKE3 over the previous hash and the record as compact JSON in UTF-8 with its keys sorted, so it does not depend
on the format of the file.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from blake3 import blake3

from gateway.audit_trail.columns import Record

FORMAT = "lionrock audit trail 2"
CHAIN = "chain"
"""The column that holds a record's hash."""
END = "end"
"""What the last record of an export is."""
_SORTED = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """JSON in UTF-8, compact, keys sorted: the same bytes for the same facts."""
    return _SORTED.encode(value)


def genesis(note: str) -> bytes:
    """The hash before the first record."""
    return blake3(f"{FORMAT}\n{note}".encode()).digest()


def link(before: bytes, record: Record) -> bytes:
    """The hash after a record; the record's own hash column is left out."""
    return blake3(before + canonical(record)).digest()


def link_all(before: bytes, canonical_texts: memoryview, places: Iterable[list[int]]) -> list[bytes]:
    """The hashes after records whose canonical JSON lies at places; each has room in front for the hash before it."""
    found, size, hasher = [], len(before), blake3()
    for begin, end in places:
        canonical_texts[begin : begin + size] = before
        hasher.reset()  # half as dear as another one
        hasher.update(canonical_texts[begin:end])
        before = hasher.digest()
        found.append(before)
    return found


class Chain:
    """Where a chain stands: how many records it has, and the hash after the last one."""

    def __init__(self, note: str) -> None:
        self.number = 0
        self.hash = genesis(note)

    def add(self, given: Record) -> Record:
        """Number a record and give it its hash; the last one's note also says how many and the hash before it."""
        self.number += 1
        record = {"number": self.number} | {name: value for name, value in given.items() if value != ""}
        if record["record"] == END:
            record["note"] = closing_note(record["note"], self.number, self.hash)
        self.hash = link(self.hash, record)
        return record | {CHAIN: self.hash.hex()}


def chained(records: Iterable[Record], note: str) -> Iterator[Record]:
    """Number the records and give each its hash."""
    chain = Chain(note)
    yield from map(chain.add, records)


def closing_note(note: str, records: int, before: bytes) -> str:
    """The note of the last record: what it says by itself, how many records there are, the hash of the one before."""
    return json.dumps(json.loads(note) | {"records": records, "before": before.hex()}, sort_keys=True)
