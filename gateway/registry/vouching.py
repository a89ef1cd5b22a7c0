"""What the log vouches for of a change: a hash of its row and of the records that it made.

Each directive of a change carries the hash in the log; a change without directives, a proposal and a rejection have an
ATTEST that does. It is BLAKE3 over the text PREFIX and canonical JSON, `{"change": {...}, "records": [{...}, ...]}`,
with every column of each row that is not empty. So a row that is altered later is not what the log vouches for.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from blake3 import blake3

PREFIX = b"lionrock change 1\n"
_DECISION = ("approver", "approver_key", "decided_ns", "note")
_UNDECIDED, _AT_ONCE = ("proposed", "expired"), "done"
_SORTED = msgspec.json.Encoder(order="sorted")
Row = Mapping[str, Any]


def digest_of(change: Row, records: Iterable[Row]) -> bytes:
    """The hash of a change's row and of its records in the order of their numbers."""
    facts = {"change": _bare(change), "records": [_bare(record) for record in records]}
    return blake3(PREFIX + _SORTED.encode(facts)).digest()


def stages(change: Row, records: Iterable[Row]) -> list[bytes]:
    """What the log vouches for in turn: a proposal when it was made and when it was decided, else what was done."""
    if change["state"] == _AT_ONCE:
        return [digest_of(change, records)]
    proposed = digest_of(as_proposed(change), [])
    return [proposed] if change["state"] in _UNDECIDED else [proposed, digest_of(change, records)]


def as_proposed(change: Row) -> Row:
    """A change's row as it was before it was decided."""
    return {name: value for name, value in change.items() if name not in _DECISION} | {"state": _UNDECIDED[0]}


def _bare(row: Row) -> dict[str, Any]:
    """A row without its empty columns: one that a later release adds changes no hash."""
    return {name: value for name, value in row.items() if value not in (None, "", 0)}
