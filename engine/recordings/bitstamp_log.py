"""Lines of Bitstamp's log of 2015 as its collector wrote them, parsed by compiled code.

`TIME order_KIND {"price": "P", "amount": "A", "datetime": "T", "id": N, "order_type": 0 or 1}` and
`TIME order_book {"bids": [["P", "A"], ...], "asks": [...]}`,
`TIME trade {"price": P, "amount": A, "id": N}`. Every other line is only marked, as in `integer_csv`.
"""

from typing import Any

import numpy as np

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.kernels import part, unlocked
from engine.recordings.bitstamp_follower import CHANGED, CREATED, DELETED, SNAPSHOT, TRADE
from engine.recordings.integer_csv import Array, Lines, number_at, text_end, text_is_blank
from engine.recordings.source import count_lines
from engine.units import load_word

PRICE_PLACES, QUANTITY_PLACES = 2, 8
TIME_MS, KIND, ORDER_ID, PRICE, LOTS, SIDE, FIELDS = range(7)
"""The columns of an entry. A snapshot's id is its first level, its price and lots how many bids and asks follow."""
_SHORTEST_LEVEL = 8


def _text(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8)


_CREATED, _CHANGED, _DELETED = (_text(f"order_{kind} ") for kind in ("created", "changed", "deleted"))
_BOOK, _BIDS, _ASKS, _END = _text("order_book "), _text('{"bids": ['), _text('], "asks": ['), _text("]}")
_LEVEL, _BETWEEN, _LEVEL_END, _NEXT = _text('["'), _text('", "'), _text('"]'), _text(", ")
_OF_PRICE, _OF_AMOUNT, _OF_TIME = _text('{"price": "'), _text('", "amount": "'), _text('", "datetime": "')
_OF_ID, _OF_TYPE = _text('", "id": '), _text(', "order_type": ')
_TRADE, _TRADE_PRICE, _TRADE_AMOUNT, _TRADE_ID = (
    _text("trade "),
    _text('{"price": '),
    _text(', "amount": '),
    _text(', "id": '),
)
_SPACE, _CLOSED, _NEWLINE, _RETURN = ord(" "), ord("}"), ord("\n"), ord("\r")
_MINUS, _ZERO = ord("-"), ord("0")


def parse_log(data: bytes, first_line: int) -> tuple[Lines, Array]:
    """Whole lines of the log, and the (price, lots) of the levels of their snapshots."""
    count = count_lines(data) + 1
    numbers, starts, plain = np.empty(count, np.int64), np.empty(count, np.int64), np.zeros(count, np.bool_)
    values, levels = np.zeros((count, FIELDS), np.int64), np.empty((len(data) // _SHORTEST_LEVEL + 1, 2), np.int64)
    octets = np.frombuffer(data, np.uint8)
    used, kept = _parse(octets, first_line, values, (numbers, starts, plain), levels)
    return Lines(numbers[:used], values[:used], plain[:used], starts[:used], data), levels[:kept].copy()


@part
def _match(octets, at, text):
    """Where a text ends that stands at a place; -1 when it does not."""
    if at < 0 or at + len(text) > len(octets):
        return -1
    done = 0
    while done + 8 <= len(text):
        if load_word(octets, at + done) != load_word(text, done):
            return -1
        done += 8
    for place in range(done, len(text)):
        if octets[at + place] != text[place]:
            return -1
    return at + len(text)


@part
def _number(octets, at, places):
    if at < 0:
        return np.int64(0), -1
    return number_at(octets, at, places)


@part
def _json_number(octets, at, places):
    """A number that stands without quotes: JSON has no leading zeros."""
    digits = at + 1 if 0 <= at < len(octets) and octets[at] == _MINUS else at
    if 0 <= digits < len(octets) - 1 and octets[digits] == _ZERO and _ZERO <= octets[digits + 1] <= _ZERO + 9:
        return np.int64(0), -1
    return _number(octets, at, places)


@part
def _order(octets, at, row):
    """An order's content; where it ends."""
    row[PRICE], at = _number(octets, _match(octets, at, _OF_PRICE), PRICE_PLACES)
    row[LOTS], at = _number(octets, _match(octets, at, _OF_AMOUNT), QUANTITY_PLACES)
    _, at = _number(octets, _match(octets, at, _OF_TIME), 0)
    row[ORDER_ID], at = _json_number(octets, _match(octets, at, _OF_ID), 0)
    kind, at = _json_number(octets, _match(octets, at, _OF_TYPE), 0)
    row[SIDE] = SIDE_BUY if kind == 0 else SIDE_SELL
    if at < 0 or at >= len(octets) or octets[at] != _CLOSED or kind < 0 or kind > 1:
        return -1
    return at + 1


@part
def _trade(octets, at, row):
    """A trade's content; where it ends."""
    row[PRICE], at = _json_number(octets, _match(octets, at, _TRADE_PRICE), PRICE_PLACES)
    row[LOTS], at = _json_number(octets, _match(octets, at, _TRADE_AMOUNT), QUANTITY_PLACES)
    _, at = _json_number(octets, _match(octets, at, _TRADE_ID), 0)
    if at < 0 or at >= len(octets) or octets[at] != _CLOSED or row[PRICE] < 0 or row[LOTS] < 0:
        return -1
    return at + 1


@part
def _levels(octets, at, levels, used):
    """The levels of one side; where they end, and how many levels there are with them."""
    while at >= 0 and _match(octets, at, _LEVEL) >= 0:
        levels[used, 0], at = _number(octets, _match(octets, at, _LEVEL), PRICE_PLACES)
        levels[used, 1], at = _number(octets, _match(octets, at, _BETWEEN), QUANTITY_PLACES)
        at = _match(octets, at, _LEVEL_END)
        used += 1
        if _match(octets, at, _NEXT) >= 0:
            at = _match(octets, at, _NEXT)
            if _match(octets, at, _LEVEL) < 0:
                return -1, used
    return at, used


@part
def _snapshot(octets, at, row, levels, used):
    """A snapshot's content; where it ends, and how many levels there are with its own."""
    row[ORDER_ID] = used
    at, bids = _levels(octets, _match(octets, at, _BIDS), levels, used)
    at, asks = _levels(octets, _match(octets, at, _ASKS), levels, bids)
    row[PRICE] = bids - used
    row[LOTS] = asks - bids
    return _match(octets, at, _END), asks


@part
def _line(octets, at, row, levels, used):
    """One line; where it ends, -1: it is not plain, and how many levels there are with its own."""
    row[TIME_MS], at = _number(octets, at, 0)
    if at < 0 or at >= len(octets) or octets[at] != _SPACE:
        return -1, used
    at += 1
    created, changed, deleted = _match(octets, at, _CREATED), _match(octets, at, _CHANGED), _match(octets, at, _DELETED)
    if max(created, changed, deleted) >= 0:
        row[KIND] = CREATED if created >= 0 else (CHANGED if changed >= 0 else DELETED)
        at = _order(octets, max(created, changed, deleted), row)
    elif _match(octets, at, _TRADE) >= 0:
        row[KIND] = TRADE
        at = _trade(octets, _match(octets, at, _TRADE), row)
    else:
        row[KIND] = SNAPSHOT
        at, used = _snapshot(octets, _match(octets, at, _BOOK), row, levels, used)
    if 0 <= at < len(octets) and octets[at] == _RETURN:
        at += 1
    return (at if at < 0 or at == len(octets) or octets[at] == _NEWLINE else -1), used


@unlocked
def _parse(octets, first_line, values, lines, levels):
    """Parse whole lines; how many are not blank, and how many levels their snapshots have."""
    numbers, starts, plain = lines
    at, used, number, kept = 0, 0, first_line, 0
    while at < len(octets):
        start = at
        at, more = _line(octets, start, values[used], levels, kept)
        is_plain = at >= 0
        if is_plain:
            kept = more
        else:
            at = text_end(octets, start)
        if is_plain or not text_is_blank(octets, start, at):
            numbers[used] = number
            starts[used] = start
            plain[used] = is_plain
            used += 1
        at += 1
        number += 1
    return used, kept
