"""The turns of the event loop: all that one turn receives is one batch, and each connection gets one write."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from engine import host
from gateway.venue.stage_times import Histogram

NS_PER_S = 1_000_000_000
_LOG = logging.getLogger("lionrock.server")


class Turns:
    """Ends each turn of the loop in which something was received. An error stops the server: `failed` holds it."""

    def __init__(self, busy_poll_us: int) -> None:
        self.loop: asyncio.AbstractEventLoop
        self.failed: asyncio.Future[None]
        self.is_awake = False
        self._close_turn: Callable[[], None]
        self._is_touched = False
        self._busy_poll_s = busy_poll_us / 1e6
        self._awake_until = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self.lag = Histogram()
        """How late the timers were."""

    def start(self, close_turn: Callable[[], None]) -> None:
        """Call `close_turn` at the end of each turn of the running loop that was touched."""
        self.loop = asyncio.get_running_loop()
        self.failed = self.loop.create_future()
        self._close_turn = close_turn

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

    def do(self, step: Callable[[], None]) -> None:
        """Run a step; an error stops the server, because nothing may be answered that cannot be journalled."""
        try:
            step()
        except Exception as error:
            _log(error, "a batch failed")
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Stop the server because of this error; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def in_loop(self, call: Callable[..., None], *args: Any) -> None:
        """Run a call in the loop, from another thread; nothing happens when the loop is closed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *args)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Repeat a call; an error stops the server instead of going unnoticed."""
        place = len(self._timers)
        due = self.loop.time() + seconds

        def again() -> None:
            nonlocal due
            self.lag.add(int((self.loop.time() - due) * NS_PER_S))
            try:
                call()
            except Exception as error:
                _log(error, "a timer failed")
                self.fail(error)
                return
            due = self.loop.time() + seconds
            self._timers[place] = self.loop.call_later(seconds, again)

        self._timers.append(self.loop.call_later(seconds, again))

    def stop_timers(self) -> None:
        """Stop the calls that `every` repeats."""
        for timer in self._timers:
            timer.cancel()


def _log(error: Exception, what: str) -> None:
    """Say why the venue stops; a broken invariant's text says all that a traceback would hide."""
    if isinstance(error, host.BrokenError):
        _LOG.critical("the venue stops: %s", error)
    else:
        _LOG.exception("the venue stops: %s", what)
