"""Surveillance beside a running venue: what was done goes, once it is durable, to a process of its own.

The venue's thread only puts bytes into a queue. A thread that mostly sleeps hands them on; another waits for accounts
that are to be stopped.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gateway.surveillance.activity import Rows
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.worker import BEGIN, CLIENTS, EVENTS, FRAME, GAP

POLL_SECONDS = 0.05
PIECE_BYTES = 1 << 20
"""Joined at once: small, because it happens while the venue's thread waits."""
LAST_SECONDS = 2.0
"""How long the end waits for the journal to make the last batches safe."""
END_SECONDS = 20.0
"""How long the rules may take over what is left at the end."""
_LOG = logging.getLogger("lionrock.surveillance")


class Service:
    """`offer` what each batch did; `stop_account` is called, in a thread of the service, for who trades too often."""

    def __init__(
        self, parameters: Parameters, path: Path, durable_seq: Callable[[], int], stop_account: Callable[[int], None]
    ) -> None:
        self._parameters = parameters
        self._path = path
        self._durable_seq = durable_seq
        self._stop_account = stop_account
        self._queue: deque[tuple[int, bytes]] = deque()
        self._offered_rows = 0
        self._taken_rows = 0
        self._skipped: list[tuple[int, int, int]] = []
        self._clients: bytes | None = None
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []

    def start(self, state: Any, clients: Mapping[int, int]) -> None:
        """Begin from the venue's present state; without any rule there is no process."""
        if not self._parameters.is_on:
            self._ended.set()
            return
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.surveillance.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
        self.set_clients(clients)
        begin = json.dumps({"parameters": asdict(self._parameters), "path": str(self._path)} | standing(state)).encode()
        for work in (lambda: self._feed(begin), self._listen):
            self._threads.append(threading.Thread(target=work, name="surveillance", daemon=True))
            self._threads[-1].start()

    def set_clients(self, clients: Mapping[int, int]) -> None:
        """Who owns each account."""
        self._clients = json.dumps(list(clients.items())).encode()

    def offer(self, events: Rows, last_seq: int) -> None:
        """What the batch up to a sequence did. When too much waits it is skipped, and an alert will say so."""
        count = len(events)
        if not count or self._ended.is_set():
            return
        if self._offered_rows - self._taken_rows + count > self._parameters.queue_rows:
            self._skipped.append((int(events["seq"][0]), last_seq, int(events["time_ns"][-1])))
            return
        self._offered_rows += count
        self._queue.append((last_seq, events.tobytes()))

    def close(self) -> None:
        """Hand over what is waiting, and let the rules finish it."""
        self._ended.set()
        for thread in self._threads:
            thread.join(END_SECONDS)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    # --- the threads ----------------------------------------------------------------------------------------------

    def _feed(self, begin: bytes) -> None:
        """Hand on what has become durable, every now and then."""
        try:
            self._send(BEGIN, begin)
            while not self._ended.wait(POLL_SECONDS):
                self._hand_on()
            deadline = time.monotonic() + LAST_SECONDS
            while self._queue and time.monotonic() < deadline:
                self._hand_on()
                time.sleep(POLL_SECONDS / 10)
            self._pipe().close()
        except OSError:
            self._ended.set()
            _LOG.exception("surveillance has ended; trading goes on, restart the venue or run the rules by replay")

    def _hand_on(self) -> None:
        if self._clients is not None:
            clients, self._clients = self._clients, None
            self._send(CLIENTS, clients)
        while data := self._durable():
            self._send(EVENTS, data)
            self._taken_rows += len(data) // 128
        skipped, self._skipped = self._skipped, []
        if skipped:
            self._send(GAP, json.dumps([skipped[0][0], skipped[-1][1], skipped[-1][2]]).encode())

    def _durable(self) -> bytes:
        """The next batches that are durable, in one piece."""
        durable_seq, parts, size = self._durable_seq(), [], 0
        while self._queue and self._queue[0][0] <= durable_seq and size < PIECE_BYTES:
            parts.append(self._queue.popleft()[1])
            size += len(parts[-1])
        return b"".join(parts)

    def _pipe(self) -> Any:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin

    def _send(self, kind: bytes, data: bytes) -> None:
        pipe = self._pipe()
        pipe.write(FRAME.pack(kind, len(data)))
        pipe.write(data)
        pipe.flush()

    def _listen(self) -> None:
        """Stop whom the rules name, until their process has ended."""
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self._stop_account(int(line))
        self._process.wait()


def standing(state: Any) -> dict[str, Iterable[Any]]:
    """Positions and self-trade groups of a state, for JSON."""
    rows = state["positions"][: int(state["positions_used"])]
    rows = rows[rows["size_lots"] != 0]
    columns = (rows[name].tolist() for name in ("account_slot", "contract_slot", "size_lots"))
    groups = state["accounts"]["group"][: int(state["accounts_used"])]
    members = np.flatnonzero(groups)
    return {
        "positions": list(zip(*columns, strict=True)),
        "groups": list(zip(members.tolist(), groups[members].tolist(), strict=True)),
    }
