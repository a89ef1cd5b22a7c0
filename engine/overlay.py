"""An overlay of the state: a second record of the same layout in which a what-if question is played, and no other.

A kernel that is given an overlay instead of the state is compiled once more. Whatever row it asks for is first copied
from the state, in granules, unless this call has copied it already; all reads and writes then go to the copy. So the
rules that answer "what if" are the very ones that decide, and the state stays as it is, because nobody writes there.
The cost follows what the question touches, not what the state holds.

The fields outside of arrays are copied at the start of each call (`DIRECT`). The arrays are not fields of this record:
they are reached through `row_access` alone, and a kernel that goes round it does not compile for an overlay.
"""

from typing import Any

import numpy as np

from engine.schema import STATE
from engine.units import JIT

GRANULE_BITS = 10
GRANULE_BYTES = 1 << GRANULE_BITS
_FIELDS: dict[str, Any] = dict(STATE.fields or {})
_ARRAYS = tuple(name for name, entry in _FIELDS.items() if entry[0].subdtype is not None)
_PLAIN = [name for name in _FIELDS if name not in _ARRAYS]
_HEADER_END = max(entry[1] + entry[0].itemsize for entry in _FIELDS.values() if entry[1] < _FIELDS[_ARRAYS[0]][1])
_OWN_PLACE = -(-_HEADER_END // GRANULE_BYTES) * GRANULE_BYTES
"""In the gap between the header and the first array: a granule of its own, which no row reaches into."""
_OWN = ("origin_address", "stamps_address", "call", "granules")
"""Where the state begins; by granule, the call that copied it last; the number of this call; how many were copied."""
assert _FIELDS[_ARRAYS[0]][1] // GRANULE_BYTES * GRANULE_BYTES >= _OWN_PLACE + GRANULE_BYTES, "no room for an overlay"

DIRECT = np.array(
    [
        (0, _HEADER_END),
        *((_FIELDS[name][1], _FIELDS[name][0].itemsize) for name in _PLAIN if _FIELDS[name][1] > _HEADER_END),
    ],
    np.int64,
)
"""(first byte, how many) of what is no array."""


def _overlay() -> np.dtype[Any]:
    places = {name: (_FIELDS[name][0], _FIELDS[name][1]) for name in _PLAIN}
    places |= {name: (np.dtype(np.int64), _OWN_PLACE + 8 * index) for index, name in enumerate(_OWN)}
    in_order = sorted(places, key=lambda name: places[name][1])
    return np.dtype(
        {
            "names": in_order,
            "formats": [places[name][0] for name in in_order],
            "offsets": [places[name][1] for name in in_order],
            "itemsize": STATE.itemsize,
        }
    )


OVERLAY = _overlay() if JIT else STATE
"""The layout of an overlay; with the JIT off a copy of the state stands for it."""
