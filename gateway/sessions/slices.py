"""Large answers, made some rows at a time, so that nobody waits for all of one.

Which rows an answer has is decided when its first slice is made. Rows of the history never change, so the rest may be
rendered later.
"""

from collections.abc import Callable, Iterable

from gateway.wire.views import HasMore

SLICE_ROWS = 16
"""How many rows are rendered at once: some tenths of a millisecond."""
SLICE_NS = 1_000_000
"""After so long no other row is begun: each of those on disk may be in a block of its own that has to be read."""


class Slices:
    """A JSON result in the making: what stands before its rows, its rows, and what stands behind them."""

    __slots__ = ("_parts", "_rows", "_tail", "rows")

    def __init__(self, head: bytes, rows: Iterable[bytes], tail: bytes | Callable[[], bytes]) -> None:
        """A `tail` that is known only when all rows are there is called then. An empty row is work without a row."""
        self._rows = iter(rows)
        self._tail = tail
        self._parts = [head + b"["]
        self.rows = 0
        """How many rows are rendered."""

    def advance(self, now_ns: Callable[[], int]) -> list[bytes] | None:
        """Render the next rows, fewer where they take long to read; the result in parts when it is complete."""
        until_ns, rows = now_ns() + SLICE_NS, []
        for row in self._rows:
            if row:
                rows.append(row)
            if len(rows) == SLICE_ROWS or now_ns() >= until_ns:
                self._add(rows)
                return None
        self._add(rows)
        return self._ended()

    def whole(self) -> list[bytes]:
        """Render all that is left at once."""
        self._add([row for row in self._rows if row])
        return self._ended()

    def _add(self, rows: list[bytes]) -> None:
        """The parts of a large result are never put together: that would hold the loop for as long as many rows."""
        if rows:
            text = b",".join(rows)
            self._parts.append(b"," + text if self.rows else text)
            self.rows += len(rows)

    def _ended(self) -> list[bytes]:
        self._parts.append(b"]" + (self._tail if isinstance(self._tail, bytes) else self._tail()))
        return self._parts


def array(rows: Iterable[bytes]) -> Slices:
    """A result that is an array alone."""
    return Slices(b"", rows, b"")


def page(name: str, rows: Iterable[bytes], continuation: Callable[[], str | None]) -> Slices:
    """A result that is a page: its rows under a name, and what to ask the next page with, null behind the last one."""

    def tail() -> bytes:
        text = continuation()
        return b',"continuation":null}' if text is None else b',"continuation":"%b"}' % text.encode()

    return Slices(b'{"%b":' % name.encode(), rows, tail)


def trades(rows: Iterable[bytes], has_more: HasMore) -> Slices:
    """A result that is a page of trades."""
    return Slices(b'{"trades":', rows, lambda: b',"has_more":true}' if has_more() else b',"has_more":false}')
