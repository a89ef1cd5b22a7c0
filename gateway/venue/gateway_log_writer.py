"""Writes the gateway's log beside trading, in a thread of its own, and has the journal vouch for it.

What was noted is written about once a second, if there is anything; nothing of it waits for the disk. When a batch is
durable, and again at the end, an ATTEST with the log's hash goes into the journal, at most one in ATTEST_EVERY_NS.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from engine.codes import NIL, Attested, CommandKind
from gateway.audit_trail.columns import Record
from gateway.audit_trail.gateway_log import GatewayLog, GatewayLogError, Head
from gateway.audit_trail.gateway_notes import Notes
from gateway.wire.command_rows import pack_directive

ATTEST_EVERY_NS = 10 * 1_000_000_000
_LOG = logging.getLogger("lionrock.gateway_log")


def attest_row(head: Head) -> bytes:
    """The command that vouches for the gateway's log up to here."""
    return pack_directive(
        kind=CommandKind.ATTEST, code=Attested.GATEWAY_LOG, account_slot=NIL, contract_slot=NIL, value=head.number,
        digest=head.chain,
    )  # fmt: skip


class GatewayLogWriter:
    """Takes the notes of a venue's sessions to its log. `submit` puts a command into the venue's batch."""

    def __init__(self, log: GatewayLog, notes: Notes, submit: Callable[[bytes], object]) -> None:
        self._log, self._notes, self._submit = log, notes, submit
        self._thread = ThreadPoolExecutor(1, "gateway-log")
        self._writing: Future[Head] | None = None
        self._unwritten: list[Record] = []
        self._head: Head | None = None
        self._attested = 0
        self._attested_ns = 0

    def start(self, now_ns: int) -> None:
        """Vouch for what an earlier run, or a command meanwhile, has written."""
        self._head = self._log.head()
        self._attest(now_ns)

    def tick(self, now_ns: int) -> None:
        """About once a second: vouch for what is durable by now, and have what is new written."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._take_result()
        if self._head is not None and now_ns - self._attested_ns >= ATTEST_EVERY_NS:
            self._attest(now_ns)
        self._take_notes()
        if self._unwritten or self._log.has_grown():
            self._writing = self._thread.submit(self._log.append, list(self._unwritten), now_ns)

    def close(self, now_ns: int) -> None:
        """Write what is left and vouch for it; the journal is still open."""
        if self._writing is not None:
            self._take_result()
        self._take_notes()
        if self._unwritten or self._log.has_grown():
            self._writing = self._thread.submit(self._log.append, list(self._unwritten), now_ns)
            self._take_result()
        self._attest(now_ns)
        self._thread.shutdown()

    def abandon(self) -> None:
        """Write nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _take_notes(self) -> None:
        """The next batch; while one could not be written, notes are only counted."""
        if not self._unwritten:
            self._unwritten = self._notes.take()

    def _take_result(self) -> None:
        """The head after a batch was written; a batch that failed is tried again with the next."""
        assert self._writing is not None
        writing, self._writing = self._writing, None
        try:
            self._head = writing.result()
        except (OSError, GatewayLogError) as error:
            _LOG.error("the gateway's log cannot be written (%s); trading goes on; it is tried again", error)
            return
        self._unwritten = []

    def _attest(self, now_ns: int) -> None:
        if self._head is not None and self._head.number > self._attested:
            self._attested, self._attested_ns = self._head.number, now_ns
            self._submit(attest_row(self._head))
