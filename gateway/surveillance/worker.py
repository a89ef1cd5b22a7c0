"""The process that runs the rules: frames come on standard input; accounts to stop and progress go out as lines.

It is a separate process with a low priority, so that a slow rule takes neither the interpreter nor a core from trading.
It ends when its input ends.
"""

import json
import logging
import os
import signal
import sqlite3
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.schema import EVENT
from gateway.registry.errors import RegistryError
from gateway.surveillance.activity import Alert, Evidence, Rows
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.store import AlertError, AlertStore
from gateway.surveillance.watch import Watch
from gateway.wire import log_lines

FRAME = struct.Struct("<cq")
"""A frame's kind, and how many bytes follow."""
BEGIN, EVENTS, CLIENTS, GAP = b"B", b"E", b"C", b"G"
STOP, SEEN = "stop", "seen"
"""The first word of a line: an account to stop, or the sequence up to which the rules have run."""
NICENESS = 19
_LOG = logging.getLogger("lionrock.surveillance")


class Worker:
    """The rules with their state, and the file of alerts."""

    def __init__(self, begin: Mapping[str, Any]) -> None:
        parameters = Parameters(**begin["parameters"])
        self._watch = Watch(parameters)
        self.rules = self._watch.rules
        self.rules.begin(
            {(account, contract): lots for account, contract, lots in begin["positions"]},
            dict(begin["groups"]),
        )
        self.store = AlertStore(Path(begin["path"]))

    def take(self, kind: bytes, data: bytes) -> list[int]:
        """Take one frame; returns the accounts that must be stopped."""
        if kind == EVENTS:
            return self._events(np.frombuffer(data, EVENT))
        if kind == CLIENTS:
            self.rules.owners.add_clients(dict(json.loads(data)))
        elif kind == GAP:
            self.store.add([_gap(**json.loads(data))])
        return []

    def _events(self, events: Rows) -> list[int]:
        """Run the rules on a batch. When a rule fails, only this batch goes without the rules, and an alert says so."""
        stopped: list[Alert] = []
        found: Iterable[Alert]
        try:
            found = self._watch.take(events, stopped)
        except Exception as error:
            _LOG.exception("a rule failed")
            first, last, now_ns = int(events["seq"][0]), int(events["seq"][-1]), int(events["time_ns"][-1])
            proof = Evidence([first, last], [], {})
            found = [Alert("surveillance_fault", f"a rule failed: {error!r:.200}", now_ns, -1, (), proof)]
        self.store.add([*stopped, *found])
        return [alert.accounts[0] for alert in stopped]

    def close(self) -> None:
        """Run the rules on the last step."""
        self.store.add(self.rules.flush())
        self.store.close()


def _gap(first_seq: int, last_seq: int, time_ns: int, why: str) -> Alert:
    text = f"events of sequences {first_seq} to {last_seq} were not looked at: {why}; run the rules by replay"
    return Alert("surveillance_gap", text, time_ns, -1, (), Evidence(sorted({first_seq, last_seq}), [], {}))


def serve(source: IO[bytes], sink: IO[str]) -> None:
    """Take frames until the input ends; the venue may have been killed in the middle of a frame."""
    worker: Worker | None = None
    while len(head := source.read(FRAME.size)) == FRAME.size:
        kind, size = FRAME.unpack(head)
        data = source.read(size)
        if len(data) < size:
            break
        if worker is None:
            worker = Worker(json.loads(data))
            continue
        lines = [f"{STOP} {account_slot}\n" for account_slot in worker.take(kind, data)]
        if kind == EVENTS:
            lines.append(f"{SEEN} {worker.rules.looked_seq}\n")
        _tell(sink, "".join(lines))
    if worker is not None:
        worker.close()


def _tell(sink: IO[str], text: str) -> None:
    try:
        sink.write(text)
        sink.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())


def main() -> int:
    """Run beside a venue. SIGINT and SIGTERM are ignored: the venue ends this process by closing its input.

    Alerts that cannot be filed end it, in one line and with 1; the venue begins another one and files a gap.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    log_lines.configure_as_parent()
    try:
        serve(sys.stdin.buffer, sys.stdout)
    except (AlertError, RegistryError, sqlite3.Error, OSError) as error:
        _LOG.error("alerts cannot be filed: %s; see what became of the data folder and its disk", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
