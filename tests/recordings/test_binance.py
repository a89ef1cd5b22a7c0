"""Binance's streams as captured: books and trades as recorded, snapshots, gaps, and what is wrong."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.recordings import open_recording
from engine.recordings.batches import Wanted
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import BadLineError, RecordingError
from tests.recordings.level_market import Event, Market, Row, books_of
from tests.recordings.mutations import mutated


def levels(rows: list[Row], side: int) -> list[list[str]]:
    return [
        [f"{price // 100}.{price % 100:02}000000", f"{lots // 1000}.{lots % 1000:03}"]
        for at, price, lots in rows
        if at == side
    ]


def captured(events: list[Event], futures: bool) -> list[dict[str, Any]]:
    """The messages of some events: trades first, then the change; snapshots as REST answers with the symbol."""
    messages: list[dict[str, Any]] = []
    last = dict.fromkeys({event.symbol for event in events}, 100)
    for number, event in enumerate(events):
        time_ms, name = event.time_us // 1000, event.symbol
        for buys, price, lots in event.trades:
            said = {
                "e": "aggTrade",
                "E": time_ms,
                "s": name,
                "a": number,
                "p": f"{price / 100:.2f}",
                "q": f"{lots / 1000:.3f}",
            }
            messages.append(said | {"f": 1, "l": 2, "T": time_ms, "m": not buys})
        bids, asks = levels(event.rows, 0), levels(event.rows, 1)
        if event.snapshot:
            messages.append({"symbol": name, "lastUpdateId": last[name], "E": time_ms, "bids": bids, "asks": asks})
            continue
        said = {"e": "depthUpdate", "E": time_ms, "T": time_ms, "s": name, "U": last[name] + 1, "u": last[name] + 3}
        messages.append(said | ({"pu": last[name]} if futures else {}) | {"b": bids, "a": asks})
        last[name] += 3
    return messages


def write(path: Path, messages: list[dict[str, Any]], combined: bool = False) -> Path:
    lines = [json.dumps({"stream": "x@depth", "data": message} if combined else message) for message in messages]
    path.write_text("".join(f"{1700000000.5 + number} {line}\n" for number, line in enumerate(lines)))
    return path


def play(path: Path, **options: Any) -> tuple[Any, Any]:
    reader: Any = open_recording(path, **options)
    return replay(reader, prepare(reader), Options()), reader


@pytest.mark.parametrize("futures", [False, True])
def test_books_and_trades_are_as_recorded(tmp_path: Path, futures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recordings.binance.BLOCK_LEVELS", 500)
    market, events, books = Market(7, ("BTCUSDT", "ETHUSDT")), [], []
    for event in market.events(600):
        events.append(event)
        books.append(market.best(event.symbol, 10))
    path = write(tmp_path / "a.jsonl", captured(events, futures), combined=futures)
    assert books_of(open_recording(path)) == books
    result, reader = play(path)
    traded = sum(len(event.trades) for event in events)
    assert reader.format == "binance"
    assert (result.book_rows_checked, result.book_rows_equal) == (len(events), len(events)), result.differences
    assert (result.executions, result.executions_as_recorded, result.trades) == (traded, traded, traded)
    assert reader.ignored == {"snapshots": sum(event.snapshot for event in events)}
    assert [(spec.name, spec.tick, spec.lot) for spec in reader.contracts] == [
        ("BTCUSDT", "0.01", "0.001"), ("ETHUSDT", "0.01", "0.001"),
    ]  # fmt: skip
    one, reader = play(path, wanted=Wanted(frozenset({"ETHUSDT"})))
    assert one.book_rows_checked == sum(event.symbol == "ETHUSDT" for event in events)


def update(first: int, last: int, bid: str = "50.1", **more: Any) -> dict[str, Any]:
    said = {"e": "depthUpdate", "E": 1_700_000_000_000 + last, "s": "BTCUSDT", "U": first, "u": last}
    return said | {"b": [[bid, "2.0"]], "a": []} | more


def snapshot(last: int, bid: str = "50.0") -> dict[str, Any]:
    return {"lastUpdateId": last, "bids": [[bid, "1"]], "asks": [["51", "1"]]}


def last_book(path: Path) -> tuple[Any, dict[str, int]]:
    reader: Any = open_recording(path)
    books = books_of(reader)
    return books[-1], {name: count for name, count in reader.ignored.items() if name != "snapshots"}


def test_a_snapshot_is_older_than_its_line(tmp_path: Path) -> None:
    messages = [update(1, 5, "49"), update(6, 9, "50.2"), snapshot(5), update(10, 12, "50.3"), update(2, 4, "48")]
    for first in (0, 1):
        lines = [messages[2], *messages] if first else messages
        (bids, asks), ignored = last_book(write(tmp_path / "a.jsonl", lines))
        assert bids == [(503, 2), (502, 2), (500, 1)] and asks == [(510, 1)]
        assert ignored == {"updates that are older than the snapshot": 1}


def test_gaps_are_counted(tmp_path: Path) -> None:
    spot = [snapshot(5), update(4, 7), update(8, 9), update(12, 13), update(14, 15)]
    assert last_book(write(tmp_path / "a.jsonl", [update(1, 2), *spot]))[1] == {"gaps in the updates": 1}
    futures = [update(1, 3, pu=0), update(4, 7, pu=3), update(8, 9, pu=6), snapshot(9), update(9, 11, pu=9)]
    assert last_book(write(tmp_path / "a.jsonl", futures))[1] == {"gaps in the updates": 1}


def test_other_messages_are_counted(tmp_path: Path) -> None:
    trade = {
        "e": "trade",
        "E": 1,
        "T": 1_700_000_000_000,
        "s": "BTCUSDT",
        "t": 1,
        "p": "50.0",
        "q": "1",
        "b": 7,
        "a": 8,
        "m": True,
    }
    other = [{"result": None, "id": 1}, {"e": "bookTicker", "s": "BTCUSDT"}, trade, trade | {"e": "aggTrade"}, trade]
    _, ignored = last_book(write(tmp_path / "a.jsonl", [snapshot(3), update(4, 5), *other]))
    assert ignored == {
        "messages of type none": 1,
        "messages of type bookTicker": 1,
        "trades that are in an aggTrade as well": 1,
        "trades at the end without a change of their level": 2,
    }


WRONG: list[tuple[Any, str]] = [
    ("}", "line: '}' is no JSON object"),
    ("{", "line: is no message of a binance capture"),
    ('{"e":"depthUpdate"', "line: is no message"),
    ('{"e":7}', "line: is no message"),
    (update(9, 10, E=-1), "line: is no message"),
    (update(9, 10, U=1.5), "line: is no message"),
    (update(9, 10, u=1 << 64), "line: is no message"),
    (update(9, 10, b=[["50.1"]]), "line: is no message"),
    (update(9, 10, b=[["50.1", 2]]), "line: is no message"),
    (update(9, 10, b=[[50.1, "2"]]), "line: is no message"),
    (update(9, 10, b=7), "b: is no list of levels"),
    (update(9, 10, a=None), "a: is no list of levels"),
    (update(9, 8), "u: 8 is less than U, 9"),
    (update(9, 10, s=""), "symbol: '' is not up to 32"),
    (update(9, 10, s="B" * 40), "symbol: 'B+' is not up to 32"),
    (update(9, 10, b=[["", "1"]]), "price: '' is no decimal number"),
    (update(9, 10, b=[["-5", "1"]]), "price: '-5' is no decimal number"),
    (update(9, 10, b=[["0", "1"]]), "price: 0 is no price"),
    (update(9, 10, b=[["5,0", "1"]]), "price: '5,0' is no decimal number"),
    (
        update(9, 10, b=[["50.15", "1"]]),
        "price: 50.15 is no multiple of the tick 0.1; name a finer one with --contract BTCUSDT",
    ),
    (update(9, 10, b=[["50", "1.5"]]), "quantity: 1.5 is no multiple of the lot 1"),
    (update(9, 10, b=[["50", "99999999999999999"]]), "quantity: 99999999999999999 is more than"),
    (update(9, 10, b=[["50", "x"]]), "quantity: 'x' is no decimal number"),
    ({"e": "aggTrade", "E": 1, "s": "BTCUSDT", "p": "abc", "q": "1"}, "price: 'abc' is no decimal number"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_message_is_named_or_left_out(tmp_path: Path, wrong: Any, message: str) -> None:
    path = write(tmp_path / "a.jsonl", [snapshot(5), update(6, 8)])
    text = wrong if isinstance(wrong, str) else json.dumps(wrong)
    path.write_text(path.read_text() + text + "\n" + json.dumps(update(11, 12)) + "\n")
    wanted = Wanted(contracts=("BTCUSDT,tick=0.1,lot=1",))
    with pytest.raises(BadLineError, match=rf"a\.jsonl, line 3, {message}"):
        list(open_recording(path, wanted=wanted).batches())
    result, reader = play(path, skip_bad=True, wanted=wanted)
    assert (reader.bad, result.book_rows_checked) == (1, 4)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_are_rows_or_one_line(tmp_path: Path, seed: int) -> None:
    path, draw = tmp_path / "a.jsonl", random.Random(seed)
    write(path, captured(list(Market(seed, ("BTCUSDT", "ETHUSDT")).events(30)), bool(seed % 2)))
    path.write_bytes(mutated(path.read_bytes(), draw))
    try:
        list(open_recording(path, "binance").batches())
    except RecordingError as error:
        assert "\n" not in str(error)
    result, _ = play(path, format="binance", skip_bad=True)
    assert result.book_rows_equal == result.book_rows_checked and result.executions == result.executions_as_recorded


def published(events: list[Event], name: str, header: bool) -> str:
    """The aggTrades of a symbol, as of futures with a header or as of spot without one and in microseconds."""
    lines = ["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"] if header else []
    for number, event in enumerate(event for event in events if event.symbol == name):
        for buys, price, lots in event.trades:
            stamp = event.time_us // 1000 if header else event.time_us // 1000 * 1000
            side = str(not buys).lower() if header else f"{not buys},True"
            lines.append(f"{number},{price / 100:.2f},{lots / 1000:.3f},1,2,{stamp},{side}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("header", [False, True])
def test_published_trades_beside_a_capture(tmp_path: Path, header: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recordings.binance.BLOCK_LEVELS", 300)
    monkeypatch.setattr("engine.recordings.binance_trades.BLOCK_BYTES", 700)
    events = list(Market(9, ("BTCUSDT", "ETHUSDT")).events(500))
    path = write(tmp_path / "a.jsonl", captured(events, True))
    trades = tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv"
    trades.write_text(published(events, "BTCUSDT", header))
    result, reader = play(path, wanted=Wanted(trades=trades))
    mine, others = (
        sum(len(event.trades) for event in events if (event.symbol == "BTCUSDT") == own) for own in (True, False)
    )
    assert (result.executions, result.executions_as_recorded, result.trades) == (mine, mine, mine) and mine > 50
    assert result.book_rows_checked == result.book_rows_equal == len(events)
    assert reader.ignored["trades of the capture, beside those of --trades"] == mine + others
    _, reader = play(path, wanted=Wanted(frozenset({"ETHUSDT"}), trades=trades))
    without, after = "trades of symbols without a book", "trades after the last event of a book"
    assert reader.ignored[without] + reader.ignored.get(after, 0) == mine
    half_ms = events[len(events) // 2].time_us // 1000
    result, reader = play(path, wanted=Wanted(from_ns=half_ms * 1_000_000))
    assert result.executions == result.executions_as_recorded
    assert result.book_rows_checked == sum(event.time_us // 1000 >= half_ms for event in events)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,50.0,1", "line: 3 fields instead of 7 or 8"),
        ("1,50.0,1,1,2,now,true", "transact_time: 'now' is not a whole number"),
        ("1,50.0,1,1,2,-1,true", "transact_time: -1 is before 1970"),
        ("1,50.0,1,1,2,1700000000007,yes", "is_buyer_maker: 'yes' is neither true nor false"),
        ("1,,1,1,2,1700000000007,true", "price: what stands there is no multiple from 1 on of the tick 0.1"),
        ("1,50.05,1,1,2,1700000000007,true", "price: 50.05 is no multiple from 1 on of the tick"),
        ("1,50.0,0,1,2,1700000000007,true", "quantity: what stands there is no multiple from 1 on of the lot 1"),
        ("1,50.0,x,1,2,1700000000007,true", "quantity: what stands there is no multiple"),
    ],
)
def test_a_wrong_published_trade_is_named_or_left_out(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.jsonl", [update(6, 8), update(11, 12)])
    trades = tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv"
    trades.write_text(f"1,50.1,1,1,2,1700000000001,true\n{line}\n")
    wanted = Wanted(contracts=("BTCUSDT,tick=0.1,lot=1",), trades=trades)
    with pytest.raises(BadLineError, match=rf"2023-11-14\.csv, line 2, {message}"):
        list(open_recording(path, wanted=wanted).batches())
    reader: Any = open_recording(path, skip_bad=True, wanted=wanted)
    assert len(books_of(reader)) == 2 and reader.bad == 1


def test_trades_go_beside_a_book_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [update(6, 8)])
    with pytest.raises(RecordingError, match=r"named like BTCUSDT-aggTrades-2024-01-01\.csv"):
        open_recording(path, wanted=Wanted(trades=path))
    (tmp_path / "a.csv").write_text("action,cl_ord_id\ncancel,1\n")
    with pytest.raises(RecordingError, match="--trades: a csv recording has its own trades; leave it out"):
        open_recording(tmp_path / "a.csv", wanted=Wanted(trades=path))
