"""When a query is served: orders and cancels come first, and nobody's questions take the loop from the others.

What is no order is served at once while its pool has time. A pool is a share of the loop's time: clients who are logged
in have one, all others together have another, so that no anonymous load takes anything from clients. When a pool's time
is used up, or others of the pool wait already, a request waits for its turn. Turns go round the owners (an account, or
an address), and each turn is one slice: a request, or some rows of a large answer. No I/O and no clock of its own.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Any

LONGEST_NS = 5_000_000
"""The most that one slice is charged with: what the machine did meanwhile is not the client's."""

BYTES_PER_NS = 4
"""How quickly the loop sends: what it costs to hand an answer to the system."""

PUSH_NS = 10_000
"""What a write to a socket costs, however small it is."""


class Pool(IntEnum):
    """Whose requests share their time, in order of service."""

    CLIENTS = 0
    ANONYMOUS = 1


SHARES: dict[Pool, tuple[int, int]] = {Pool.CLIENTS: (33, 500_000), Pool.ANONYMOUS: (20, 500_000)}
"""By pool: per cent of the loop's time that it may take in the long run, and how many ns of it at once."""


class _Share:
    """A part of the loop's time, as one number: the instant at which what was taken is paid for."""

    __slots__ = ("_paid_ns", "_percent", "_span_ns")

    def __init__(self, percent: int, burst_ns: int) -> None:
        self._percent = percent
        self._span_ns = burst_ns * 100 // percent
        self._paid_ns = -self._span_ns

    def wait_ns(self, now_ns: int) -> int:
        """How long until there is time again; 0: there is some now."""
        return max(0, self._paid_ns - now_ns)

    def spend(self, spent_ns: int, now_ns: int) -> None:
        """Take so much time, if need be as a debt."""
        cost_ns = min(spent_ns, LONGEST_NS) * 100 // self._percent
        self._paid_ns = max(self._paid_ns, now_ns - self._span_ns) + cost_ns


Waiting = tuple[Any, Any]
"""Who waits, and what to go on with."""


class QueryTurns:
    """The queues of both pools. Each waiter has one request in them at most, so they are as long as there are waiters.

    `clock` gives steady nanoseconds. Without one, everything is served at once and whole: for sessions without a loop.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock
        self._shares = {pool: _Share(*share) for pool, share in SHARES.items()}
        self._queues: dict[Pool, OrderedDict[Hashable, deque[Waiting]]] = {pool: OrderedDict() for pool in Pool}
        self.waiting = 0
        """How many requests wait now."""
        self.most_waiting = 0
        self.served_late = 0
        """How many slices were served from the queues since the start."""

    @property
    def is_limited(self) -> bool:
        """Whether requests may have to wait."""
        return self._clock is not None

    def now_ns(self) -> int:
        """The steady clock's time; 0 without one."""
        return self._clock() if self._clock is not None else 0

    def is_open(self, pool: Pool) -> bool:
        """Whether a request of this pool is served at once: there is time, and nobody of the pool waits."""
        if self._clock is None:
            return True
        return not self._queues[pool] and not self._shares[pool].wait_ns(self._clock())

    def spent(self, pool: Pool, begun_ns: int) -> int:
        """A slice of this pool was served, which began at this instant of `now_ns`: how long it took."""
        now_ns = self.now_ns()
        if self._clock is not None:
            self._shares[pool].spend(now_ns - begun_ns, now_ns)
        return now_ns - begun_ns

    def spent_bytes(self, pool: Pool, size_bytes: int) -> None:
        """An answer of this size is to be sent, which takes time of the loop as well."""
        if self._clock is not None:
            self._shares[pool].spend(size_bytes // BYTES_PER_NS, self._clock())

    def pushed(self, pool: Pool, size_bytes: int) -> int:
        """Messages of channels are to be sent in one write: how long until that is paid for."""
        if self._clock is None:
            return 0
        now_ns, share = self._clock(), self._shares[pool]
        share.spend(PUSH_NS + size_bytes // BYTES_PER_NS, now_ns)
        return share.wait_ns(now_ns)

    def add(self, pool: Pool, owner: Hashable, waiting: Waiting) -> None:
        """Have somebody wait behind what the same owner has waiting."""
        self._queues[pool].setdefault(owner, deque()).append(waiting)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)

    def take(self) -> Waiting | None:
        """Whose turn it is, None when nobody waits or no pool with waiters has time. Its owner goes to the end."""
        now_ns = self.now_ns()
        for pool, queue in self._queues.items():
            if queue and not self._shares[pool].wait_ns(now_ns):
                owner, waiters = queue.popitem(last=False)
                found = waiters.popleft()
                if waiters:
                    queue[owner] = waiters
                self.waiting -= 1
                self.served_late += 1
                return found
        return None

    def wait_ns(self) -> int:
        """How long until somebody who waits has a turn; 0: now."""
        now_ns = self.now_ns()
        return min((self._shares[pool].wait_ns(now_ns) for pool, queue in self._queues.items() if queue), default=0)
