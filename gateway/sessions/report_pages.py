"""An account's facts after a sequence, found some at a time: what `venue/resume` tells again."""

from collections.abc import Callable, Iterator, Sequence

from gateway.wire.views import Projection, Report

PAGE_REPORTS = 32
"""How many facts are looked up at once."""


class ReportPages:
    """An account's facts of later sequences than one, up to another; at least `count` if there are so many.

    What the venue forgets while this goes on is left out with all that comes after it: the answer ends before, and says
    that there is more.
    """

    def __init__(self, projection: Projection, account_slot: int, span: tuple[int, int], count: int) -> None:
        """`span`: the facts after this sequence, up to that one."""
        self._projection = projection
        self._account_slot = account_slot
        self._last, self._until = span
        self._left = count
        self._has_more = False

    def pages(self, floor: Callable[[], int]) -> Iterator[Sequence[Report]]:
        """The facts, oldest first, each page with whole sequences. `floor()`: what is later is all kept."""
        while self._left > 0:
            page, self._has_more = self._projection.reports_since(
                self._account_slot, self._last, self._until, min(self._left, PAGE_REPORTS)
            )
            yield page
            self._left -= len(page)
            if not self._has_more:
                return
            self._last = page[-1].sequence
            if floor() > self._last:
                return

    def end(self) -> bytes:
        """What the answer says behind the facts: the sequence to ask from next, and whether there is more."""
        last = self._last if self._has_more else self._until
        return b',"sequence":%d,"has_more":%b}' % (last, b"true" if self._has_more else b"false")
