"""The turns of the event loop: all that one turn receives is one batch, and each connection gets one write.

Behind the orders and cancels of a turn come some slices of the queries that wait.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from engine import host
from gateway import clock
from gateway.net.fair_reads import FairReads
from gateway.sessions.actions import Later
from gateway.sessions.query_turns import QueryTurns
from gateway.venue.stage_times import Histogram
from gateway.wire.log_lines import HELD_NS, event

NS_PER_S = 1_000_000_000
_LOG = logging.getLogger("lionrock.server")


class Cuttable(Protocol):
    """A connection that can be closed at once."""

    def abort(self) -> None:
        """Close the connection at once."""
        ...


class Waiter(Cuttable, Protocol):
    """A connection of which a request waits for its turn; it has stopped reading meanwhile."""

    def serve_late(self, go_on: Any) -> None:
        """It is its turn: go on with this."""
        ...


class Held(Cuttable, Protocol):
    """A connection that reads nothing while the venue holds."""

    def go_on_if_free(self) -> None:
        """Serve and read on, unless there is another reason to wait."""
        ...


class Turns:
    """Ends each turn of the loop in which something was received. An error stops the server: `failed` holds it."""

    def __init__(self, busy_poll_us: int) -> None:
        self.queries = QueryTurns()
        self.reads = FairReads(lambda call: self.loop.call_soon(call), self.guard)
        self._serves_later = False
        self.loop: asyncio.AbstractEventLoop
        self.failed: asyncio.Future[None]
        self.is_awake = False
        self._close_turn: Callable[[], None]
        self._is_touched = False
        self._busy_poll_s = busy_poll_us / 1e6
        self._awake_until = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self.is_holding = False
        """Whether nothing is read and no query is served: this node hands over."""
        self._do_timers_wait = False
        """Whether no timer runs: while it holds, and until it is certain who leads."""
        self.lag = Histogram()
        """How late the timers were."""

    def start(self, close_turn: Callable[[], None]) -> None:
        """Call `close_turn` at the end of each turn of the running loop that was touched."""
        self.loop = asyncio.get_running_loop()
        self.failed = self.loop.create_future()
        self._close_turn = close_turn

    @property
    def has_started(self) -> bool:
        """Whether it has a loop."""
        return hasattr(self, "loop")

    def touch(self) -> None:
        """Something was received: have this turn end with one batch and one write for each connection."""
        if not self._is_touched:
            self._is_touched = True
            self.loop.call_soon(self.end)
            if self._busy_poll_s:
                self._awake_until = time.monotonic() + self._busy_poll_s
                if not self.is_awake:
                    self.is_awake = True
                    self.loop.call_soon(self._stay_awake)

    def _stay_awake(self) -> None:
        """Keep the loop polling for a while instead of sleeping, because waking up takes longer."""
        self.is_awake = time.monotonic() < self._awake_until
        if self.is_awake:
            self.loop.call_soon(self._stay_awake)

    def end(self) -> None:
        """End the turn now."""
        self._is_touched = False
        self.do(self._close_turn)

    def end_touched(self) -> None:
        """End the turn now if something was received in it."""
        if self._is_touched:
            self.end()

    # --- queries that wait ----------------------------------------------------------------------------------------

    def wait(self, waiter: Waiter, later: Later) -> None:
        """Have a connection wait for its turn."""
        self.queries.add(later.pool, later.owner, (waiter, later.go_on))
        self._serve_later()

    def _serve_later(self) -> None:
        """Serve the queues as soon as there is time for somebody who waits."""
        if self._serves_later or not self.queries.waiting:
            return
        self._serves_later = True
        wait_ns = self.queries.wait_ns()
        if wait_ns:
            self.loop.call_later(wait_ns / 1e9, self._serve)
        else:
            self.loop.call_soon(self._serve)

    def _serve(self) -> None:
        """Serve whoever's turn it is. What this turn of the loop has read of orders and cancels is applied before."""
        self._serves_later = False
        if self.is_holding:
            return
        self.end_touched()
        while (found := self.queries.take()) is not None:
            waiter, go_on = found
            self.guard(waiter, waiter.serve_late, go_on)
        self.touch()
        self._serve_later()

    def guard(self, connection: Cuttable, call: Callable[..., object], *args: Any) -> None:
        """Serve a connection when no bytes of it came in; one that cannot be served is cut.

        Without that it would wait for ever: the loop only logs what a callback raises.
        """
        try:
            call(*args)
        except Exception:
            _LOG.exception("a connection is cut: serving it failed", extra=event("connection_cut"))
            connection.abort()
            self.touch()

    # --- steps ----------------------------------------------------------------------------------------------------

    def do(self, step: Callable[[], None]) -> None:
        """Run a step; an error stops the server, because nothing may be answered that cannot be journalled."""
        begun_ns = clock.steady_ns()
        try:
            step()
        except Exception as error:
            _log(error, "a batch failed")
            self.fail(error)
        held_ns = clock.steady_ns() - begun_ns
        if held_ns >= HELD_NS:
            _tell_slow("the end of a turn", held_ns)

    def fail(self, error: Exception) -> None:
        """Stop the server because of this error; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def in_loop(self, call: Callable[..., None], *args: Any) -> None:
        """Run a call in the loop, from another thread; nothing happens when the loop is closed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *args)

    def hold(self) -> None:
        """Read nothing and serve no query until `read_on`, and run no timer until `go_on`; what comes in waits."""
        self.is_holding = self._do_timers_wait = True

    def go_on(self, waiters: list[Held]) -> None:
        """Go on with timers, and with whoever has waited."""
        self._do_timers_wait = False
        self.read_on(waiters)

    def read_on(self, waiters: list[Held]) -> None:
        """Go on with whoever has waited; timers wait on."""
        self.is_holding = False
        for waiter in waiters:
            self.guard(waiter, waiter.go_on_if_free)
        self._serve_later()
        self.touch()

    def every(self, seconds: float, call: Callable[[], None], is_held: bool = True) -> None:
        """Repeat a call; an error stops the server instead of going unnoticed. `is_held`: not while timers wait."""
        place, name = len(self._timers), f"the timer {getattr(call, '__name__', 'of a part')}"
        due = self.loop.time() + seconds

        def again() -> None:
            nonlocal due
            self.lag.add([int((self.loop.time() - due) * NS_PER_S)])
            begun_ns = clock.steady_ns()
            try:
                if not (is_held and self._do_timers_wait):
                    call()
            except Exception as error:
                _log(error, "a timer failed")
                self.fail(error)
                return
            held_ns = clock.steady_ns() - begun_ns
            if held_ns >= HELD_NS:
                _tell_slow(name, held_ns)
            due = self.loop.time() + seconds
            self._timers[place] = self.loop.call_later(seconds, again)

        self._timers.append(self.loop.call_later(seconds, again))

    def stop_timers(self) -> None:
        """Stop the calls that `every` repeats."""
        for timer in self._timers:
            timer.cancel()


def _tell_slow(what: str, held_ns: int) -> None:
    held_ms = held_ns // 1_000_000
    _LOG.warning("%s held the loop for %d ms", what, held_ms, extra=event("slow_turn", what=what, held_ms=held_ms))


def _log(error: Exception, what: str) -> None:
    """Say why the venue stops; a broken invariant's text says all that a traceback would hide."""
    if isinstance(error, host.BrokenError):
        _LOG.critical("the venue stops: %s", error)
    else:
        _LOG.exception("the venue stops: %s", what)
