"""Writes NASDAQ TotalView-ITCH 5.0 from facts, field by field as the public specification has them."""

import struct
from collections.abc import Iterable

from engine.codes import Side
from tests.recordings.small_exchange import Fact

_LETTER = {Side.BUY: b"B", Side.SELL: b"S"}


def framed(*messages: bytes) -> bytes:
    """Messages, each behind its length."""
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


def head(kind: bytes, locate: int, time_ns: int) -> bytes:
    """What every message begins with: type, locate code, tracking number and time."""
    return kind + struct.pack(">HH", locate, 7) + time_ns.to_bytes(6, "big")


def directory(symbols: Iterable[str], first_locate: int = 1) -> bytes:
    """The system event that begins a day, and the stock directory with locate codes from `first_locate` on."""
    start = head(b"S", 0, 1) + b"O"
    lines = [
        head(b"R", locate, 2) + symbol.encode().ljust(8) + b"Q" + b"N" + struct.pack(">I", 100) + b"NC" + b"Z " + b"P"
        b"N" + b"N" + b"1" + b"N" + struct.pack(">I", 1) + b"N"
        for locate, symbol in enumerate(symbols, first_locate)
    ]
    return framed(start, *lines)


def message(fact: Fact, locate: int, attributed: bool = False) -> bytes:
    """The message of one fact."""
    number, side = struct.pack(">Q", fact.order_id), _LETTER[Side(fact.side)]
    shares, price = struct.pack(">Q", fact.size)[4:], struct.pack(">I", fact.price)
    stock, match = fact.symbol.encode().ljust(8), struct.pack(">Q", 99)
    bodies = {
        "add": (b"A", number + side + shares + stock + price),
        "execute": (b"E", number + shares + match),
        "cut": (b"C", number + shares + match + b"N" + price),
        "reduce": (b"X", number + shares),
        "delete": (b"D", number),
        "replace": (b"U", number + struct.pack(">Q", fact.new_id) + shares + price),
        "trade": (b"P", bytes(8) + b"B" + shares + stock + price + match),
        "cross": (b"Q", struct.pack(">Q", fact.size) + stock + price + match + b"O"),
        "broken": (b"B", match),
    }
    letter, body = bodies[fact.kind]
    if attributed and letter == b"A":
        letter, body = b"F", body + b"NITE"
    return head(letter, locate, fact.time_ns) + body


def file_of(facts: Iterable[Fact], symbols: tuple[str, ...], first_locate: int = 1) -> bytes:
    """A whole day: the directory, then every fact; every third order is attributed."""
    locate = {symbol: number for number, symbol in enumerate(symbols, first_locate)}
    messages = (message(fact, locate[fact.symbol], fact.order_id % 3 == 0) for fact in facts)
    return directory(symbols, first_locate) + framed(*messages)
