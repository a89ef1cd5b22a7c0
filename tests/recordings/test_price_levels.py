"""Recordings of price levels: the follower against a naive market, and Tardis' files."""

import gzip
import random
from pathlib import Path
from typing import Any

import pytest

from engine.recordings.batches import Wanted
from engine.recordings.price_levels import LevelsReader
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import BadLineError, RecordingError, sources
from engine.recordings.tardis import BOOK_HEADER, TRADES_HEADER, TardisLevels
from tests.recordings.level_market import Event, Market, books_of
from tests.recordings.mutations import mutated

BOOK_NAME, TRADES_NAME = "deribit_incremental_book_L2_2023-11-14_X.csv", "deribit_trades_2023-11-14_X.csv"


def price(ticks: int) -> str:
    return f"{ticks // 10}.{ticks % 10}"


def amount(lots: int) -> str:
    return f"{lots // 1000}.{lots % 1000:03}"


def write_tardis(folder: Path, events: list[Event], ending: str = "") -> Path:
    book, trades = [BOOK_HEADER.decode()], [TRADES_HEADER.decode()]
    for event in events:
        start = f"deribit,{event.symbol},{event.time_us},{event.time_us + 900}"
        for buys, ticks, lots in event.trades:
            trades.append(f"{start},t{len(trades)},{'buy' if buys else 'sell'},{price(ticks)},{amount(lots)}")
        for side, ticks, lots in event.rows:
            sides = ("bid", "ask")
            book.append(f"{start},{str(event.snapshot).lower()},{sides[side]},{price(ticks)},{amount(lots)}")
    for name, lines in ((BOOK_NAME, book), (TRADES_NAME, trades)):
        data = ("\n".join(lines) + "\n").encode()
        (folder / (name + ending)).write_bytes(gzip.compress(data) if ending else data)
    return folder / (BOOK_NAME + ending)


def reader_of(path: Path, skip_bad: bool = False, **wanted: Any) -> LevelsReader:
    part = Wanted(**wanted)
    return LevelsReader(TardisLevels(sources(path)[0], part, skip_bad), 5, part)


@pytest.mark.parametrize(("seed", "ending"), [(1, ""), (2, ".gz")])
def test_tardis_books_and_trades_are_as_recorded(tmp_path: Path, seed: int, ending: str) -> None:
    market, events, books = Market(seed), [], []
    for event in market.events(1500):
        events.append(event)
        books.append(market.best(event.symbol, 5))
    path = write_tardis(tmp_path, events, ending)
    assert books_of(reader_of(path)) == books
    reader = reader_of(path)
    result = replay(reader, prepare(reader), Options())
    traded = sum(len(event.trades) for event in events)
    assert (result.book_rows_checked, result.book_rows_equal) == (len(events), len(events)), result.differences
    assert (result.executions, result.executions_as_recorded) == (traded, traded) and traded > 500
    assert (result.trades, result.rejects) == (traded, {})
    assert reader.ignored == {"snapshots": sum(event.snapshot for event in events)}
    assert [(spec.name, spec.tick, spec.lot) for spec in reader.contracts] == [
        ("BTC-PERPETUAL", "0.1", "0.001"), ("ETH-PERPETUAL", "0.1", "0.001"),
    ]  # fmt: skip


def test_levels_begin_at_a_time_with_the_book_of_then(tmp_path: Path) -> None:
    market = Market(3, ("BTC-PERPETUAL", "ETH-PERPETUAL", "XRP-PERPETUAL"))
    events = list(market.events(400))
    path, half = write_tardis(tmp_path, events), events[200].time_us * 1000
    whole = reader_of(path, symbols=frozenset({"ETH-PERPETUAL"}))
    ended = replay(whole, prepare(whole), Options())
    part = reader_of(path, symbols=frozenset({"ETH-PERPETUAL"}), from_ns=half)
    result = replay(part, prepare(part), Options())
    later = [event for event in events[200:] if event.symbol == "ETH-PERPETUAL"]
    assert (result.book_rows_checked, result.book_rows_equal) == (len(later), len(later))
    assert result.depth == ended.depth != ([], [])
    assert [spec.name for spec in part.contracts] == ["ETH-PERPETUAL"]
    nothing = reader_of(path, from_ns=events[-1].time_us * 1000 + 1)
    assert replay(nothing, prepare(nothing), Options()).book_rows_checked == 0
    with pytest.raises(RecordingError, match=r"--symbols: DOGE is not in the recording; there are: BTC-PERPETUAL, "):
        list(reader_of(path, symbols=frozenset({"DOGE"})).batches())


def test_blocks_of_any_size_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tardis(tmp_path, list(Market(4).events(300)))
    whole = reader_of(path)
    commands = b"".join(batch.commands.tobytes() for batch in whole.batches())
    for size in (1, 700, 4096):
        monkeypatch.setattr("engine.recordings.tardis.BLOCK_BYTES", size if size > 1 else 301)
        for name in (BOOK_NAME, TRADES_NAME):
            text = (tmp_path / name).read_text()
            (tmp_path / name).write_text(text.replace("\n", "\r\n") if size == 700 else text)
        reader = reader_of(path)
        assert b"".join(batch.commands.tobytes() for batch in reader.batches()) == commands, size


def test_messages_read_never_go_back_where_an_event_stands_across_the_end_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = "deribit,BTC,1700000000000000,"
    rows = [f"{start}{1700000000000000 + level // 20},false,bid,{100 + level}.5,1" for level in range(60)]
    path = tmp_path / BOOK_NAME
    path.write_text(lines_of(*rows))
    whole = list(reader_of(path).batches())
    monkeypatch.setattr("engine.recordings.tardis.BLOCK_ROWS", 32)
    monkeypatch.setattr("engine.recordings.price_levels.OUT_ROWS", 16)
    batches = list(reader_of(path).batches())
    assert b"".join(each.commands.tobytes() for each in batches) == b"".join(each.commands.tobytes() for each in whole)
    read = [each.read for each in batches]
    assert read == sorted(read) and read[-1] == 60 and len(read) > 3
    assert all(each.messages[-1] <= each.read for each in batches if len(each.messages))
    for until in (19, 20, 40):
        reader = reader_of(path)
        result = replay(reader, prepare(reader), Options(until_message=until))
        assert result.commands == until // 20 * 20


def test_an_event_of_too_many_levels_is_refused_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / BOOK_NAME
    path.write_text(lines_of(*(ROW.replace("50.5", str(level)) for level in range(1, 40))))
    monkeypatch.setattr("engine.recordings.price_levels.BLOCK_ROWS", 16)
    with pytest.raises(RecordingError, match=rf"^{BOOK_NAME}, message 1: begins an event of more than 16 levels$"):
        list(reader_of(path).batches())


def lines_of(*rows: str, header: bytes = BOOK_HEADER) -> str:
    return "\n".join((header.decode(), *rows)) + "\n"


ROW = "deribit,BTC,1700000000000000,1700000000000900,false,bid,50.5,1.25"
TRADE = "deribit,BTC,1700000000000000,1700000000000900,7,sell,50.5,0.25"


def test_what_trades_do_without_their_level_is_counted(tmp_path: Path) -> None:
    rows = [ROW, ROW.replace("bid,50.5", "bid,50.4"), ROW.replace("bid,50.5", "ask,50.6")]
    later = [
        row.replace("1700000000", "1700000005")
        for row in (ROW.replace("1.25", "1"), ROW.replace("bid,50.5", "ask,50.5"))
    ]
    (tmp_path / BOOK_NAME).write_text(lines_of(*rows, *later))
    trades = [
        TRADE.replace("50.5", "50.3"),
        TRADE.replace("sell", "unknown"),
        TRADE.replace("BTC", "ETH"),
        TRADE.replace("1700000000", "1700000009"),
    ]
    (tmp_path / TRADES_NAME).write_text(lines_of(*trades, header=TRADES_HEADER))
    reader = reader_of(tmp_path / BOOK_NAME)
    assert books_of(reader)[-1] == ([(504, 125)], [(505, 125), (506, 125)])
    assert reader.ignored == {
        "trades after the last event of a book": 1,
        "trades of symbols without a book": 1,
        "trades without a side": 1,
        "trades without a change of their level": 1,
        "levels that a newer one of the other side would trade with": 1,
    }


def test_a_level_that_is_named_twice_has_what_is_said_last(tmp_path: Path) -> None:
    same = [ROW.replace("1.25", lots) for lots in ("3", "0", "2", "7", "1")]
    gone = [ROW.replace("50.5,1.25", f"50.4,{lots}") for lots in ("3", "0")]
    (tmp_path / BOOK_NAME).write_text(lines_of(ROW.replace("1700", "1699"), *same, *gone))
    assert books_of(reader_of(tmp_path / BOOK_NAME)) == [
        ([(505, 125)], []), ([(505, 100)], []),
    ]  # fmt: skip


def test_a_snapshot_in_several_messages_is_one_with_other_symbols_between(tmp_path: Path) -> None:
    rows = [
        ROW.replace("50.5", "50.1"),
        ROW.replace("50.5", "50.2").replace("false", "true").replace("0900", "0901"),
        ROW.replace("BTC", "ETH").replace("0900", "0902"),
        ROW.replace("50.5", "50.3").replace("false", "true").replace("0900", "0903"),
        ROW.replace("50.5", "50.4").replace("0900", "0904"),
        ROW.replace("50.5", "50.6").replace("false", "true").replace("0900", "0905"),
    ]
    (tmp_path / BOOK_NAME).write_text(lines_of(*rows))
    for symbols in (frozenset[str](), frozenset({"BTC"})):
        reader = reader_of(tmp_path / BOOK_NAME, symbols=symbols)
        bids = [[price for price, _ in book[0]] for book in books_of(reader)]
        kept = bids if symbols else bids[:2] + bids[3:]
        assert kept == [[501], [502], [503, 502], [504, 503, 502], [506]] and reader.ignored == {"snapshots": 2}


WRONG = [
    ("false,bid,50.5", "maybe,bid,50.5", "is_snapshot: 'maybe' is neither false nor true"),
    ("false,bid,50.5", ",bid,50.5", "is_snapshot: '' is neither"),
    (",bid,", ",buy,", "side: 'buy' is neither bid nor ask"),
    (",bid,", ",bidask,", "side: 'bidask' is neither"),
    (",bid,", ",,", "side: '' is neither"),
    (",50.5,", ",,", "price: '' is no decimal number"),
    (",50.5,", ",-50.5,", "price: '-50.5' is no decimal number from 0 on"),
    (",50.5,", ",5x,", "price: '5x' is no decimal number"),
    (",50.5,", ",NaN,", "price: 'NaN' is no decimal number"),
    (",50.5,", ",1_0,", "price: '1_0' is no decimal number"),
    (",50.5,", ",0,", "price: 0 is no price"),
    (",50.5,", ",50.55,", "price: 50.55 is no multiple of the tick 0.1; name a finer one with --contract BTC,tick="),
    (",50.5,", ",1e400,", "price: 1e400 has more than 18 digits"),
    (",1.25", ",1.2345", "amount: 1.2345 is no multiple of the lot 0.01; name a finer one with --contract BTC,lot="),
    (",1.25", ",99999999999999999", "amount: 99999999999999999 is more than 4503599627370496 times the lot"),
    (",1.25", ",1.25,9", "line: 9 fields instead of 8"),
    (",1.25", "", "line: 7 fields instead of 8"),
    ("BTC,1700000000000000", "BTC,now", "timestamp: 'now' is not a whole number"),
    ("BTC,1700000000000000", "BTC,-1", "timestamp: -1 is not within 0 to"),
    ("BTC,1700000000000000", "BTC,99999999999999999", "timestamp: 99999999999999999 is not within"),
    ("1700000000000900", "1.5", "local_timestamp: '1.5' is not a whole number"),
    ("BTC", "", "symbol: '' is not a name"),
    ("BTC", "B" * 65, "symbol: 'B+' is not a name of up to 64 signs"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_a_wrong_row_is_named_or_left_out(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    good = [ROW.replace("50.5", "50.6"), ROW.replace("1.25", "7")]
    (tmp_path / BOOK_NAME).write_text(lines_of(ROW, *good, ROW.replace(right, wrong), ROW.replace("1700", "1701")))
    spec = {"contracts": ("BTC,tick=0.1,lot=0.01",)}
    with pytest.raises(BadLineError, match=rf"X\.csv, line 5, {message}"):
        books_of(reader_of(tmp_path / BOOK_NAME, **spec))
    reader = reader_of(tmp_path / BOOK_NAME, skip_bad=True, **spec)
    assert len(books_of(reader)) == 2 and reader.bad == 1


def test_files_that_are_none_or_end_early_say_so(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text(lines_of(TRADE, header=TRADES_HEADER))
    with pytest.raises(RecordingError, match="trades alone make no book"):
        reader_of(tmp_path / "trades.csv")
    path = write_tardis(tmp_path, list(Market(5).events(3000)), ".gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RecordingError, match=r"damaged after line [1-9]\d+: "):
        books_of(reader_of(path))
    (tmp_path / BOOK_NAME).write_bytes(BOOK_HEADER + b"\n" + b"1" * (5 << 20))
    with pytest.raises(BadLineError, match="line 2, line: longer than"):
        books_of(reader_of(tmp_path / BOOK_NAME))
    (tmp_path / BOOK_NAME).write_text(lines_of())
    assert books_of(reader_of(tmp_path / BOOK_NAME)) == []


@pytest.mark.parametrize("seed", range(30))
def test_damaged_bytes_are_rows_or_one_line(tmp_path: Path, seed: int) -> None:
    path, draw = write_tardis(tmp_path, list(Market(seed).events(40))), random.Random(seed)
    for name in (BOOK_NAME, TRADES_NAME):
        path.with_name(name).write_bytes(mutated(path.with_name(name).read_bytes(), draw, len(BOOK_HEADER) + 1))
    try:
        books_of(reader_of(path))
    except RecordingError as error:
        assert "\n" not in str(error)
    reader = reader_of(path, skip_bad=True)
    result = replay(reader, prepare(reader), Options())
    assert result.book_rows_equal == result.book_rows_checked and result.executions == result.executions_as_recorded
