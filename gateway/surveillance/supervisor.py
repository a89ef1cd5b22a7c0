"""Surveillance beside a running venue: events go to a process of its own, which is replaced when it ends.

Trading never waits for the rules and never ends with them. When a process ends, the log and an alert say so, and a new
one begins with the venue's present state: after one second at first, then each time after twice as long, up to a
minute. An alert names the sequences on which no process has run; a replay of the journal runs the rules on them.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.surveillance.activity import Alert, Evidence, Rows
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rules_process import Gap, Process, Standing, Wiring, end_ns
from gateway.surveillance.store import AlertError, AlertStore

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 60.0
STEADY_SECONDS = 300.0
"""After a process that lived so long, the next one begins after the shortest wait again."""
DIED = "the process that runs the rules had ended, and what it remembered is lost"
_LOG = logging.getLogger("lionrock.surveillance")


class Supervisor:
    """`offer` takes each batch's events; `stop_account` is called, in another thread, to stop an account."""

    def __init__(
        self, parameters: Parameters, path: Path, durable_seq: Callable[[], int], stop_account: Callable[[int], None]
    ) -> None:
        self._wiring = Wiring(parameters, path, durable_seq, stop_account)
        self._process: Process | None = None
        self._seen_seq = 0
        self._last_seq = 0
        self._last_ns = 0
        self._began = 0.0
        self._delay_seconds = FIRST_DELAY_SECONDS
        self._next_at: float | None = None
        """When the next process begins; None while one runs or none is wanted."""
        self._is_over = False

    def adopt(self, parameters: Parameters) -> None:
        """From now on a process begins with other parameters; one that runs takes a change from the events."""
        if parameters != self._wiring.parameters:
            self._wiring = replace(self._wiring, parameters=parameters)

    @property
    def is_on(self) -> bool:
        """Whether any rule is on."""
        return self._wiring.parameters.is_on

    @property
    def lag_commands(self) -> int:
        """How many commands the rules are behind what was queued for them; 0 when no rule is on."""
        process = self._process
        seen_seq = self._seen_seq if process is None else max(self._seen_seq, process.seen_seq)
        return max(self._last_seq - seen_seq, 0) if self.is_on else 0

    @property
    def waiting_rows(self) -> int:
        """How many events are in memory for the rules; `queue_rows` at most."""
        return 0 if self._process is None else self._process.waiting_rows

    @property
    def is_running(self) -> bool:
        """Whether a process runs the rules."""
        return self._process is not None

    def start(self, state: Any, clients: Mapping[int, int]) -> None:
        """Begin from the venue's present state; there is no process when every rule is off."""
        if not self.is_on:
            return
        gap = None
        if self._next_at is not None:
            gap = Gap(min(self._seen_seq + 1, self._last_seq), self._last_seq, self._last_ns, DIED)
            _LOG.warning("the rules run again from sequence %d on; an alert names what lies between", self._last_seq)
        else:
            self._seen_seq = int(state["last_seq"])
            self._last_seq, self._last_ns = self._seen_seq, int(state["now_ns"])
        self._began = monotonic()
        try:
            self._process = Process(self._wiring, Standing(state), clients, gap)
        except OSError as error:
            self._fall(str(error))
            return
        self._next_at = None

    def add_clients(self, clients: Mapping[int, int]) -> None:
        """Add owners of more accounts."""
        if self._process is not None:
            self._process.add_clients(clients)

    def offer(self, events: Rows, last_seq: int) -> None:
        """Queue the events of the batch up to a sequence."""
        if self._process is None and self._next_at is None:
            return
        data = events.tobytes()
        if not data:
            return
        self._last_seq, self._last_ns = last_seq, end_ns(data)
        if self._process is not None:
            self._process.offer(data, last_seq)

    def is_due(self) -> bool:
        """Whether a process must start now, as one has ended or a first rule is on; called about every second."""
        process = self._process
        if process is not None and process.exit_code is not None:
            self._seen_seq = max(self._seen_seq, process.seen_seq)
            process.abandon()
            self._process = None
            self._fall(f"exit code {process.exit_code}")
        if self._next_at is None:
            return self._process is None and self.is_on and not self._is_over
        return monotonic() >= self._next_at

    def _fall(self, why: str) -> None:
        """Report that there is no process, and when the next one begins."""
        if monotonic() - self._began >= STEADY_SECONDS:
            self._delay_seconds = FIRST_DELAY_SECONDS
        delay, self._delay_seconds = self._delay_seconds, min(2 * self._delay_seconds, LONGEST_DELAY_SECONDS)
        self._next_at = monotonic() + delay
        _LOG.error("the rules' process has ended (%s); another begins in %g s; trading goes on", why, delay)
        proof = Evidence(sorted({self._seen_seq, self._last_seq}), [], {})
        text = f"the process that runs the rules has ended ({why}): nothing is looked at until another has begun"
        alert = Alert("surveillance_down", text, self._last_ns, -1, (), proof)
        threading.Thread(target=self._file, args=(alert,), name="surveillance", daemon=True).start()

    def _file(self, alert: Alert) -> None:
        """File an alert from the venue's own process."""
        try:
            store = AlertStore(self._wiring.path)
            store.add([alert])
            store.close()
        except (AlertError, sqlite3.Error, OSError):
            _LOG.exception("%s: no alert could be filed", self._wiring.path)

    def close(self) -> None:
        """Send what waits, and let the rules finish it."""
        self._next_at, self._is_over = None, True
        if self._process is not None:
            self._process.close()
            self._process = None
