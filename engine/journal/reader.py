"""Reading a journal: every record is checked against its checksum and its place in the hash chain.

A bad record that was never durable, in the last segment, is a torn tail: reading ends before it. Any other bad record
is corruption and refused with its file and byte offset. Segments that are archived are read from the archive.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import disk
from engine.codes import CommandKind, Mode
from engine.journal.format import CRC_BYTES, RECORD_BYTES, RECORD_HEAD, RECORD_MAGIC, RECORD_TAIL, CorruptJournalError
from engine.journal.records import Position, after, corrupt, record_at, start_of, was_durable
from engine.journal.segments import Segments
from engine.journal.tip import LossError, Proof, Tip, check_length, read_tip, tip_proof
from engine.schema import COMMAND, Capacities

_NEVER = (1 << 63) - 1
Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TornTail:
    """The end of a journal that was never durable: the next writer cuts `size_bytes` from `offset` on."""

    path: Path
    offset: int
    size_bytes: int


class JournalReader:
    """A journal's commands in order, verified, as they were when it was opened. Many may read while one writes.

    Iterate over `batches()` once; `position` follows, and `torn` says after the end whether there was a torn tail.
    JournalError when the directory holds no journal, a segment is missing or another version wrote it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tip = read_tip(directory)  # before the journal, which then has at least this much
        self._proofs: list[Proof] = []
        self._awaited: list[Proof] = []
        self._awaited_seq = _NEVER
        self._segments = Segments(directory)
        self._position: Position | None = None
        self.records_read = 0
        self.torn: TornTail | None = None
        self.whole_chain = b""
        self.expect([] if self.tip is None else [tip_proof(directory, self.tip)])

    @property
    def position(self) -> Position:
        """Where the next record is: at first the journal's first one, which may be in the archive."""
        if self._position is None:
            self._position = start_of(self._segments.header(1))
        return self._position

    @position.setter
    def position(self, position: Position) -> None:
        self._position = position

    @property
    def mode(self) -> Mode:
        """How the state was created."""
        return Mode(self._segments.any_header.mode)

    @property
    def capacities(self) -> Capacities:
        """How large the state was created."""
        return self._segments.any_header.capacities

    @property
    def last_seq(self) -> int:
        """The last sequence read so far."""
        return self.position.next_seq - 1

    @property
    def bytes_read(self) -> int:
        """How far into the journal the position is, of `bytes_total`."""
        return self._segments.bytes_before(self.position.segment.number) + self.position.offset

    @property
    def bytes_total(self) -> int:
        """How long the segments are, uncompressed: those in the folder, and the archived ones once they are read."""
        return self._segments.bytes_total

    def expect(self, proofs: Iterable[Proof]) -> None:
        """Hold the journal against more proofs while it is read; LossError where it is not the log that they are of."""
        self._proofs += proofs
        self._await()

    def accept_end(self) -> None:
        """Hold the journal against nothing: somebody has said that it ends where it ends."""
        self.tip, self._proofs = None, []
        self._await()

    @property
    def proven_seq(self) -> int:
        """Up to which sequence this journal was durable, for all that is known from outside it."""
        return max((proof.seq for proof in self._proofs), default=0)

    def check_end(self) -> None:
        """After the last record: LossError when the journal is shorter than what is proven, or not what the tip shows.

        A tip before the place where reading began is looked up; reading meets all others.
        """
        check_length(self.directory, self.last_seq, self._proofs)
        if self.tip is not None and not self._leads_to(self.tip):
            raise _other_log(self.directory, tip_proof(self.directory, self.tip))

    def _leads_to(self, tip: Tip) -> bool:
        """Whether the record, or the segment, after the tip's place names the tip's hash.

        A segment is archived only when it leads to the one behind it, so a tip in an archive is not looked up.
        """
        segments = self._segments
        if (tip.seq, tip.chain) == (self.last_seq, self.position.chain) or 0 < tip.segment < segments.first:
            return True
        if not 0 < tip.segment <= segments.last:
            return False
        if tip.segment < segments.last:
            header = segments.header(tip.segment + 1)
            if header.first_seq == tip.seq + 1:
                return header.chain == tip.chain
        record = disk.read(segments.path(tip.segment), RECORD_BYTES, tip.offset)
        if len(record) < RECORD_BYTES or RECORD_HEAD.unpack_from(record)[1] != RECORD_MAGIC:
            return False
        *_, first_seq, _, before = RECORD_TAIL.unpack_from(record, CRC_BYTES)
        return bool((first_seq, before) == (tip.seq + 1, tip.chain))

    def _await(self) -> None:
        """Wait for the proofs that lie before the reader."""
        last_seq = 0 if self._position is None else self.last_seq
        ahead = [proof for proof in self._proofs if proof.chain is not None and proof.seq > last_seq]
        self._awaited = sorted(ahead, key=lambda proof: -proof.seq)
        self._awaited_seq = self._awaited[-1].seq if ahead else _NEVER

    def _meet(self) -> None:
        """The reader has come to a proof, or past it: the log must have its hash."""
        while self._awaited and self._awaited[-1].seq <= self.last_seq:
            proof = self._awaited.pop()
            if (proof.seq, proof.chain) != (self.last_seq, self.position.chain):
                raise _other_log(self.directory, proof)
        self._awaited_seq = self._awaited[-1].seq if self._awaited else _NEVER

    @property
    def segments(self) -> int:
        """How many segments there are, archived ones among them."""
        return self._segments.last

    def check_segment(self, number: int) -> Iterator[int]:
        """Read one segment before the last from the disk and check it: the size of each part in bytes.

        CorruptJournalError. The reader is at this segment's end afterwards. Of an archived one the archive is checked,
        unless it was moved elsewhere.
        """
        if number < self._segments.first:
            yield from self._segments.check_archived(number)
            return
        self._segments.drop_cached(number)
        self.accept_end()
        self.position = start_of(self._segments.header(number))
        for rows in self._segment(number):
            yield RECORD_BYTES + rows.nbytes
        self._next_segment(number)

    def seek(self, seq: int, chain: bytes) -> bool:
        """Go to the record after `seq`. False, and nowhere, unless the log up to there has this hash."""
        start, records_read = self._position, self.records_read
        self.position = start_of(self._segments.header_of(seq + 1))
        self._await()
        for _ in self._records_until(seq):
            pass
        if self.last_seq == seq and self.position.chain == chain:
            return True
        self._position, self.torn, self.records_read = start, None, records_read
        self._await()
        return False

    def sync(self) -> None:
        """Have everything up to the position on the disk, whoever wrote it. A full segment was synced by its writer."""
        self._segments.sync(self.position.segment.number)

    def batches(self, until_seq: int | None = None) -> Iterator[Rows]:
        """The COMMAND rows from the position on, a record at a time, views of the file's bytes.

        `until_seq` ends it after that sequence, or after the label row that belongs to it. CorruptJournalError.
        """
        for rows in self._records_until(None):
            if until_seq is not None and self.last_seq >= until_seq:
                yield rows[: _cut(rows, until_seq)]
                return
            yield rows

    def whole_records(self, until_seq: int | None = None) -> Iterator[Rows]:
        """The same, but it ends with the last record that lies up to a sequence; `whole_chain` is the hash there."""
        self.whole_chain = self.position.chain
        for rows in self.batches():
            if until_seq is not None and self.last_seq > until_seq:
                return
            self.whole_chain = self.position.chain
            yield rows

    def _records_until(self, seq: int | None) -> Iterator[Rows]:
        """The records that follow, up to the one that ends at `seq` or behind it."""
        while seq is None or self.last_seq < seq:
            number = self.position.segment.number
            for rows in self._segment(number):
                yield rows
                if seq is not None and self.last_seq >= seq:
                    return
            if number == self._segments.last:
                return
            self._next_segment(number)

    def _next_segment(self, number: int) -> None:
        """Go on with the segment after `number`; it has to begin where that one ended."""
        header = self._segments.header(number + 1)
        if header.first_seq != self.position.next_seq or header.chain != self.position.chain:
            path = self._segments.path(number + 1)
            raise CorruptJournalError(path, 0, "this segment does not follow the one before it")
        self.position = start_of(header)

    def _segment(self, number: int) -> Iterator[Rows]:
        """The records of the present segment from the position on."""
        path, data, here = self._segments.path(number), self._bytes(number), self.position
        while here.offset < len(data):
            record = record_at(data, here.offset)
            if record is None:
                if self._is_end(number, data, here.offset):
                    return
                data = self._bytes(number)  # what was written while it was read is whole by now
                record = record_at(data, here.offset)
                if record is None:
                    raise self._with_proof(corrupt(path, data, here.offset))
            count, start = record[1][1], here.offset + RECORD_BYTES
            self.position = here = after(path, here, record)
            self.records_read += 1
            if here.next_seq > self._awaited_seq:
                self._meet()
            if count:
                yield np.ndarray(count, COMMAND, data, start)

    def _bytes(self, number: int) -> Any:
        """The bytes of a segment, writable as the kernels want them, while the file is not."""
        return self._segments.read(number)

    def _with_proof(self, error: CorruptJournalError) -> CorruptJournalError:
        """A bad record that something outside shows to have been durable: say what, and where the sound part ends."""
        proof = max(self._proofs, default=None, key=lambda proof: proof.seq)
        is_last = error.path == self._segments.path(self._segments.last)
        if proof is None or not is_last or proof.seq <= self.last_seq:
            return error
        known = f"{error.what}; {proof.by} shows that the log was durable up to {proof.seq}, the sound records end at "
        return CorruptJournalError(error.path, error.offset, f"{known}{self.last_seq}")

    def _is_end(self, number: int, data: Any, offset: int) -> bool:
        """Whether a bad record is the journal's end: zeros up to the file's end, or a torn tail, which is noted."""
        if number != self._segments.last:
            return False
        if not np.frombuffer(data, np.uint8, offset=offset).any():
            return True
        if self.position.next_seq <= self.proven_seq or was_durable(data, offset, self.position.next_seq):
            return False
        self.torn = TornTail(self._segments.path(number), offset, len(data) - offset)
        return True


def gathered(batches: Iterable[Rows], least_rows: int) -> Iterator[Rows]:
    """The rows of batches that follow one another, at least so many at a time but for the last.

    A venue that is not busy syncs each command in a record of its own, and a batch costs whoever replays it many times
    what a row does.
    """
    waiting = bytearray()
    for rows in batches:
        if not waiting and len(rows) >= least_rows:
            yield rows
            continue
        waiting += rows.tobytes()  # to join arrays of records takes many times as long
        if len(waiting) >= least_rows * COMMAND.itemsize:
            yield np.frombuffer(waiting, COMMAND)
            waiting = bytearray()
    if waiting:
        yield np.frombuffer(waiting, COMMAND)


def _other_log(directory: Path, proof: Proof) -> LossError:
    return LossError(
        f"{directory}: the journal is not the one that {proof.by} was made from: at sequence {proof.seq} it has "
        f"another history; put back the journal and the files that belong together, from one copy of the data folder"
    )


def _cut(rows: Rows, until_seq: int) -> int:
    """How many rows belong to the log up to a sequence: a label row stays with its command."""
    count = until_seq + 1 - int(rows["seq"][0])
    if count < len(rows) and rows["kind"][count] == CommandKind.LABEL:
        count += 1
    return count
