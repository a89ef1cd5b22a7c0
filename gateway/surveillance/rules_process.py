"""One process that runs the rules, and the threads that write to it and read from it.

The venue's thread only puts bytes into a queue. One thread sends them to the process once they are durable; another
reads which accounts are to be stopped, and up to which sequence the rules have run.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.surveillance.parameters import Parameters
from gateway.surveillance.worker import BEGIN, CLIENTS, EVENTS, FRAME, GAP, SEEN, STOP
from gateway.wire.command_rows import ROW_BYTES, STAMP

POLL_SECONDS = 0.05
PIECE_BYTES = 1 << 20
"""How many bytes are joined at once: few, because the venue's thread waits meanwhile."""
PIPE_BYTES = 1 << 18
"""The size of the pipe to the process: a larger one means fewer wake-ups."""
LAST_SECONDS = 2.0
"""At the end, how long to wait until the last batches are durable."""
END_SECONDS = 20.0
"""At the end, how long the rules may take for the rest."""
OVERFLOW = "too much was waiting"
GAP_SECONDS = 60.0
"""While too much waits all the time, what is skipped is told so often."""
_KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
"""The rules allocate and free large arrays all the time. So the C library keeps freed memory: the system would have to
clear new pages for each array."""
_LOG = logging.getLogger("lionrock.surveillance")


@dataclass(frozen=True)
class Gap:
    """Sequences on which no rule has run, the venue's time at their end, and why."""

    first_seq: int
    last_seq: int
    time_ns: int
    why: str


def end_ns(batch: bytes) -> int:
    """The venue's time at the end of a batch of EVENT rows."""
    _, time_ns = STAMP.unpack_from(batch, len(batch) - ROW_BYTES)
    return int(time_ns)


class Standing:
    """A copy of a state's positions and self-trade groups, because the state changes while the copy is read."""

    def __init__(self, state: Any) -> None:
        rows = state["positions"][: int(state["positions_used"])]
        held = np.flatnonzero(rows["size_lots"])
        self._positions = [rows[name][held] for name in ("account_slot", "contract_slot", "size_lots")]
        groups = state["accounts"]["group"][: int(state["accounts_used"])]
        self._members = np.flatnonzero(groups)
        self._groups = groups[self._members]

    def as_dict(self) -> dict[str, list[tuple[int, ...]]]:
        """As a dict, for JSON."""
        return {
            "positions": list(zip(*(column.tolist() for column in self._positions), strict=True)),
            "groups": list(zip(self._members.tolist(), self._groups.tolist(), strict=True)),
        }


@dataclass(frozen=True)
class Wiring:
    """What a process needs: its rules, its file, the durable sequence, and a function that stops an account."""

    parameters: Parameters
    path: Path
    durable_seq: Callable[[], int]
    stop_account: Callable[[int], None]


class Process:
    """The rules, run from one state on until their process ends or its input is closed."""

    def __init__(self, wiring: Wiring, standing: Standing, clients: Mapping[int, int], gap: Gap | None) -> None:
        self._wiring = wiring
        self._queue: deque[tuple[int, bytes]] = deque()
        self._offered_rows = 0
        self._taken_rows = 0
        self._gaps = deque([] if gap is None else [gap])
        self._gap_told = 0.0
        self._clients: deque[bytes] = deque()
        self._is_over = threading.Event()
        self.seen_seq = 0
        """The sequence up to which the rules have run; 0 before the process has told it."""
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "gateway.surveillance.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=_KEEPS_MEMORY | os.environ | {"PYTHONPATH": paths}, pipesize=PIPE_BYTES,
        )  # fmt: skip
        self.add_clients(clients)
        self._threads = [
            threading.Thread(target=work, name="surveillance", daemon=True)
            for work in (lambda: self._feed(standing), self._listen)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return self._popen.poll()

    @property
    def waiting_rows(self) -> int:
        """How many events are queued and not sent yet."""
        return self._offered_rows - self._taken_rows

    def add_clients(self, clients: Mapping[int, int]) -> None:
        """Add owners of more accounts."""
        self._clients.append(json.dumps(list(clients.items())).encode())

    def offer(self, data: bytes, last_seq: int) -> None:
        """Queue the events of the batch up to a sequence; when too much waits it is skipped, and an alert says so."""
        count = len(data) // ROW_BYTES
        if self.waiting_rows + count > self._wiring.parameters.queue_rows:
            first_seq, _ = STAMP.unpack_from(data)
            self._add_gap(Gap(first_seq, last_seq, end_ns(data), OVERFLOW))
            return
        self._offered_rows += count
        self._queue.append((last_seq, data))

    def _add_gap(self, gap: Gap) -> None:
        """Note what is skipped; with a gap that has not been told yet it is one."""
        try:
            before = self._gaps.pop()
        except IndexError:  # there was none, or its thread has just taken it
            before = gap
        self._gaps.append(replace(gap, first_seq=before.first_seq, why=before.why))

    def close(self) -> None:
        """Send what waits, and let the rules finish it."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(END_SECONDS)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()

    def abandon(self) -> None:
        """End the threads after the process has ended, without waiting for them."""
        self._is_over.set()
        self._queue.clear()

    # --- the threads ----------------------------------------------------------------------------------------------

    def _feed(self, standing: Standing) -> None:
        """Send what has become durable, at intervals."""
        begin = {"parameters": asdict(self._wiring.parameters), "path": str(self._wiring.path)} | standing.as_dict()
        try:
            self._send(BEGIN, json.dumps(begin).encode())
            while not self._is_over.wait(POLL_SECONDS):
                self._hand_on()
            deadline = time.monotonic() + LAST_SECONDS
            while self._queue and time.monotonic() < deadline:
                self._hand_on()
                time.sleep(POLL_SECONDS / 10)
            self._hand_on()
            self._pipe().close()
        except OSError:
            _LOG.debug("the rules' process no longer reads", exc_info=True)
            with suppress(OSError):
                self._pipe().close()

    def _hand_on(self) -> None:
        while self._clients:
            self._send(CLIENTS, self._clients.popleft())
        while data := self._durable():
            self._send(EVENTS, data)
            self._taken_rows += len(data) // ROW_BYTES
            if time.monotonic() - self._gap_told >= GAP_SECONDS:
                self._tell_gap()  # while more comes than the rules can look at, data never ends
        self._tell_gap()

    def _tell_gap(self) -> None:
        """Tell what was skipped since it was told last, if anything was."""
        try:
            gap = self._gaps.popleft()
        except IndexError:  # there is none, or the venue's thread is just making it longer
            return
        self._gap_told = time.monotonic()
        self._send(GAP, json.dumps(asdict(gap)).encode())

    def _durable(self) -> bytes:
        """The next durable batches, joined."""
        durable_seq, parts, size = self._wiring.durable_seq(), [], 0
        while self._queue and self._queue[0][0] <= durable_seq and size < PIECE_BYTES:
            parts.append(self._queue.popleft()[1])
            size += len(parts[-1])
        return b"".join(parts)

    def _pipe(self) -> Any:
        assert self._popen.stdin is not None
        return self._popen.stdin

    def _send(self, kind: bytes, data: bytes) -> None:
        pipe = self._pipe()
        pipe.write(FRAME.pack(kind, len(data)))
        pipe.write(data)
        pipe.flush()

    def _listen(self) -> None:
        """Stop the accounts that the rules name and note how far they are, until their process has ended."""
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            if not line.endswith(b"\n"):
                break  # the process ended in the middle of a line
            kind, number = line.decode().split()
            if kind == STOP:
                self._wiring.stop_account(int(number))
            elif kind == SEEN:
                self.seen_seq = int(number)
        self._popen.wait()
