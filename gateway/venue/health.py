"""What is wrong with a venue: the one place that sessions, health pages, metrics and the operator's line read.

A part that finds something wrong reports it under a name of its own, and clears it when it is over. The worst of what
is reported says what the venue still takes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from gateway import clock
from gateway.wire.errors import ErrorCode, Refusal

_LOG = logging.getLogger("lionrock.health")


class Effect(IntEnum):
    """What a trouble does to the venue; a higher one is worse."""

    ALARM = 1
    """Trading goes on; a person has to look."""
    NO_NEW_ORDERS = 2
    """New orders and amendments are refused; cancels, liquidations, time and funding go on."""
    READ_ONLY = 3
    """Nothing is taken that would go into the log; questions are answered from what is durable."""


STATES = {0: "serving", Effect.ALARM: "serving", Effect.NO_NEW_ORDERS: "no_new_orders", Effect.READ_ONLY: "read_only"}
"""The words that health pages and clients read."""
_NOT_TAKEN = {
    0: frozenset[str](), Effect.ALARM: frozenset[str](), Effect.NO_NEW_ORDERS: frozenset({"orders"}),
    Effect.READ_ONLY: frozenset({"orders", "cancels", "changes"}),
}  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong. `name` is the reason that refused clients read, such as DISK_NEARLY_FULL."""

    name: str
    effect: Effect
    cause: str
    remedy: str
    since_ns: int
    """Wall time at which it was first reported."""
    is_meant: bool = False
    """It is what this node is there for, as with a standby: the remedy is for clients."""

    @property
    def line(self) -> str:
        """Cause and remedy in one line."""
        return f"{self.cause}; {self.remedy}"


class Health:
    """What is wrong now. Used in the venue's own thread; `on_change` is called after the set of troubles changed."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._troubles: dict[str, Trouble] = {}
        self.on_change = on_change

    def report(self, name: str, effect: Effect, cause: str, remedy: str, is_meant: bool = False) -> None:
        """Something is wrong from now on; said again it only brings its text up to date.

        `is_meant`: it is what this node is there for, as with a standby, and no error of the log.
        """
        before = self._troubles.get(name)
        since_ns = clock.wall_ns() if before is None else before.since_ns
        found = self._troubles[name] = Trouble(name, effect, cause, remedy, since_ns, is_meant)
        if before is None or before.effect != effect:
            level = logging.WARNING if effect is Effect.ALARM else logging.ERROR
            level = logging.INFO if is_meant else level
            _LOG.log(level, "%s, %s: %s", name, STATES[effect], found.line)
            self.on_change()

    def clear(self, name: str) -> None:
        """It is over; nothing happens when it was not reported."""
        if self._troubles.pop(name, None) is not None:
            _LOG.warning("%s is over; the venue is %s", name, self.state)
            self.on_change()

    @property
    def troubles(self) -> list[Trouble]:
        """All that is wrong, the worst first; among equals what this node is there for, then the older."""
        return sorted(
            self._troubles.values(), key=lambda trouble: (-trouble.effect, not trouble.is_meant, trouble.since_ns)
        )

    @property
    def worst(self) -> Trouble | None:
        """The trouble that decides what is taken; None when nothing is wrong."""
        return next(iter(self.troubles), None)

    @property
    def effect(self) -> int:
        """The worst effect, 0 when nothing is wrong."""
        return max((trouble.effect for trouble in self._troubles.values()), default=0)

    @property
    def state(self) -> str:
        """`serving`, `no_new_orders` or `read_only`."""
        return STATES[self.effect]

    @property
    def cause(self) -> str:
        """Why it is so; empty when nothing is wrong."""
        return self.worst.cause if self.worst else ""

    @property
    def remedy(self) -> str:
        """What to do about it; empty when nothing is wrong."""
        return self.worst.remedy if self.worst else ""

    @property
    def since_ns(self) -> int:
        """Wall time since when the worst is wrong; 0 when nothing is."""
        return self.worst.since_ns if self.worst else 0

    @property
    def not_taken(self) -> frozenset[str]:
        """What sessions refuse now: "orders", "cancels", "changes"."""
        return _NOT_TAKEN[self.effect]

    def refusal(self) -> Refusal:
        """How a request that is not taken now is answered."""
        worst = self.worst
        assert worst is not None
        takes = "cancels work" if worst.effect == Effect.NO_NEW_ORDERS else "questions are answered"
        message = f"The venue takes no new orders: {worst.cause}; {takes}."
        remedy = f"{worst.remedy.capitalize()}." if worst.is_meant else "Wait until public/status is not locked."
        return Refusal(ErrorCode.HALTED, worst.name, message=message, remedy=remedy)
