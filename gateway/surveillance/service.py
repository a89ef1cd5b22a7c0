"""Surveillance beside a running venue: a thread of its own that gets copies of what was done and holds nobody up."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.surveillance.activity import Alert, Evidence, Rows
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.store import AlertStore
from gateway.surveillance.throttle import Throttle
from gateway.surveillance.watch import Watch

POLL_SECONDS = 0.05
LAST_SECONDS = 2.0
"""How long the end waits for the journal to make the last batches safe."""
_LOG = logging.getLogger("lionrock.surveillance")


class Service:
    """`offer` what each batch did; `stop_account` is called, in the service's thread, for who trades too often."""

    def __init__(
        self, parameters: Parameters, path: Path, durable_seq: Callable[[], int], stop_account: Callable[[int], None]
    ) -> None:
        self._parameters = parameters
        self._path = path
        self._durable_seq = durable_seq
        self._stop_account = stop_account
        self._watch = Watch(parameters)
        self._throttle = Throttle(parameters)
        self._queue: deque[Rows] = deque()
        self._waiting_rows = 0
        self._taken_rows = 0
        self._skipped: list[tuple[int, int, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="surveillance", daemon=True)

    def start(self, state: Any, clients: Mapping[int, int]) -> None:
        """Begin from the venue's present state."""
        self._watch.load(state)
        self.set_clients(clients)
        self._thread.start()

    def set_clients(self, clients: Mapping[int, int]) -> None:
        """Who owns each account."""
        self._watch.owners.set_clients(clients)

    def offer(self, events: Rows) -> None:
        """What a batch did, in order. When too much waits it is skipped, and an alert will say so."""
        if not len(events):
            return
        if self._waiting_rows - self._taken_rows + len(events) > self._parameters.queue_rows:
            self._skipped.append((int(events["seq"][0]), int(events["seq"][-1]), int(events["time_ns"][-1])))
            return
        self._waiting_rows += len(events)
        self._queue.append(events.copy())

    def close(self) -> None:
        """Look at what is waiting, then end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        store = AlertStore(self._path)
        try:
            while not self._ended.wait(POLL_SECONDS):
                self._work(store)
            deadline = time.monotonic() + LAST_SECONDS
            while self._queue and time.monotonic() < deadline:
                self._work(store)
                time.sleep(POLL_SECONDS / 10)
            store.add(self._watch.flush())
        except Exception:
            _LOG.exception("surveillance ends; trading goes on")
        finally:
            store.close()

    def _work(self, store: AlertStore) -> None:
        """Take what is durable; a rule that fails costs its batch, not the others."""
        while self._queue and int(self._queue[0]["seq"].max()) <= self._durable_seq():
            events = self._queue.popleft()
            try:
                stopped = self._throttle.take(events)
                for alert in stopped:
                    self._stop_account(alert.accounts[0])
                store.add([*stopped, *self._watch.take(events)])
            except Exception as error:
                _LOG.exception("a rule failed")
                store.add([_unseen("surveillance_fault", f"a rule failed: {error!r:.200}", events)])
            self._taken_rows += len(events)
        skipped, self._skipped = self._skipped, []
        if skipped:
            store.add([_gap(skipped[0][0], skipped[-1][1], skipped[-1][2])])


def _unseen(rule: str, text: str, events: Rows) -> Alert:
    first, last = int(events["seq"][0]), int(events["seq"][-1])
    return Alert(rule, text, int(events["time_ns"][-1]), -1, (), Evidence([first, last], [], {}))


def _gap(first: int, last: int, time_ns: int) -> Alert:
    text = f"events of sequences {first} to {last} were not looked at: too much was waiting; run the rules by replay"
    return Alert("surveillance_gap", text, time_ns, -1, (), Evidence([first, last], [], {}))
