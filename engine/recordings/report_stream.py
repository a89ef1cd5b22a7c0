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
from engine.kernels import part, unlocked
from engine.recordings.digit_writer import MAX_BYTES, put_integer, store_word

LINE_BYTES = 8 + 6 * MAX_BYTES
"""Room that a line needs at most."""
TEXT_BYTES = 1 << 20
"""Text of so many bytes is handed to the stream at once, or of one ring of events."""
_COMMA = ord(",")
_BEGIN = int.from_bytes(b"\n0,", "little")
"""The begin of a line of type 0; types and sides are digits in its second byte."""
_ORDER_SIDE = int.from_bytes(b",0,", "little")
_DIGIT = 1 << 8

_inlined = njit(_nrt=False, error_model="numpy", forceinline=True)

# What outlives a call: a modify ack that waits for its trades, and the first half of a trade.
_ACKS, _ACK_SEQ, _ACK_SIDE, _ACK_ID, _ACK_PRICE, _ACK_QTY, _HALVES, _HALF_ID, _STARTED, _CARRY = range(10)


class ReportStream:
    """Writes the reports of applied commands to a binary stream.

    Compiled code that has the events at hand writes lines with `write_lines` into `out`, and `give` hands them on;
    `write` does both for events that Python has.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.carry = np.zeros(_CARRY, np.int64)
        self.out = np.zeros(TEXT_BYTES, np.uint8)

    def make_room(self, events: int) -> None:
        """Have room in `out` for the lines of so many events."""
        if len(self.out) < (events + 1) * LINE_BYTES:
            self.out = np.zeros((events + 1) * LINE_BYTES, np.uint8)

    def write(
        self, commands: np.ndarray[Any, Any], sequences: np.ndarray[Any, Any], events: np.ndarray[Any, Any]
    ) -> None:
        """Report on events, all caused by these commands; `sequences` is what the recording calls each command."""
        if len(events):
            self.make_room(len(events))
            self.give(_write_events(self.out, self.carry, commands, sequences, events))

    def give(self, size_bytes: int) -> None:
        """Hand the first bytes of `out` to the stream."""
        self.stream.write(self.out[:size_bytes].data)

    def finish(self) -> None:
        """Write what still waits; the stream stays open."""
        if self.carry[_ACKS]:
            self.give(_write_last(self.out, self.carry))


@_inlined
def _begin(out, at, carry, kind):
    """Start a line with its type, up to the first field."""
    word = _BEGIN + kind * _DIGIT
    if carry[_STARTED]:
        store_word(out, at, word)
        return at + 3
    carry[_STARTED] = 1
    store_word(out, at, word >> 8)
    return at + 2


@_inlined
def _field(out, at, value):
    store_word(out, at, _COMMA)
    return put_integer(out, at + 1, value)


@_inlined
def _order(out, at, sequence, side, cl_ord_id, price_ticks):
    """The first fields of a line about an order."""
    at = put_integer(out, at, sequence)
    store_word(out, at, _ORDER_SIDE + side * _DIGIT)
    at = put_integer(out, at + 3, cl_ord_id)
    return _field(out, at, price_ticks)


@part
def _write_ack(out, at, carry):
    """The modify ack that waits, if one does: it follows the trades of its modify."""
    if carry[_ACKS]:
        carry[_ACKS] = 0
        at = _begin(out, at, carry, 3)
        at = _order(out, at, carry[_ACK_SEQ], carry[_ACK_SIDE], carry[_ACK_ID], carry[_ACK_PRICE])
        at = _field(out, at, carry[_ACK_QTY])
    return at


@part
def _write_trade(out, at, carry, sequence, event):
    """A trade, at the second of its two fills."""
    if not carry[_HALVES]:
        carry[_HALVES] = 1
        carry[_HALF_ID] = event.cl_ord_id
        return at
    carry[_HALVES] = 0
    taker = event.flags & FLAG_TAKER != 0
    at = _begin(out, at, carry, 1)
    at = put_integer(out, at, sequence)
    at = _field(out, at, event.price_ticks)
    at = _field(out, at, event.last_lots)
    at = _field(out, at, carry[_HALF_ID] if taker else event.cl_ord_id)
    return _field(out, at, event.cl_ord_id if taker else carry[_HALF_ID])


@part
def _write_line(out, at, carry, command, sequence, event):
    """What a report says of an event, if it says anything."""
    if carry[_ACKS] and carry[_ACK_SEQ] != sequence:
        at = _write_ack(out, at, carry)
    side = np.int64(event.side) - 1
    if event.kind == EVENT_ACCEPTED:
        at = _begin(out, at, carry, 0)
        at = _order(out, at, sequence, side, event.cl_ord_id, event.price_ticks)
        at = _field(out, at, command.qty_lots)
    elif event.kind == EVENT_FILL:
        at = _write_trade(out, at, carry, sequence, event)
    elif event.kind == EVENT_CANCELLED:
        at = _begin(out, at, carry, 2)
        at = _order(out, at, sequence, side, event.cl_ord_id, event.price_ticks)
    elif event.kind == EVENT_AMENDED:
        carry[_ACKS] = 1
        carry[_ACK_SEQ] = sequence
        carry[_ACK_SIDE] = side
        carry[_ACK_ID] = event.cl_ord_id
        carry[_ACK_PRICE] = event.price_ticks
        carry[_ACK_QTY] = command.qty_lots
    elif event.kind == EVENT_REJECTED and (command.kind == COMMAND_CANCEL or command.kind == COMMAND_AMEND):
        at = _begin(out, at, carry, 4 if command.kind == COMMAND_CANCEL else 5)
        at = put_integer(out, at, sequence)
        at = _field(out, at, event.cl_ord_id)
    return at


@part
def write_lines(out, at, carry, caused, events):
    """The lines of some events from `at` on; their end.

    `caused`: (commands, what the recording calls each, seq of the first). `events`: (a ring, first, behind the last).
    `out` has room for a line more than there are events.
    """
    commands, sequences, first_seq = caused
    ring, first, stop = events
    for row in range(first, stop):
        event = ring[row]
        place = event.seq - first_seq
        if event.kind < EVENT_NOTICE_FIRST and place >= 0:
            at = _write_line(out, at, carry, commands[place], sequences[place], event)
    return at


@unlocked
def _write_events(out, carry, commands, sequences, events):
    caused = commands, sequences, np.int64(commands[0].seq)
    return write_lines(out, 0, carry, caused, (events, 0, len(events)))


@unlocked
def _write_last(out, carry):
    return _write_ack(out, 0, carry)
