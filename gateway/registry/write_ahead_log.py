"""Whether SQLite's write-ahead log, the file `-wal` beside a database, is whole after a crash.

SQLite takes a frame whose checksum is wrong for the log's end, in silence: one flipped bit would take back everything
that was committed after it. A transaction is fsynced before the next one begins, so a broken frame with a later
transaction behind it was durable once. In the last transaction it is a write that a power cut has torn.
The file's format: https://www.sqlite.org/fileformat2.html#walformat
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

_HEADER_BYTES, _FRAME_BYTES = 32, 24
_SUMMED_BYTES = {"header": 24, "frame": 8}
"""How much of a header goes into its checksum; of a frame its page does too."""
_MAGIC, _WORD_ORDER = 0x377F0682, ("<u4", ">u4")
"""The last bit of the magic number says in which order the checksums take a word's bytes."""
_MASK = (1 << 32) - 1
Sums = tuple[int, int]


class _Weights(NamedTuple):
    """How much each word of a block counts in its two checksums, and what the sums before it count."""

    x: np.ndarray[tuple[int, int], np.dtype[np.uint32]]
    y: np.ndarray[tuple[int, int], np.dtype[np.uint32]]
    before: tuple[Sums, Sums]


def damage(database: Path) -> str:
    """What is wrong with the log of a database, in a few words; empty when it is whole, torn at its end, or missing."""
    path, before = database.with_name(database.name + "-wal"), b""
    while True:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return ""
        found = _damage(data)
        if not found or data == before:
            return found
        before = data  # another process may have begun the log anew while it was read


def _damage(data: bytes) -> str:
    if len(data) < _HEADER_BYTES + _FRAME_BYTES:
        return ""
    magic, _, page_bytes, _, *salts = np.frombuffer(data[:24], ">u4").tolist()
    order = _WORD_ORDER[magic & 1]
    head = _SUMMED_BYTES["header"]
    sums = _sums(data[:head], order, (0, 0), _weights(head))
    if magic | 1 != _MAGIC | 1 or not 512 <= page_bytes <= 65_536 or list(sums) != _words(data, head, 2):
        return "its head is not as it was written"
    frame_bytes = _FRAME_BYTES + page_bytes
    weights = {size: _weights(size) for size in (_SUMMED_BYTES["frame"], page_bytes)}
    broken = 0
    has_ended = False
    for number, at in enumerate(range(_HEADER_BYTES, len(data) - frame_bytes + 1, frame_bytes), 1):
        is_of_this_log = _words(data, at + 8, 2) == salts
        if broken:
            if is_of_this_log and has_ended:
                return f"frame {broken} is not as it was written, and a later transaction is behind it"
            has_ended |= is_of_this_log and _words(data, at + 4, 1) != [0]
            continue
        for begin, size in ((at, _SUMMED_BYTES["frame"]), (at + _FRAME_BYTES, page_bytes)):
            sums = _sums(data[begin : begin + size], order, sums, weights[size])
        if not is_of_this_log or list(sums) != _words(data, at + 16, 2):
            broken, has_ended = number, _words(data, at + 4, 1) != [0]
    return ""


def _words(data: bytes, at: int, count: int) -> list[int]:
    found: list[int] = np.frombuffer(data[at : at + 4 * count], ">u4").tolist()
    return found


def _weights(size_bytes: int) -> _Weights:
    """SQLite adds words in pairs: a += x + b; b += y + a. So each word counts a Fibonacci number, modulo 2^32."""
    steps = size_bytes // 8
    x, y = np.zeros((2, steps), np.uint32), np.zeros((2, steps), np.uint32)
    of_x, of_y, of_a, of_b = (1, 1), (0, 1), (1, 0), (0, 1)
    for place in range(steps - 1, -1, -1):
        x[:, place], y[:, place] = of_x, of_y
        of_x, of_y = _step(of_x), _step(of_y)
    for _ in range(steps):
        of_a, of_b = _step(of_a), _step(of_b)
    return _Weights(x, y, (of_a, of_b))


def _step(sums: Sums) -> Sums:
    a = (sums[0] + sums[1]) & _MASK
    return a, (sums[1] + a) & _MASK


def _sums(block: bytes, order: str, before: Sums, weights: _Weights) -> Sums:
    """The checksums after a block, from those before it."""
    words = np.frombuffer(block, order).astype(np.uint32)
    found, (of_first, of_second), (first, second) = [], weights.before, before
    for row in (0, 1):
        added = int(np.sum(weights.x[row] * words[0::2], dtype=np.uint64))
        added += int(np.sum(weights.y[row] * words[1::2], dtype=np.uint64))
        found.append((added + of_first[row] * first + of_second[row] * second) & _MASK)
    return found[0], found[1]
