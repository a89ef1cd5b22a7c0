"""A client's book of what it was told: for each of its order ids what was sent, and what was answered."""

from typing import Any

import numpy as np

NEW_SENT, NEW_TOLD, NEW_REFUSED, CANCEL_SENT, CANCEL_TOLD, CANCEL_REFUSED = (1 << place for place in range(6))
"""Told: the venue said that it was done. Refused: it said that it was not. Neither: the connection was cut before."""
FIRST_ROOM = 1 << 16


class Ledger:
    """One flag byte for each id, which count up from 1."""

    def __init__(self) -> None:
        self.flags: Any = np.zeros(FIRST_ROOM, np.uint8)
        self.next_id = 1
        self.open: Any = np.zeros(0, np.int64)
        """Ids that were sent and whose cancel was not, oldest first."""

    def take_ids(self, count: int) -> Any:
        """The next ids, noted as sent and open."""
        ids = np.arange(self.next_id, self.next_id + count)
        self.next_id += count
        if self.next_id > len(self.flags):
            self.flags = np.concatenate((self.flags, np.zeros(max(len(self.flags), count), np.uint8)))
        self.flags[ids] = NEW_SENT
        self.open = np.concatenate((self.open, ids))
        return ids

    def oldest(self, count: int) -> Any:
        """The oldest open ids, noted as about to be cancelled."""
        ids, self.open = self.open[:count], self.open[count:]
        self.flags[ids] |= CANCEL_SENT
        return ids

    def note(self, ids: Any, flag: int) -> None:
        """Something was answered about these ids."""
        self.flags[ids] |= flag

    def cut(self) -> int:
        """The connection is gone: every id whose cancel has no answer is open again; how many cancels were cut."""
        ended = CANCEL_TOLD | CANCEL_REFUSED | NEW_REFUSED
        ids = np.flatnonzero((self.flags & NEW_SENT != 0) & (self.flags & ended == 0))
        cut = int(np.count_nonzero(self.flags[ids] & CANCEL_SENT))
        self.open = ids
        return cut

    def count(self, flag: int) -> int:
        """How many ids have a flag."""
        return int(np.count_nonzero(self.flags[: self.next_id] & flag))

    @property
    def unanswered(self) -> int:
        """Orders that the venue acknowledged and whose cancel it has not answered."""
        flags = self.flags[: self.next_id]
        answered = CANCEL_TOLD | CANCEL_REFUSED
        return int(np.count_nonzero((flags & NEW_TOLD != 0) & (flags & answered == 0)))
