"""Rows of the trail as text, compiled: a line of JSON or CSV each, and the canonical JSON that the chain's hash covers.

The bytes are those that `export` and `hash_chain` write for the same record in Python.
"""

from typing import Any

import numpy as np

from engine.kernels import part, unlocked
from gateway.audit_trail.columns import COLUMNS
from gateway.audit_trail.hash_chain import CHAIN
from gateway.audit_trail.trail_rows import (
    COLUMN,
    DIGEST_AT,
    DIGEST_WORDS,
    FIRST_COLUMN,
    NAMES,
    NUMBER_WORD,
    ROW_WORDS,
    TOLD,
    WORDS,
)
from gateway.wire.byte_kernels import BLOCK_BYTES, put_integer, put_text

HASH_BYTES = 32
"""Of the hash before, for which there is room in front of the canonical JSON of a record."""
HEX_BYTES = 2 * HASH_BYTES
NO_LINES, JSON_LINES, CSV_LINES = range(3)
"""What lines `write_rows` writes."""
_LEAST_NUMBER_WORD = NUMBER_WORD >> 1
_LEAST = -(1 << 63)
_QUOTE, _COMMA, _OPEN, _CLOSE, _END = 34, 44, 123, 125, 10

# --- texts --------------------------------------------------------------------------------------------------------

_texts: list[bytes] = []


def _text(data: bytes) -> int:
    _texts.append(data)
    return len(_texts) - 1


_FIRST_KEY = len(_texts)
_KEYS = np.array([_text(f',"{name}":'.encode()) for name in NAMES])
_FIRST_WORD = len(_texts)
for _word in WORDS:
    _text(_word.encode())
_LEAST_NUMBER = _text(str(_LEAST).encode())
_CHAIN_KEY = _text(f',"{CHAIN}":"'.encode())
POOL = np.frombuffer(b"".join((*_texts, bytes(BLOCK_BYTES))), np.uint8).copy()
_SIZES = np.array([len(text) for text in _texts])
_BEGINS = np.cumsum(_SIZES) - _SIZES
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).copy()
_LONGEST_VALUE = max(HEX_BYTES, *(len(word) for word in WORDS)) + 2
MAX_ROW_BYTES = sum(len(name) + 4 for name in NAMES) + _LONGEST_VALUE * len(NAMES) + HEX_BYTES + 8 * BLOCK_BYTES
"""No line and no canonical JSON is longer than this, the room around it included."""


def _table(values: Any) -> Any:
    """The lists of all shapes as the rows of one array, as long as the longest."""
    table = np.zeros((len(TOLD), max(len(told) for told in TOLD.values())), np.int64)
    for shape, found in enumerate(values):
        table[shape, : len(found)] = found
    return table


_COUNTS = np.array([len(told) for told in TOLD.values()])
_BITS = _table([bit for bit, _ in told] for told in TOLD.values())
_COLUMNS = _table([COLUMN[name] for _, name in told] for told in TOLD.values())
_SORTED_NAMES = [sorted({name for _, name in told}) for told in TOLD.values()]
_SORTED = _table([COLUMN[name] for name in names] for names in _SORTED_NAMES)
_SORTED_BITS = _table(
    [sum({bit for bit, other in told if other == name}) for name in names]
    for told, names in zip(TOLD.values(), _SORTED_NAMES, strict=True)
)
"""Of each column all bits that may say that a row has it."""
_SORTED_COUNTS = np.array([len(names) for names in _SORTED_NAMES])
_IS_WORD = np.array([COLUMNS[name] is str for name in NAMES])
_DIGEST = COLUMN["digest"]
_COLUMN_COUNT = len(NAMES)


@part
def _put(out, at, text):
    return put_text(out, at, POOL, _BEGINS[text], _SIZES[text])


@part
def _put_number(out, at, value):
    return put_integer(out, at, value) if value != _LEAST else _put(out, at, _LEAST_NUMBER)


@part
def _put_hex(out, at, words, first):
    for place in range(DIGEST_WORDS):
        word = words[first + place]
        for _ in range(8):
            pair = (word & 255) << 1
            out[at], out[at + 1] = _HEX[pair], _HEX[pair + 1]
            word >>= 8
            at += 2
    return at


@part
def _put_word(out, at, words, column):
    """The text of a word, without quotes."""
    if column == _DIGEST:
        return _put_hex(out, at, words, DIGEST_AT)
    word = words[FIRST_COLUMN + column]
    if word >= _LEAST_NUMBER_WORD:
        return _put_number(out, at, word - NUMBER_WORD)
    return _put(out, at, _FIRST_WORD + word)


# --- a row ----------------------------------------------------------------------------------------------------------


@part
def _put_members(out, at, words, spans):
    """The members of a row's object sorted by their keys, each with a comma in front; notes where they are.

    `spans` gets for each column where its member begins, where its value begins without quotes, and where that ends.
    """
    present, shape = words[0], words[1]
    for place in range(_SORTED_COUNTS[shape]):
        if present & _SORTED_BITS[shape, place] == 0:
            continue
        column = _SORTED[shape, place]
        spans[column, 0] = at
        at = _put(out, at, _FIRST_KEY + column)
        if _IS_WORD[column]:
            out[at] = _QUOTE
            spans[column, 1] = at + 1
            at = _put_word(out, at + 1, words, column)
            spans[column, 2] = at
            out[at] = _QUOTE
            at += 1
        else:
            spans[column, 1] = at
            at = _put_number(out, at, words[FIRST_COLUMN + column])
            spans[column, 2] = at
    return at


@part
def _put_json(out, at, members, words, spans):
    """The members again, in the order of a line of JSON; returns where the line's hash belongs."""
    begin, present, shape = at, words[0], words[1]
    for place in range(_COUNTS[shape]):
        if present & _BITS[shape, place] != 0:
            column = _COLUMNS[shape, place]
            first = spans[column, 0]
            at = put_text(out, at, members, first, spans[column, 2] + _IS_WORD[column] - first)
    out[begin] = _OPEN
    return _put(out, at, _CHAIN_KEY)


@part
def _put_csv(out, at, members, spans):
    """The values of all columns, each with a comma behind; returns where the line's hash belongs."""
    for column in range(_COLUMN_COUNT):
        if spans[column, 0] >= 0:
            first = spans[column, 1]
            at = put_text(out, at, members, first, spans[column, 2] - first)
            spans[column, 0] = -1
        out[at] = _COMMA
        at += 1
    return at


@part
def _end_line(out, at, is_csv):
    """What stands behind a line's hash; returns the line's end."""
    at += HEX_BYTES
    if not is_csv:
        out[at], out[at + 1] = _QUOTE, _CLOSE
        at += 2
    out[at] = _END
    return at + 1


@unlocked
def write_rows(rows, words, buffers, spans, places, format_code):
    """Write rows, seen as words, as canonical JSON and as lines of JSON or CSV, or none; returns where the lines end.

    `rows` is there for its type alone: numba keeps code by types, and `trail_rows.ROW` changes with the sources.

    `buffers`: the lines and the canonical JSON. `spans` has -1 in its first column. `places` gets for each row where
    its canonical JSON begins, with room for the hash before, where it ends, and where in the lines its hash belongs.
    """
    lines, canonical = buffers
    line_end = canonical_end = 0
    for index in range(len(words)):
        begin = canonical_end + HASH_BYTES
        end = _put_members(canonical, begin, words[index], spans)
        places[index, 0] = canonical_end
        if format_code != NO_LINES:
            if format_code == CSV_LINES:
                line_end = _put_csv(lines, line_end, canonical, spans)
            else:
                line_end = _put_json(lines, line_end, canonical, words[index], spans)
            places[index, 2] = line_end
            line_end = _end_line(lines, line_end, format_code == CSV_LINES)
        canonical[begin], canonical[end] = _OPEN, _CLOSE
        canonical_end = end + 1
        places[index, 1] = canonical_end
    return line_end


@unlocked
def write_hashes(lines, places, hashes):
    """Write the hashes of rows, 32 bytes each, into their lines."""
    for index in range(len(places)):
        at = places[index, 2]
        for byte in range(HASH_BYTES):
            pair = np.int64(hashes[index * HASH_BYTES + byte]) << 1
            lines[at], lines[at + 1] = _HEX[pair], _HEX[pair + 1]
            at += 2


def as_words(rows: Any) -> Any:
    """Rows seen as words."""
    return rows.view(np.int64).reshape(len(rows), ROW_WORDS)
