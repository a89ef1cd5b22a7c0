"""Lines of whole numbers, decimals and short words, parsed by compiled code a block at a time.

What it reads is plain: fields of one to 18 digits, with a minus sign or without, or words of up to eight letters,
parted by commas, and nothing else on the line. Every other line is only marked: its reader looks at its text, and says
what is wrong or takes it after all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.kernels import part, unlocked
from engine.recordings.source import BadLineError, RecordingError, Source, count_lines
from engine.units import JIT, load_word, lowest_bit, wrapping_mul

BLOCK_BYTES = 1 << 18
MAX_DIGITS = 18
"""Digits of a plain field; two such values sum within int64."""
_ZEROS, _LOW_BITS, _TO_HIGH_BIT = (int.from_bytes(bytes([octet]) * 8) for octet in (ord("0"), 0x7F, 0x80 - 10))
"""For eight letters at once: what makes digits 0 to 9, and what sets the high bit of anything above them."""
_POW10 = np.array([10**power for power in range(9)])
_NEWLINE, _RETURN, _COMMA, _MINUS, _POINT, _ZERO, _SPACE, _TAB = 10, 13, 44, 45, 46, 48, 32, 9

NOWHERE = -1
WORD = -1
"""In place of a number of decimals: the field is a word, and its value is that of `word_value`."""
_WORD_LETTERS = 8
_LETTERS = (ord("A"), ord("z"))

Array = np.ndarray[Any, Any]


def word_value(text: str) -> int:
    """A word of up to eight letters as a number."""
    return int.from_bytes(text.encode("ascii"), "little")


Settled = tuple[Array, RecordingError | None]
"""Which lines are bad; with an error that ends them, of those before it alone."""


@dataclass(slots=True)
class Lines:
    """Parsed lines: their numbers in the file (from 1), values, and whether each was plain; blank ones are left out.

    `values` is an int64 array (lines, fields). Those of a line that is not plain mean nothing until they are set.
    """

    numbers: Array
    values: Array
    plain: Array
    starts: Array
    data: bytes

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, row: int) -> str:
        """The text of a line, without its end."""
        end = self.data.find(b"\n", self.starts[row])
        line = self.data[self.starts[row] : end if end >= 0 else len(self.data)]
        return line.decode("ascii", "replace").strip()

    def settle(self, good: Array, parse: Callable[[int, str], Any], skip_bad: bool) -> Settled:
        """Set the values of lines that are not good by `parse`, which gets (number, text).

        What it refuses with BadLineError is bad, or ends the lines unless bad ones are skipped.
        """
        bad = np.zeros(len(self), np.bool_)
        for row in np.flatnonzero(~good).tolist():
            try:
                self.values[row] = parse(int(self.numbers[row]), self.text(row))
            except BadLineError as error:
                if not skip_bad:
                    return bad[:row], error
                bad[row] = True
        return bad, None


Taken = tuple[Array, Array, Array]
"""(numbers, values, whether each is bad) of some lines."""
Settle = Callable[[Lines], Settled]
"""Sets the values of lines that are not plain."""


class LineStream:
    """The lines of a source in order, taken in any portions.

    `places` says for each field how many decimals it may have, 1.5 with 2 of them is 150, or WORD. `error` is why
    nothing more comes, once everything before it is taken.
    """

    def __init__(self, source: Source, places: Array, settle: Settle, block_bytes: int = BLOCK_BYTES) -> None:
        self.error: RecordingError | None = None
        self._blocks, self._places, self._settle = source.blocks(block_bytes), places, settle
        self._data, self._at, self._number = b"", 0, 1
        self._is_done = False
        self._end_error: RecordingError | None = None

    def take(self, count: int) -> Taken:
        """The next so many lines, fewer at the end. RecordingError for damage."""
        room = _Room(count, len(self._places))
        bad, have = np.empty(count, np.bool_), 0
        while have < count and not self._is_done:
            if self._at == len(self._data):
                self._number, self._data = next(self._blocks, (0, b""))
                self._at, self._is_done = 0, not self._data
                continue
            lines, self._at, self._number = room.parse(self._data, self._at, self._number, self._places, have)
            found, self._end_error = self._settle(lines)
            bad[have : have + len(found)] = found
            have += len(found)
            self._is_done = self._end_error is not None
        if have < count:
            self.error = self._end_error
        return room.numbers[:have], room.values[:have], bad[:have]


class _Room:
    """Room for so many lines."""

    def __init__(self, count: int, fields: int) -> None:
        self.numbers, self.starts = np.empty(count, np.int64), np.empty(count, np.int64)
        self.values, self.plain = np.empty((count, fields), np.int64), np.empty(count, np.bool_)

    def parse(self, data: bytes, at: int, number: int, places: Array, used: int) -> tuple[Lines, int, int]:
        """Parse lines from `at` on, of which the first one has a number, as far as there is room behind `used` others.

        The lines, where the next one begins, and its number.
        """
        numbers, values, plain = self.numbers[used:], self.values[used:], self.plain[used:]
        starts, begin, ends = self.starts[used:], (at, number), np.zeros(len(places), np.int64)
        lines = numbers, starts, plain, ends
        count, at, number = _parse(np.frombuffer(data, np.uint8), begin, places, values, lines)
        return Lines(numbers[:count], values[:count], plain[:count], starts[:count], data), at, number


def parse(data: bytes, first_line: int, places: Array) -> Lines:
    """Parse whole lines, of which the first one has a number."""
    return _Room(count_lines(data) + 1, len(places)).parse(data, 0, first_line, places, 0)[0]


@part
def _word(octets, at):
    """The value of a word and where it ends; -1 where there is none."""
    value, letters = np.int64(0), 0
    while at < len(octets) and letters <= _WORD_LETTERS and _LETTERS[0] <= octets[at] <= _LETTERS[1]:
        value |= np.int64(octets[at]) << np.int64(8 * letters)
        letters += 1
        at += 1
    return value, (at if 0 < letters <= _WORD_LETTERS else -1)


@part
def _some_digits(octets, at, most):
    """What up to eight digits at a place say, at most so many of them, and how many; eight bytes have to be there."""
    word = load_word(octets, at) ^ _ZEROS
    over = ((word & _LOW_BITS) + _TO_HIGH_BIT | word) & ~_LOW_BITS
    count = min(8 if over == 0 else lowest_bit(over) >> 3, most)
    if count == 0:
        return np.int64(0), count
    word <<= np.int64(64 - 8 * count)
    word = wrapping_mul(word, 10 << 8 | 1) >> 8 & 0x00FF00FF00FF00FF
    word = wrapping_mul(word, 100 << 16 | 1) >> 16 & 0x0000FFFF0000FFFF
    return wrapping_mul(word, 10_000 << 32 | 1) >> 32, count


@part
def number_at(octets, at, places):
    """The plain number at a place and where it ends, scaled by 10^places; -1 where there is none."""
    size, sign, value, digits = len(octets), 1, np.int64(0), 0
    if at < size and octets[at] == _MINUS:
        sign = -1
        at += 1
    begun = at
    while JIT and size - at >= 8 and digits <= MAX_DIGITS:
        more, count = _some_digits(octets, at, 8)
        value = wrapping_mul(value, _POW10[count]) + more
        digits += count
        at += count
        if count < 8:
            break
    while at < size and digits <= MAX_DIGITS:
        digit = np.int64(octets[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        digits += 1
        at += 1
    if at == begun or digits + places > MAX_DIGITS:
        return 0, -1
    if places == 0:
        return sign * value, at
    left = places
    if at < size and octets[at] == _POINT:
        at += 1
        begun = at
        while JIT and size - at >= 8 and left > 0:
            more, count = _some_digits(octets, at, left)
            value = wrapping_mul(value, _POW10[count]) + more
            left -= count
            at += count
            if count < 8:
                break
        while at < size and left > 0:
            digit = np.int64(octets[at]) - _ZERO
            if digit < 0 or digit > 9:
                break
            value = value * 10 + digit
            left -= 1
            at += 1
        if at == begun:
            return 0, -1
    for _ in range(left):
        value *= 10
    return sign * value, at


@part
def text_is_blank(octets, start, end):
    """Whether only white space stands there."""
    for at in range(start, end):
        octet = octets[at]
        if octet != _SPACE and not _TAB <= octet <= _RETURN:
            return False
    return True


@part
def text_end(octets, at):
    """Where the line ends: its newline, or behind everything."""
    while at < len(octets) and octets[at] != _NEWLINE:
        at += 1
    return at


@part
def _same_bytes(octets, at, former, most):
    """How many bytes are the same from two places on, as far as it matters; the last few of all do not count."""
    same = 0
    while same < most and at + same + 8 <= len(octets):
        different = load_word(octets, at + same) ^ load_word(octets, former + same)
        if different != 0:
            return same + (lowest_bit(different) >> 3)
        same += 8
    return same


@part
def _values(octets, at, places, row, before):
    """Parse one line into a row of values; where it ends (its newline, or behind everything), -1: it is not plain.

    Fields that stand in the line before, which was plain, are taken from there: of a book most are the same.
    `before`: where that line begins, NOWHERE: none; its values; the ends of its fields, which become this line's.
    """
    former_begin, former_row, ends = before
    last, begin, former, field = len(places) - 1, at, former_begin, 0
    former_end = former_begin + ends[last]
    while field <= last:
        if former_begin != NOWHERE:
            same = _same_bytes(octets, at, former, former_end + 1 - former)
            while field <= last and former_begin + ends[field] - former < same:
                size = former_begin + ends[field] - former
                row[field] = former_row[field]
                ends[field] = at + size - begin
                at += size + 1
                former += size + 1
                same -= size + 1
                field += 1
            if field > last:
                at -= 1
                break
        value, at = _word(octets, at) if places[field] == WORD else number_at(octets, at, places[field])
        if at < 0:
            return -1
        row[field] = value
        former = former_begin + ends[field] + 1
        ends[field] = at - begin
        if field < last:
            if at == len(octets) or octets[at] != _COMMA:
                return -1
            at += 1
        field += 1
    if at < len(octets) and octets[at] == _RETURN:
        at += 1
    return at if at == len(octets) or octets[at] == _NEWLINE else -1


@unlocked
def _parse(octets, begin, places, values, lines):
    """Parse lines from a place on: how many are not blank, where it ended, and the number of the line there."""
    numbers, starts, plain, ends = lines
    at, number = begin
    used, former = 0, NOWHERE
    while at < len(octets) and used < len(numbers):
        start = at
        at = _values(octets, start, places, values[used], (former, values[used - 1], ends))
        is_plain = at >= 0
        former = start if is_plain else NOWHERE
        if not is_plain:
            at = text_end(octets, start)
        if is_plain or not text_is_blank(octets, start, at):
            numbers[used] = number
            starts[used] = start
            plain[used] = is_plain
            used += 1
        at = min(at + 1, len(octets))
        number += 1
    return used, at, number
