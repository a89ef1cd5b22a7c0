"""Binary PITCH: every fact of a seeded day comes out as it went in, in frames or not; wrong messages are named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from engine.recordings import byte_blocks, exchange_day, open_recording, pitch, pitch_binary, recognise
from engine.recordings.batches import EVERYTHING, Wanted
from engine.recordings.order_lives import LIFE, LifeAction, LifeDecoder, LifeFlag
from engine.recordings.pitch_binary import BinaryPitchDecoder
from engine.recordings.source import BadBytesError, RecordingError, Source
from tests.recordings.pitch_binary_writer import (
    NS_PER_S,
    facts_in_pitch,
    file_of,
    frame,
    framed,
    message,
    of_fact,
    time,
    timed,
    unit_clear,
)
from tests.recordings.pitch_writer import line
from tests.recordings.small_exchange import Fact, SmallExchange

SYMBOLS = ("SPY", "ZVZZT", "BRK.B")
MIDNIGHT_NS = 1_325_826_000_000_000_000
"""6 January 2012, 00:00 in New York."""
ACTIONS = {
    "add": LifeAction.ADD, "execute": LifeAction.EXECUTE, "reduce": LifeAction.REDUCE, "trade": LifeAction.TRADE,
    "modify": LifeAction.REPLACE, "delete": LifeAction.DELETE,
}  # fmt: skip
AT = 28_800
ADDED = Fact("add", AT * NS_PER_S + 11, "SPY", 5, 1, 1_425_300, 100)
ADD = of_fact(ADDED)
LAST = int(LifeFlag.LAST)


def facts_of(seed: int, steps: int) -> list[Fact]:
    return [fact for step in SmallExchange(seed, SYMBOLS).day(steps) for fact in step]


def write(folder: Path, content: bytes, name: str = "pitch_20120106.bin") -> Source:
    (folder / name).write_bytes(content)
    return Source(folder / name)


def decoded(decoder: LifeDecoder) -> np.ndarray:
    return np.concatenate([block.rows for block in decoder.blocks()] or [np.zeros(0, LIFE)])


def of(folder: Path, *messages: bytes, wanted: Wanted = EVERYTHING) -> tuple[list[tuple[LifeAction, int, int]], dict]:
    """(Action, order, size) of each row of some messages behind a time message, and what was counted."""
    decoder = BinaryPitchDecoder(write(folder, time(AT) + b"".join(messages)), wanted)
    rows = decoded(decoder)
    return [(LifeAction(row["action"]), row["order_id"], row["size_lots"]) for row in rows], decoder.ignored


def plain(rows: np.ndarray) -> list[tuple[int, ...]]:
    return [row[:10] for row in rows.tolist()]


def expected(facts: list[Fact], symbols: list[str]) -> list[tuple[int, ...]]:
    """The rows of a day without frames; its time messages count as messages."""
    rows: list[tuple[int, ...]] = []
    number, second = 0, -1
    side_of: dict[int, int] = {}
    for fact in facts_in_pitch(facts):
        number += 1 + (fact.time_ns // NS_PER_S != second)
        second = fact.time_ns // NS_PER_S
        side_of[fact.order_id] = fact.side
        if fact.symbol in symbols:
            order_id = 0 if fact.kind == "trade" else fact.order_id
            price = fact.price if fact.kind in ("add", "trade", "modify") else 0
            size = 0 if fact.kind == "delete" else fact.size
            side = fact.side if fact.kind in ("add", "modify") else 0
            new_id = order_id if fact.kind == "modify" else 0
            action, contract = int(ACTIONS[fact.kind]), symbols.index(fact.symbol)
            time_ns = MIDNIGHT_NS + fact.time_ns
            rows.append((time_ns, order_id, new_id, price, size, number, contract, action, side, LAST))
    return rows


def seen(facts: list[Fact]) -> list[str]:
    return list(dict.fromkeys(fact.symbol for fact in facts))


def test_every_fact_of_a_day_becomes_a_row_of_its_own(tmp_path: Path) -> None:
    facts = facts_of(1, 800)
    content = file_of(facts)
    assert pitch_binary.is_binary(content[:4096]) and not pitch_binary.is_framed(content[:4096])
    decoder = BinaryPitchDecoder(write(tmp_path, content))
    assert plain(decoded(decoder)) == expected(facts, seen(facts))
    assert [spec.name for spec in decoder.contracts] == seen(facts) and decoder.ignored == {}
    assert {fact.kind for fact in facts_in_pitch(facts)} == set(ACTIONS)
    written = {data[1] for data in timed(facts)}
    assert written == {0x20, *range(0x21, 0x2C), 0x2F, 0x30}


def test_frames_of_several_units_hold_the_same_day(tmp_path: Path) -> None:
    facts = facts_of(1, 800)
    content = framed(facts)
    assert pitch_binary.is_framed(content[:4096])
    decoder = BinaryPitchDecoder(write(tmp_path, content))
    rows = decoded(decoder)
    without_number = [row[:5] + row[6:] for row in plain(rows)]
    assert without_number == [row[:5] + row[6:] for row in expected(facts, seen(facts))]
    assert (np.diff(rows["message"]) > 0).all() and decoder.ignored == {}


@pytest.mark.parametrize("make", [file_of, framed])
def test_where_the_bytes_are_cut_does_not_matter(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, make(facts_of(2, 60)))
    whole = plain(decoded(BinaryPitchDecoder(source)))
    assert len(whole) > 50
    for size in (1, 7, 64):
        monkeypatch.setattr(byte_blocks, "READ_BYTES", size)
        assert plain(decoded(BinaryPitchDecoder(source))) == whole
    monkeypatch.setattr(exchange_day, "BLOCK_ROWS", 5)
    blocks = list(BinaryPitchDecoder(source).blocks())
    assert plain(np.concatenate([block.rows for block in blocks])) == whole


def test_only_the_symbols_that_are_wanted(tmp_path: Path) -> None:
    facts = facts_of(3, 300)
    decoder = BinaryPitchDecoder(write(tmp_path, file_of(facts)), Wanted(frozenset(["BRK.B"])))
    assert plain(decoded(decoder)) == expected(facts, ["BRK.B"])
    left_out = sum(fact.symbol != "BRK.B" for fact in facts_in_pitch(facts))
    assert decoder.ignored == {"message of a symbol or an order that is left out": left_out}
    assert decoder._state[pitch.OPEN] < 100, "orders that are left out end too"


def test_what_is_left_counts_where_it_is_not_what_was_known(tmp_path: Path) -> None:
    taken = ADDED._replace(kind="execute", size=30)
    add, more = (LifeAction.ADD, 5, 100), (LifeAction.EXECUTE, 5, 30)
    assert of(tmp_path, ADD, of_fact(taken, left=70))[0] == [add, more]
    rows, _ = of(tmp_path, ADD, of_fact(taken, left=20), of_fact(taken._replace(size=20)), of_fact(taken))
    assert rows == [add, (LifeAction.RESIZE, 5, 50), more, (LifeAction.EXECUTE, 5, 20)], "and then it is gone"
    rows, ignored = of(tmp_path, ADD, of_fact(taken, left=0), of_fact(taken))
    assert rows == [add, (LifeAction.RESIZE, 5, 30), more]
    assert ignored == {"message about an order that was never added": 1}


def test_a_modification_may_keep_its_priority(tmp_path: Path) -> None:
    for form, at in (("long", 26), ("short", 18)):
        moved = of_fact(ADDED._replace(kind="modify", size=40), form)
        assert of(tmp_path, ADD, moved)[0][1] == (LifeAction.REPLACE, 5, 40)
        assert of(tmp_path, ADD, changed(moved, at, "B", 3))[0][1] == (LifeAction.RESIZE, 5, 40)


def test_messages_that_change_no_book(tmp_path: Path) -> None:
    others = {0xBC: 4, 0xBD: 4, 0x2C: 12, 0x2D: 4, 0x2E: 36, 0x31: 16, 0x95: 45, 0xD1: 62, 0x96: 25, 0x98: 13, 0xD2: 17}
    quiet = [message(kind, f"{size}s", b"\xff" * size) for kind, size in others.items()]
    later = message(0x77, "4s", b"new!")
    assert len({*others, *range(0x20, 0x2C), 0x2F, 0x30, 0x97} ^ pitch_binary.MIN_LENGTH_OF.keys()) == 0
    rows, ignored = of(tmp_path, *quiet, ADD, later, *quiet)
    assert rows == [(LifeAction.ADD, 5, 100)] and ignored == {"message of an unknown type": 1}


def test_fields_that_a_later_version_appends(tmp_path: Path) -> None:
    longer = [bytes([len(data) + 5]) + data[1:] + b"later" for data in (ADD, of_fact(ADDED._replace(kind="delete")))]
    assert [row[0] for row in of(tmp_path, *longer)[0]] == [LifeAction.ADD, LifeAction.DELETE]


def test_a_unit_that_is_cleared_loses_the_orders_of_its_symbols(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exchange_day, "BLOCK_ROWS", 3)
    orders = [of_fact(ADDED._replace(symbol=f"S{number}", order_id=number)) for number in range(1, 7)]
    deleted = [of_fact(ADDED._replace(kind="delete", order_id=number)) for number in (1, 6)]
    content = frame(1, 1, time(AT), *orders[:5]) + frame(2, 1, time(AT), orders[5]) + frame(1, 7, unit_clear(9))
    decoder = BinaryPitchDecoder(write(tmp_path, content + frame(1, 8, *deleted)))
    rows = decoded(decoder)
    assert rows["action"].tolist() == [LifeAction.ADD] * 6 + [LifeAction.CLEAR] * 5 + [LifeAction.DELETE]
    assert rows["contract"].tolist() == [*range(6), *range(5), 5]
    assert rows["message"].tolist() == [2, 3, 4, 5, 6, 8, 9, 9, 9, 9, 9, 11]
    assert decoder.ignored == {"message about an order that was never added": 1}


def test_frames_that_came_before_and_frames_that_are_missing(tmp_path: Path) -> None:
    orders = [of_fact(ADDED._replace(order_id=number)) for number in range(1, 9)]
    content = frame(1, 1, time(AT), orders[0]) + frame(1, 3, orders[1]) + frame(1, 1, time(AT), orders[0])
    content += frame(1, 3, orders[1], orders[2]) + frame(1, 9, orders[3]) + frame(1, 0, orders[4])
    content += frame(2, 1, time(AT), orders[5]) + frame(1, 10)
    decoder = BinaryPitchDecoder(write(tmp_path, content))
    assert decoded(decoder)["order_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert decoder.ignored == {"message that came before": 3, "sequence number that is missing": 4}


def test_prices_beyond_the_ticks(tmp_path: Path) -> None:
    stub = ADDED._replace(order_id=6, price=(1 << 64) - 1)
    back, away = stub._replace(kind="modify", price=1_425_300), ADDED._replace(kind="modify", price=1 << 40)
    parts = [of_fact(each) for each in (ADDED, stub, stub._replace(kind="reduce", size=10), back, away)]
    gone = [of_fact(each._replace(kind="delete")) for each in (ADDED, stub)]
    rows, ignored = of(tmp_path, *parts, *gone)
    assert rows == [
        (LifeAction.ADD, 5, 100), (LifeAction.ADD, 6, 100), (LifeAction.DELETE, 5, 0), (LifeAction.DELETE, 6, 0),
    ]  # fmt: skip
    assert ignored == {"order above 2^30 ticks": 2, "message of a symbol or an order that is left out": 2}
    between = of_fact(ADDED._replace(kind="trade", price=1_425_350))
    rows, ignored = of(tmp_path, between, ADD, wanted=Wanted(contracts=("tick=0.01",)))
    assert rows == [(LifeAction.ADD, 5, 100)] and ignored == {"trade between two ticks": 1}


def test_more_symbols_than_contracts(tmp_path: Path) -> None:
    orders = [of_fact(ADDED._replace(symbol=f"S{number}", order_id=number)) for number in range(5000)]
    source = write(tmp_path, time(AT) + b"".join(orders))
    with pytest.raises(RecordingError, match=r"more than 256 contracts .* name .* --symbols, such as S0,S256"):
        decoded(BinaryPitchDecoder(source))
    assert len(decoded(BinaryPitchDecoder(source, Wanted(frozenset(["S4999"]))))) == 1


def test_a_file_is_recognised_plain_and_packed(tmp_path: Path) -> None:
    facts = facts_of(4, 30)
    for name, content in (("day", file_of(facts)), ("day.gz", gzip.compress(framed(facts)))):
        source = write(tmp_path, content, name)
        assert recognise(source) == "pitch"
        assert len(decoded(open_recording(tmp_path / name).decoder)) == len(facts)
    one = next(fact for fact in facts if fact.kind == "add")
    text = pitch_binary.decoder(write(tmp_path, line(one).encode() + b"\n", "text"), Wanted(), False)
    assert type(text) is pitch.PitchDecoder
    hello = b"# hello, this is no recording of messages"
    lines = b"S00000001X0000000000001000\n" * 9
    for other in (b"", b"\x06", b"\x06\x20", hello, lines, bytes(64), framed(facts)[1:]):
        assert not pitch_binary.is_binary(other)
    assert pitch_binary.is_binary(frame(1, 1) + framed(facts)), "a heartbeat comes first"
    assert not pitch_binary.is_binary(frame(1, 1)), "but says nothing by itself"


def changed(data: bytes, at: int, fields: str, *values: object) -> bytes:
    """Bytes with some fields written over."""
    new = bytearray(data)
    struct.pack_into("<" + fields, new, at, *values)
    return bytes(new)


EXECUTED, TOLD = of_fact(ADDED._replace(kind="execute")), of_fact(ADDED._replace(kind="execute"), left=9)
REDUCED, SHORT = of_fact(ADDED._replace(kind="reduce")), of_fact(ADDED, "short")
MODIFIED, TRADE = of_fact(ADDED._replace(kind="modify")), of_fact(ADDED._replace(kind="trade"))
WRONG = {
    "a length of nothing": (b"\x00\x21" + ADD[2:], "length: 0 is less than a message's own length and type"),
    "a length of one": (b"\x01" + ADD[1:], "length: 1 is less than a message's own length and type"),
    "an order cut short": (bytes([33]) + ADD[1:33], "length: 33 is less than the 34 of type 0x21"),
    "a short order cut short": (bytes([20]) + SHORT[1:20], "length: 20 is less than the 26 of type 0x22"),
    "an execution cut short": (bytes([14]) + EXECUTED[1:14], "length: 14 is less than the 26 of type 0x23"),
    "a clear cut short": (bytes([5]) + unit_clear(1)[1:5], "length: 5 is less than the 6 of type 0x97"),
    "a time cut short": (bytes([4]) + time(1)[1:4], "length: 4 is less than the 6 of type 0x20"),
    "a file cut within a message": (ADD[:20], "length: the file ends 20 bytes after the beginning of a message"),
    "a file cut within a length": (ADD[:1], "length: the file ends 1 bytes after"),
    "a time beyond the day": (time(86_400), "time: 86400 is beyond a day of seconds"),
    "nanoseconds beyond the second": (changed(ADD, 2, "I", NS_PER_S), "time: 1000000000 is beyond a second"),
    "an execution beyond the second": (changed(EXECUTED, 2, "I", 2**32 - 1), "time: 4294967295 is beyond a second"),
    "a side that is none": (changed(ADD, 14, "c", b"X"), "side: 'X' is neither 'B' nor 'S'"),
    "a trade's side that is none": (changed(TRADE, 14, "B", 0), r"side: '\\x00' is neither 'B' nor 'S'"),
    "an order of nothing": (changed(ADD, 15, "I", 0), "shares: are 0 in a message of type 0x21"),
    "a trade of nothing": (changed(TRADE, 15, "I", 0), "shares: are 0 in a message of type 0x2a"),
    "an execution of nothing": (changed(EXECUTED, 14, "I", 0), "shares: are 0 in a message of type 0x23"),
    "a told execution of nothing": (changed(TOLD, 14, "I", 0), "shares: are 0 in a message of type 0x24"),
    "a reduction by nothing": (changed(REDUCED, 14, "I", 0), "shares: are 0 in a message of type 0x25"),
    "a modification to nothing": (changed(MODIFIED, 14, "I", 0), "shares: are 0 in a message of type 0x27"),
    "an order without a price": (changed(ADD, 25, "Q", 0), "price: is 0 in a message of type 0x21"),
    "a short order without a price": (changed(SHORT, 23, "H", 0), "price: is 0 in a message of type 0x22"),
    "a modification without a price": (changed(MODIFIED, 18, "Q", 0), "price: is 0 in a message of type 0x27"),
}
GOES_NOT_ON = ("a length of nothing", "a length of one", "a file cut within a message", "a file cut within a length")
OTHER = of_fact(ADDED._replace(order_id=7))
ONE, TWO = frame(1, 3, OTHER), frame(1, 3, OTHER, OTHER)
FRAMED_WRONG = {
    "a frame shorter than its header": (b"\x07\x00" + frame(1, 3)[2:], "frame: has 7 bytes, less than its own header"),
    "a frame of nothing": (bytes(8), "frame: has 0 bytes, less than its own header"),
    "a heartbeat with bytes": (b"\x09\x00" + frame(1, 3)[2:] + b"x", "frame: has 1 bytes for its last 0 messages"),
    "more messages than there are": (changed(frame(1, 3), 2, "B", 1), "frame: has 0 bytes for its last 1"),
    "fewer messages than there are": (changed(TWO, 2, "B", 1), "frame: has 68 bytes for its last 1"),
    "a message beyond its frame": (changed(ONE, 8, "B", 35), "frame: has 34 bytes for its last 1 .* has 35"),
    "a message of nothing": (changed(ONE, 8, "B", 0), "frame: has 34 bytes for its last 1 .* has 0"),
    "a unit without a time": (frame(9, 1, OTHER), "time: no time message of unit 9 came before"),
    "a file cut within a frame": (ONE[:-1], "length: the file ends 41 bytes after the beginning of"),
    "a file cut within a header": (frame(1, 3)[:5], "length: the file ends 5 bytes after the beginning of"),
}
FRAMED_GOES_NOT_ON = ("shorter than its header", "a frame of nothing", "cut within")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_messages_are_one_line_that_names_where(case: str, tmp_path: Path) -> None:
    data, pattern = WRONG[case]
    source = write(tmp_path, time(AT) + of_fact(ADDED, "expanded") + data)
    refused(source, pattern, "byte 46, message 3")
    if case not in GOES_NOT_ON:
        goes_on(source, OTHER)


@pytest.mark.parametrize("case", FRAMED_WRONG)
def test_wrong_frames_are_one_line_that_names_where(case: str, tmp_path: Path) -> None:
    data, pattern = FRAMED_WRONG[case]
    source = write(tmp_path, frame(1, 1, time(AT), of_fact(ADDED, "expanded")) + data)
    refused(source, pattern, "message 3")
    if not any(part in case for part in FRAMED_GOES_NOT_ON):
        goes_on(source, frame(1, 9, OTHER))


def refused(source: Source, pattern: str, where: str) -> None:
    blocks = BinaryPitchDecoder(source).blocks()
    assert next(blocks).rows["order_id"].tolist() == [5]
    with pytest.raises(BadBytesError, match=pattern) as failure:
        next(blocks)
    said = str(failure.value)
    assert said.startswith("pitch_20120106.bin, byte ") and where in said and len(said) < 200 and "\n" not in said


def goes_on(source: Source, more: bytes) -> None:
    """What is malformed is left out, and what follows is read."""
    source.path.write_bytes(source.path.read_bytes() + more)
    decoder = BinaryPitchDecoder(source, skip_bad=True)
    assert decoded(decoder)["order_id"].tolist() == [5, 7] and decoder.bad == 1


def test_a_price_between_ticks(tmp_path: Path) -> None:
    source = write(tmp_path, time(AT) + of_fact(ADDED._replace(price=1_425_350)))
    with pytest.raises(BadBytesError, match="message 2, price: in a message of type 0x21 is no multiple of the tick"):
        decoded(BinaryPitchDecoder(source, Wanted(contracts=("tick=0.01",))))


def test_a_message_before_the_first_time(tmp_path: Path) -> None:
    with pytest.raises(BadBytesError, match="byte 6, message 2, time: no time message of unit 0 came before"):
        decoded(BinaryPitchDecoder(write(tmp_path, unit_clear(1) + ADD)))
