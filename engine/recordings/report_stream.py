"""The flash1 report stream: one line per report, ordered by sequence and then type, joined by newlines.

`0,seq,side,id,px,qty` order ack · `1,seq,px,qty,maker_id,taker_id` trade · `2,seq,side,id,px` cancel ack, also of an
IOC remainder · `3,seq,side,id,px,qty` modify ack · `4,seq,id` cancel reject · `5,seq,id` modify reject.
Other refusals have no line in this format.
"""

from typing import Any, BinaryIO

import numpy as np
from numba import njit

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_CANCELLED,
    EVENT_FILL,
    EVENT_NOTICE_FIRST,
    EVENT_REJECTED,
    FLAG_TAKER,
)

_LINE_BYTES = 8 + 6 * 20
_NEWLINE, _COMMA, _MINUS, _ZERO = 10, 44, 45, 48

# What outlives a call: a modify ack that waits for its trades, and the first half of a trade.
_ACKS, _ACK_SEQ, _ACK_SIDE, _ACK_ID, _ACK_PRICE, _ACK_QTY, _HALVES, _HALF_ID, _STARTED, _CARRY = range(10)


class ReportStream:
    """Writes the reports of applied commands to a binary stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self._carry = np.zeros(_CARRY, np.int64)
        self._out = np.zeros(0, np.uint8)

    def write(
        self, commands: np.ndarray[Any, Any], sequences: np.ndarray[Any, Any], events: np.ndarray[Any, Any]
    ) -> None:
        """Report on events, all caused by these commands; `sequences` is what the recording calls each command."""
        if not len(events):
            return
        if len(self._out) < (len(events) + 1) * _LINE_BYTES:
            self._out = np.zeros((len(events) + 1) * _LINE_BYTES, np.uint8)
        written = _write_events(self._out, self._carry, commands, sequences, events)
        self.stream.write(self._out[:written].data)

    def finish(self) -> None:
        """Write what still waits; the stream stays open."""
        out = np.zeros(_LINE_BYTES, np.uint8)
        self.stream.write(out[: _write_ack(out, 0, self._carry)].data)


@njit(cache=True)
def _put(out, at, value):
    """Write a whole number and return the place after it."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    end = at + 1
    rest = value // 10
    while rest > 0:
        end += 1
        rest //= 10
    for place in range(end - 1, at - 1, -1):
        out[place] = _ZERO + value % 10
        value //= 10
    return end


@njit(cache=True)
def _begin(out, at, carry, kind):
    """Start a line with its type."""
    if carry[_STARTED]:
        out[at] = _NEWLINE
        at += 1
    carry[_STARTED] = 1
    out[at] = _ZERO + kind
    return at + 1


@njit(cache=True)
def _field(out, at, value):
    out[at] = _COMMA
    return _put(out, at + 1, value)


@njit(cache=True)
def _write_ack(out, at, carry):
    """The modify ack that waits, if one does: it follows the trades of its modify."""
    if carry[_ACKS]:
        carry[_ACKS] = 0
        at = _begin(out, at, carry, 3)
        for place in range(_ACK_SEQ, _ACK_QTY + 1):
            at = _field(out, at, carry[place])
    return at


@njit(cache=True)
def _write_order(out, at, carry, kind, sequence, event):
    at = _begin(out, at, carry, kind)
    at = _field(out, at, sequence)
    at = _field(out, at, event.side - 1)
    at = _field(out, at, event.cl_ord_id)
    return _field(out, at, event.price_ticks)


@njit(cache=True)
def _write_trade(out, at, carry, sequence, event):
    """A trade, at the second of its two fills."""
    if not carry[_HALVES]:
        carry[_HALVES] = 1
        carry[_HALF_ID] = event.cl_ord_id
        return at
    carry[_HALVES] = 0
    taker = event.flags & FLAG_TAKER != 0
    at = _begin(out, at, carry, 1)
    at = _field(out, at, sequence)
    at = _field(out, at, event.price_ticks)
    at = _field(out, at, event.last_lots)
    at = _field(out, at, carry[_HALF_ID] if taker else event.cl_ord_id)
    return _field(out, at, event.cl_ord_id if taker else carry[_HALF_ID])


@njit(cache=True)
def _write_events(out, carry, commands, sequences, events):
    """The lines of all events; how many bytes."""
    at = 0
    first_seq = commands[0].seq
    for row in range(len(events)):
        event = events[row]
        if event.kind >= EVENT_NOTICE_FIRST:
            continue
        place = event.seq - first_seq
        if place < 0:
            continue
        command = commands[place]
        sequence = sequences[place]
        if carry[_ACKS] and carry[_ACK_SEQ] != sequence:
            at = _write_ack(out, at, carry)
        if event.kind == EVENT_ACCEPTED:
            at = _write_order(out, at, carry, 0, sequence, event)
            at = _field(out, at, command.qty_lots)
        elif event.kind == EVENT_FILL:
            at = _write_trade(out, at, carry, sequence, event)
        elif event.kind == EVENT_CANCELLED:
            at = _write_order(out, at, carry, 2, sequence, event)
        elif event.kind == EVENT_AMENDED:
            carry[_ACKS] = 1
            carry[_ACK_SEQ] = sequence
            carry[_ACK_SIDE] = event.side - 1
            carry[_ACK_ID] = event.cl_ord_id
            carry[_ACK_PRICE] = event.price_ticks
            carry[_ACK_QTY] = command.qty_lots
        elif event.kind == EVENT_REJECTED and (command.kind == COMMAND_CANCEL or command.kind == COMMAND_AMEND):
            at = _begin(out, at, carry, 4 if command.kind == COMMAND_CANCEL else 5)
            at = _field(out, at, sequence)
            at = _field(out, at, event.cl_ord_id)
    return at
