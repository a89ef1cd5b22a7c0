"""The engine's event rows as tuples, which Python makes and reads several times as fast as numpy's rows.

The layout is that of EVENT and NOTICE: `row[KIND_AT]` reads a field of a plain tuple, `Event` and `Notice` give all
fields their names.
"""

from collections import namedtuple
from typing import Any

from engine.row_layout import row_fields, row_places, row_struct
from engine.schema import EVENT, NOTICE

EVENT_STRUCT, NOTICE_STRUCT = row_struct(EVENT), row_struct(NOTICE)

Row = tuple[int, ...]
"""An event row as a plain tuple, laid out as EVENT; from EventKind.NOTICE_FIRST on, as NOTICE."""


def _named(name: str, dtype: Any) -> Any:
    """The named tuple of a record."""
    return namedtuple(name, row_fields(dtype))


Event, Notice = _named("Event", EVENT), _named("Notice", NOTICE)

SEQ_AT, KIND_AT, REASON_AT, ACCOUNT_AT, ORDER_ID_AT, LAST_LOTS_AT = row_places(
    EVENT, "seq", "kind", "reason", "account_slot", "order_id", "last_lots"
)
"""Places in an EVENT tuple; the first two are the same in a NOTICE tuple."""
(NOTICE_REASON_AT,) = row_places(NOTICE, "reason")
"""Its place in a NOTICE tuple."""
