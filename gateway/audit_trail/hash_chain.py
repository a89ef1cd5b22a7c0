"""The hash chain over the records of an export.

It is BLAKE3 over the previous hash and the record as compact JSON in UTF-8 with its keys sorted, so it does not depend
on the format of the file.
"""

from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from gateway.audit_trail.columns import Record

FORMAT = "lionrock audit trail 1"
CHAIN = "chain"
"""The column that holds a record's hash."""
_SORTED = msgspec.json.Encoder(order="sorted")


def genesis(note: str) -> bytes:
    """The hash before the first record."""
    return blake3(f"{FORMAT}\n{note}".encode()).digest()


def link(before: bytes, record: Record) -> bytes:
    """The hash after a record; the record's own hash column is left out."""
    return blake3(before + _SORTED.encode(record)).digest()


def chained(records: Iterable[Record], note: str) -> Iterator[Record]:
    """Number the records and give each its hash."""
    chain = genesis(note)
    for number, given in enumerate(records, 1):
        record = {"number": number} | {name: value for name, value in given.items() if value != ""}
        chain = link(chain, record)
        yield record | {CHAIN: chain.hex()}
