"""Changes that reach behind a reader's first check: whole records, single fields; lengths and counts are made right.

A layout parts a file into its head and its records. What is done to a record keeps the frame around its fields in most
cases, so that the rules behind the frame are met. All chance is the caller's.
"""

import re
from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar, Protocol

from engine.recordings import itch, pitch, pitch_binary
from tests.fuzz.mutate import PIECES, WORDS, below, mutated, mutated_fixed

MOST_BYTES = 16 << 10
"""Records are not repeated in longer files."""
_RUN = 12
_RUNS = 0.8
"""Of a longer file most inputs keep a run of at most so many records."""
_HEAD_CHANGED = 0.04
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[^\s,:\[\]{}"]+')
_LETTERS = b'0123456789.-+eE "aZ_'
_PITCH_WIDTHS = (1, 1, 2, 6, 8, 10, 12)
_WORD_SIZES = (1, 2, 4, 6, 8)


class Layout(Protocol):
    """How the files of a format are built."""

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """The head and the records; what is left at the end is the last record."""
        ...

    def changed(self, record: bytes, other: bytes, chance: Random) -> bytes:
        """A record with one field changed, maybe to that of another record."""
        ...

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        """A file; what the head says of the records is true in most cases."""
        ...


def restructured(data: bytes, layout: Layout, chance: Random) -> bytes:
    """A file with one to three records changed, left out, repeated or moved."""
    head, records = layout.parts(data)
    if len(records) > _RUN and chance.random() < _RUNS:
        first = below(chance, len(records))
        records = records[first : first + 1 + below(chance, _RUN)]
    for _ in range((1, 1, 2, 3)[below(chance, 4)]):
        if not records:
            break
        at, do = below(chance, len(records)), below(chance, 12)
        if do < 7:
            records[at] = layout.changed(records[at], records[below(chance, len(records))], chance)
        elif do == 7:
            del records[at]
        elif do == 8:
            records.insert(below(chance, len(records) + 1), records[at])
        elif do == 9:
            other = below(chance, len(records))
            records[at], records[other] = records[other], records[at]
        elif do == 10:
            records[at] = mutated(records[at], chance)
        else:
            times = below(chance, 150 if chance.random() < 0.2 else 4)
            records[at:at] = [records[at]] * min(times, max(0, MOST_BYTES - len(data)) // (1 + len(records[at])))
    if chance.random() < _HEAD_CHANGED:
        head = mutated(head, chance)
    return layout.joined(head, records, chance)


class Lines:
    """Lines of text: cells between commas, or JSON. The first `heads` lines are the head."""

    def __init__(self, heads: int = 0) -> None:
        self.heads = heads

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        lines = data.splitlines(keepends=True)
        return b"".join(lines[: self.heads]), lines[self.heads :]

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        return head + b"".join(records)

    def changed(self, record: bytes, other: bytes, chance: Random) -> bytes:
        if chance.random() < 0.15:
            cells = record.split(b",")
            cells[below(chance, len(cells))] = _token(b"", b"", chance)
            return b",".join(cells)
        spans = [found.span() for found in _TOKEN.finditer(record)]
        if not spans:
            return mutated(record, chance)
        place = below(chance, len(spans))
        if record[spans[place][1] : spans[place][1] + 1] == b":" and place + 1 < len(spans) and chance.random() < 0.8:
            place += 1  # the value of a name
        begin, end = spans[place]
        others = _TOKEN.findall(other)
        like = others[place] if place < len(others) else b""
        return record[:begin] + _token(record[begin:end], like, chance) + record[end:]


def _token(token: bytes, like: bytes, chance: Random) -> bytes:
    """A cell or a value of JSON changed; quotes stay in most cases."""
    body, do = token.strip(b'"'), below(chance, 9)
    at = below(chance, len(body) + 1)
    if do == 0 and like:
        return like
    if do <= 1:
        new = chance.choice(PIECES)
    elif do == 2:
        number = chance.choice(WORDS)
        new = b"%d" % (number if chance.random() < 0.7 else -number)
    elif do == 3:
        new = body[:at] + bytes([_LETTERS[below(chance, len(_LETTERS))]]) + body[at + 1 :]
    elif do == 4:
        new = body[:at] + body[at + 1 :]
    elif do == 5:
        new = body + b"0" * (1 + below(chance, 12))
    elif do == 6:
        new = body[1:] if body[:1] == b"-" else b"-" + body
    elif do == 7:
        new = body[:at] + b"." + body[at:]
    else:
        new = body[:at] + bytes([48 + below(chance, 10)]) + body[at + 1 :]
    is_quoted = (token[:1] == b'"') != (chance.random() < 0.1)
    return b'"' + new + b'"' if is_quoted else new


class PitchLines(Lines):
    """Lines of PITCH: fields by their place."""

    def changed(self, record: bytes, other: bytes, chance: Random) -> bytes:
        body = record.rstrip(b"\r\n")
        end, first = record[len(body) :], int(body[:1] == b"S")
        do, width = below(chance, 8), _PITCH_WIDTHS[below(chance, len(_PITCH_WIDTHS))]
        if do == 0 and len(body) > first + 8:
            kind = chance.choice(list(pitch.MIN_LENGTH_OF))
            whole = body[: first + 8] + kind.encode() + body[first + 9 :]
            return whole.ljust(first + pitch.MIN_LENGTH_OF[kind], b"0") + end
        if not body:
            return record
        at = below(chance, len(body))
        width = min(width, len(body) - at)
        if do <= 2:
            new = bytes([b"0 9Z"[below(chance, 4)]]) * width
        elif do <= 4 and len(other) >= at + width:
            new = other[at : at + width]
        elif do == 5:
            new = bytes([32 + below(chance, 95)]) + body[at + 1 : at + width]
        else:
            new = b"%0*d" % (width, below(chance, 10**width))
        return body[:at] + new + body[at + width :] + end


class _Binary(ABC):
    """Records that say how long they are. `first`: where the fields begin; `big`: how their numbers are written."""

    first: ClassVar[int]
    big: ClassVar[bool]

    def changed(self, record: bytes, other: bytes, chance: Random) -> bytes:
        if len(record) <= self.first + 1:
            return record
        do, size = below(chance, 8), _WORD_SIZES[below(chance, len(_WORD_SIZES))]
        at = self.first + below(chance, len(record) - self.first)
        if do == 0:
            return self.retyped(record, other, chance)
        if do == 1:
            changed = bytearray(record)
            mutated_fixed(changed, chance, self.first, len(changed))
            return bytes(changed) if len(changed) == len(record) else record
        if do <= 3 and len(other) >= at + size <= len(record):
            return record[:at] + other[at : at + size] + record[at + size :]
        size = min(size, len(record) - at)
        number = chance.choice(WORDS) if do <= 6 else below(chance, 300)
        new = (number & ((1 << 8 * size) - 1)).to_bytes(size, "big" if self.big else "little")
        return record[:at] + new + record[at + size :]

    @abstractmethod
    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        """The record with the type of another, which may be as long as that one's."""


class ItchMessages(_Binary):
    """ITCH: messages behind their lengths."""

    first, big = 2, True
    _kinds = tuple(itch.LENGTH_OF)

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        records, at = [], 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            records.append(data[at:end])
            at = end
        return b"", records

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        return head + b"".join(records)

    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        kind = self._kinds[below(chance, len(self._kinds))]
        length = itch.LENGTH_OF[kind] - (chance.random() < 0.1)
        body = (record[3:] + other[3:]).ljust(length, b"\1")[: length - 1]
        return length.to_bytes(2, "big") + kind.encode() + body


class PitchMessages(_Binary):
    """Binary PITCH: messages that begin with their length."""

    first, big = 1, False
    _kinds = tuple(pitch_binary.MIN_LENGTH_OF)

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        records, at = [], 0
        while at < len(data):
            end = at + max(2, data[at])
            records.append(data[at:end])
            at = end
        return b"", records

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        return head + b"".join(records)

    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        kind = self._kinds[below(chance, len(self._kinds))]
        length = pitch_binary.MIN_LENGTH_OF[kind] - (chance.random() < 0.1)
        return bytes([length, kind]) + (record[2:] + other[2:]).ljust(length, b"\1")[: length - 2]


class PitchFrames(_Binary):
    """Binary PITCH: frames of messages; what a header says is made right in most cases."""

    first, big = PitchMessages.first + pitch_binary.HEADER_BYTES, False
    _messages = PitchMessages()

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        records, at = [], 0
        while at < len(data):
            end = at + max(pitch_binary.HEADER_BYTES, int.from_bytes(data[at : at + 2], "little"))
            records.append(data[at:end])
            at = end
        return b"", records

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        right = (self._right(record) if chance.random() < 0.95 else record for record in records)
        return head + b"".join(right)

    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        at = pitch_binary.HEADER_BYTES
        messages = self._messages.parts(record[at:])[1]
        if not messages:
            return other
        place = below(chance, len(messages))
        messages[place] = self._messages.retyped(messages[place], other[at:], chance)
        return record[:at] + b"".join(messages)

    def _right(self, record: bytes) -> bytes:
        at = pitch_binary.HEADER_BYTES
        count = len(self._messages.parts(record[at:])[1])
        return len(record).to_bytes(2, "little") + bytes([min(count, 255)]) + record[3:]


class DbnRecords(_Binary):
    """DBN: metadata, and records that begin with their length in words of four bytes."""

    first, big = 1, False
    _kinds = (0xA0, 0xA0, 0x13, 0x16, 0x00, 0x17, 0xFF)
    _words = (14, 16, 4, 20, 44, 90, 255, 3)

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        at = 8 + int.from_bytes(data[4:8], "little")
        head, records = data[:at], []
        while at < len(data):
            end = at + max(4, 4 * data[at])
            records.append(data[at:end])
            at = end
        return head, records

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        if chance.random() < 0.1 and len(head) > 16:
            changed = bytearray(head)
            mutated_fixed(changed, chance, 8, len(changed))
            head = bytes(changed)
        return head + b"".join(records)

    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        words = self._words[below(chance, len(self._words))]
        kind = self._kinds[below(chance, len(self._kinds))]
        return (bytes([words, kind]) + (record[2:] + other[2:] * 20))[: 4 * words].ljust(4 * words, b"\0")


class Flash1Records(_Binary):
    """flash1: a header with the count, and records of one size."""

    first, big = 0, False
    _head, _size = 16, 40

    def parts(self, data: bytes) -> tuple[bytes, list[bytes]]:
        places = range(self._head, len(data), self._size)
        return data[: self._head], [data[at : at + self._size] for at in places]

    def joined(self, head: bytes, records: list[bytes], chance: Random) -> bytes:
        if chance.random() < 0.95:
            head = head[:12] + len(records).to_bytes(4, "little")
        return head + b"".join(records)

    def retyped(self, record: bytes, other: bytes, chance: Random) -> bytes:
        return bytes([below(chance, 4)]) + record[1:]
