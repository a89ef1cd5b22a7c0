"""How much one websocket may bring in one turn of the loop: much while few bring much, less while many do.

A connection that fills its read goes on in the next turn, behind the others. One that never has more under way than a
read takes, as a client that waits for its answers, pays nothing for this.
"""

from collections.abc import Callable
from typing import Protocol

READ_BYTES = 1 << 16
"""What one connection may bring in a turn, some 400 orders, while few others bring as much."""
LEAST_BYTES = 1 << 13
"""What it may bring however many do."""
TURN_BYTES = 3 << 15
"""What those who fill their reads share, some 600 orders a turn: whoever floods keeps nobody waiting for longer."""


class Reader(Protocol):
    """A connection that has filled its read."""

    def go_on_if_free(self) -> None:
        """Read on, unless there is another reason to wait."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...


class FairReads:
    """The size of a read, the same for all websockets, and who goes on in the next turn."""

    def __init__(
        self, call_soon: Callable[[Callable[[], None]], object], guard: Callable[[Reader, Callable[[], None]], None]
    ) -> None:
        """`call_soon` calls in the next turn of the loop, `guard` calls for a reader, which it cuts when that fails."""
        self.size_bytes = READ_BYTES
        self._call_soon, self._guard = call_soon, guard
        self._filled: list[Reader] = []
        self._is_due = False

    def filled(self, reader: Reader) -> None:
        """This connection has filled its read and reads nothing more in this turn."""
        self._filled.append(reader)
        if not self._is_due:
            self._is_due = True
            self._call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """Have those go on who filled their reads: they share the turn. It goes on until nobody has."""
        readers, self._filled = self._filled, []
        count = len(readers)
        self.size_bytes = max(LEAST_BYTES, min(READ_BYTES, TURN_BYTES // count)) if count else READ_BYTES
        self._is_due = count > 0
        if count:
            self._call_soon(self._next_turn)
        for reader in readers:
            self._guard(reader, reader.go_on_if_free)
