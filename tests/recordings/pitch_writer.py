"""Writes PITCH lines from facts, field by field as the public specification has them."""

from collections.abc import Iterable

from engine.codes import Side
from tests.recordings.small_exchange import Fact

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTER = {Side.BUY: "B", Side.SELL: "S"}


def base_36(number: int) -> str:
    """A number as twelve digits of base 36."""
    text = ""
    for _ in range(12):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


def line(fact: Fact, is_long: bool = False) -> str:
    """The line of one fact, without the packet's S. What PITCH has no line for is written as a cancellation."""
    time, order = f"{fact.time_ns // 1_000_000:08}", base_36(fact.order_id)
    side, shares, price = _LETTER[Side(fact.side)], f"{fact.size:06}", f"{fact.price:010}"
    symbol = fact.symbol.ljust(8 if is_long else 6)
    match = base_36(99)
    return (
        time
        + {
            "add": f"{'d' if is_long else 'A'}{order}{side}{shares}{symbol}{price}Y{'NSDQC' if is_long else ''}",
            "execute": f"E{order}{shares}{match}",
            "reduce": f"X{order}{shares}",
            "trade": f"{'r' if is_long else 'P'}{order}{side}{shares}{symbol}{price}{match}",
            "clear": f"s{fact.symbol.ljust(8)}",
        }[fact.kind]
    )


def facts_in_pitch(facts: Iterable[Fact]) -> list[Fact]:
    """The same day without what PITCH has no line for: a deletion is a cancellation of all, a replacement two lines."""
    written: list[Fact] = []
    open_size: dict[int, int] = {}
    for fact in facts:
        left = open_size.pop(fact.order_id, 0)
        if fact.kind in ("delete", "replace"):
            written.append(fact._replace(kind="reduce", size=left, price=0, new_id=0))
        if fact.kind in ("add", "replace"):
            new_id = fact.new_id or fact.order_id
            open_size[new_id] = fact.size
            written.append(fact._replace(kind="add", order_id=new_id, new_id=0))
        elif fact.kind == "trade":
            written.append(fact._replace(order_id=77))
        elif fact.kind != "delete":
            open_size[fact.order_id] = left - fact.size
            written.append(fact._replace(kind="execute" if fact.kind == "execute" else "reduce"))
    return written


def file_of(facts: Iterable[Fact], prefix: str = "S", end: str = "\n") -> bytes:
    """A day; each third order and trade in the long form."""
    return "".join(f"{prefix}{line(fact, fact.order_id % 3 == 0)}{end}" for fact in facts_in_pitch(facts)).encode()
