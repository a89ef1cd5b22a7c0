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


def chained(records: Iterable[Record], note: str) -> Iterator[Record]:
    """Number the records and give each its hash; the last one's note also says how many and the hash before it."""
    chain = genesis(note)
    for number, given in enumerate(records, 1):
        record = {"number": number} | {name: value for name, value in given.items() if value != ""}
        if record["record"] == END:
            record["note"] = closing_note(record["note"], number, chain)
        chain = link(chain, record)
        yield record | {CHAIN: chain.hex()}


def closing_note(note: str, records: int, before: bytes) -> str:
    """The note of the last record: what it says by itself, how many records there are, the hash of the one before."""
    return json.dumps(json.loads(note) | {"records": records, "before": before.hex()}, sort_keys=True)
