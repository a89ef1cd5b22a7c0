"""Writes binary PITCH from facts, message by message as the public specification of the multicast feed has them."""

import struct
from collections.abc import Iterable

from engine.codes import Side
from tests.recordings.small_exchange import Fact

NS_PER_S = 1_000_000_000
_LETTER = {Side.BUY: b"B", Side.SELL: b"S"}
_MATCH = 99


def message(kind: int, fields: str, *values: object) -> bytes:
    """One message: its length, its type and its fields, little-endian and without gaps."""
    body = struct.pack("<" + fields, *values)
    return bytes([len(body) + 2, kind]) + body


def time(second: int) -> bytes:
    """The time message of a second of the day."""
    return message(0x20, "I", second)


def unit_clear(nanos: int) -> bytes:
    """The message that clears a unit."""
    return message(0x97, "I", nanos)


def frame(unit: int, sequence: int, *messages: bytes) -> bytes:
    """Messages behind a sequenced unit header; none is a heartbeat."""
    body = b"".join(messages)
    return struct.pack("<HBBI", len(body) + 8, len(messages), unit, sequence) + body


def of_fact(fact: Fact, form: str = "long", left: int | None = None) -> bytes:
    """The message of one fact in a form: long, short or expanded. `left`: an execution that says what is left."""
    nanos, order = fact.time_ns % NS_PER_S, fact.order_id
    side, is_short = _LETTER.get(Side(fact.side) if fact.side else Side.BUY, b"B"), form == "short"
    size, price = ("H", "H") if is_short else ("I", "Q")
    value = fact.price // 100 if is_short else fact.price
    symbol = fact.symbol.encode().ljust(8 if form == "expanded" else 6)
    head, named = (nanos, order), f"IQc{size}{len(symbol)}s{price}"
    if fact.kind == "add":
        kind = {"long": 0x21, "short": 0x22, "expanded": 0x2F}[form]
        more, rest = ("B4s", (1, b"ABCD")) if form == "expanded" else ("B", (1,))
        return message(kind, named + more, *head, side, fact.size, symbol, value, *rest)
    if fact.kind == "trade":
        kind = {"long": 0x2A, "short": 0x2B, "expanded": 0x30}[form]
        return message(kind, named + "Q", *head, side, fact.size, symbol, value, _MATCH)
    if fact.kind == "execute" and left is not None:
        return message(0x24, "IQIIQQ", *head, fact.size, left, _MATCH, fact.price)
    if fact.kind == "execute":
        return message(0x23, "IQIQ", *head, fact.size, _MATCH)
    if fact.kind == "reduce":
        return message(0x26 if is_short else 0x25, f"IQ{size}", *head, fact.size)
    if fact.kind == "modify":
        return message(0x28 if is_short else 0x27, f"IQ{size}{price}B", *head, fact.size, value, 1)
    if fact.kind == "delete":
        return message(0x29, "IQ", *head)
    raise ValueError(fact.kind)


def facts_in_pitch(facts: Iterable[Fact]) -> list[Fact]:
    """The same day as PITCH tells it: an order that is replaced keeps its id, and a cross makes it smaller."""
    written: list[Fact] = []
    named: dict[int, int] = {}
    for fact in facts:
        order_id = named.get(fact.order_id, fact.order_id)
        if fact.kind == "replace":
            named[fact.new_id] = order_id
        kind = {"replace": "modify", "cut": "reduce"}.get(fact.kind, fact.kind)
        written.append(fact._replace(kind=kind, order_id=77 if kind == "trade" else order_id, new_id=0))
    return written


def messages_of(facts: Iterable[Fact]) -> list[bytes]:
    """A day without its times: the forms take turns, and each second execution says what is left."""
    written: list[bytes] = []
    sizes: dict[int, int] = {}
    for number, fact in enumerate(facts_in_pitch(facts)):
        form = ("long", "short", "expanded")[number % 3]
        if fact.kind in ("add", "modify"):
            sizes[fact.order_id] = fact.size
        elif fact.kind in ("execute", "reduce"):
            sizes[fact.order_id] -= fact.size
        is_told = fact.kind == "execute" and number % 2
        written.append(of_fact(fact, form, sizes[fact.order_id] if is_told else None))
    return written


def timed(facts: Iterable[Fact]) -> list[bytes]:
    """A day's messages with the time message of each second before them."""
    facts, written, second = list(facts), [], -1
    for fact, data in zip(facts, messages_of(facts), strict=True):
        if fact.time_ns // NS_PER_S != second:
            second = fact.time_ns // NS_PER_S
            written.append(time(second))
        written.append(data)
    return written


def file_of(facts: Iterable[Fact]) -> bytes:
    """A day as messages alone."""
    return b"".join(timed(facts))


def framed(facts: Iterable[Fact], units: int = 3, most: int = 4) -> bytes:
    """A day in frames of up to so many messages, its symbols spread over units; a heartbeat now and then."""
    facts, written = list(facts), []
    sequence, second, waiting = [1] * units, [-1] * units, [[] for _ in range(units)]  # type: ignore[var-annotated]

    def send(unit: int) -> None:
        written.append(frame(unit, sequence[unit], *waiting[unit]))
        sequence[unit] += len(waiting[unit])
        waiting[unit] = []

    unit_before = 0
    for number, (fact, data) in enumerate(zip(facts, messages_of(facts), strict=True)):
        unit = sum(fact.symbol.encode()) % units
        if unit != unit_before and waiting[unit_before]:
            send(unit_before)
        unit_before = unit
        if fact.time_ns // NS_PER_S != second[unit]:
            second[unit] = fact.time_ns // NS_PER_S
            waiting[unit].append(time(second[unit]))
        waiting[unit].append(data)
        if len(waiting[unit]) >= most:
            send(unit)
        if number % 50 == 0:
            written.append(frame((unit + 1) % units, sequence[(unit + 1) % units]))
    for unit in range(units):
        if waiting[unit]:
            send(unit)
    return b"".join(written)
