"""Coinbase's full channel: the lines of a seeded day give its book after every step, from snapshots too."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from engine.recordings import byte_blocks, coinbase, json_lines
from engine.recordings.batches import Wanted
from engine.recordings.coinbase import CoinbaseDecoder
from engine.recordings.order_lives import LIFE, LifeAction, LifeFlag
from engine.recordings.source import BadLineError, RecordingError, Source
from tests.recordings.coinbase_writer import DAY_S, CoinbaseWriter, uuid_of
from tests.recordings.rested import Rested
from tests.recordings.small_exchange import Fact, SmallExchange

PRODUCTS = ("BTC-USD", "ETH-USD")
FINE = Wanted(contracts=("tick=0.0001",))
SUBSCRIBED = '{"type":"subscriptions","channels":[{"name":"full","product_ids":["BTC-USD","ETH-USD"]}]}'
ADDED = Fact("add", 28_800_011_000_000, "BTC-USD", 5, 1, 100_0000, 1_0000_0000)


def write(folder: Path, lines: list[str], name: str = "capture.jsonl") -> Source:
    (folder / name).write_bytes("\n".join(lines).encode())
    return Source(folder / name)


def decoded(decoder: CoinbaseDecoder) -> np.ndarray:
    return np.concatenate([block.rows for block in decoder.blocks()] or [np.zeros(0, LIFE)])


def test_the_book_after_every_step(tmp_path: Path) -> None:
    exchange, writer, lines, books = SmallExchange(1, PRODUCTS), CoinbaseWriter(), [SUBSCRIBED], {}
    for facts in exchange.day(700):
        lines += writer.lines(facts)
        books[len(lines)] = [exchange.book(product) for product in PRODUCTS]
    decoder = CoinbaseDecoder(write(tmp_path, lines), Wanted(contracts=("tick=0.01", "lot=0.00000001")))
    rows, rested, equal = decoded(decoder), Rested(), 0
    slots = [next(i for i, spec in enumerate(decoder.contracts) if spec.name == name) for name in PRODUCTS]
    for line in range(1, len(lines) + 1):
        for row in rows[rows["message"] == line]:
            rested.apply(row)
        if line in books:
            assert [rested.book(slot) for slot in slots] == books[line], f"line {line}"
            equal += 1
    assert equal == len(books) > 600
    executions = [fact for fact in exchange.facts if fact.kind == "execute"]
    taken = rows[rows["action"] == LifeAction.EXECUTE]
    assert taken["size_lots"].tolist() == [fact.size for fact in executions]
    assert taken["time_ns"].tolist() == [DAY_S * 10**9 + fact.time_ns // 1000 * 1000 for fact in executions]
    takers = [fact.taker_id for fact in executions]
    begins = [before != taker for before, taker in zip([0, *takers], takers, strict=False)]
    assert (taken["flags"] & LifeFlag.AGGRESSOR > 0).tolist() == begins
    assert decoder.ignored == {"message of another channel": 1}


@pytest.mark.parametrize("lag", [0, 1, 40])
def test_a_snapshot_that_is_older_than_its_line(lag: int, tmp_path: Path) -> None:
    """A capture begins in the middle of the day; its snapshot is asked for, and comes after some more messages."""
    exchange, writer, lines, snapshot = SmallExchange(2, ("BTC-USD",)), CoinbaseWriter(), [], ""
    for step, facts in enumerate(exchange.day(400)):
        written = writer.lines(facts)
        if step >= 150:
            lines += written
        if step == 200:
            snapshot = writer.snapshot(exchange, "BTC-USD", named=lag == 0)
        if step == 200 + lag:
            lines.append(f"1580371200.123 {snapshot}")
            at = len(lines)
    decoder, rested = CoinbaseDecoder(write(tmp_path, lines)), Rested()
    rows = decoded(decoder)
    seeded = rows[rows["message"] == at]
    assert seeded["action"][0] == LifeAction.CLEAR and (seeded["action"][1:] == LifeAction.ADD).all()
    assert (seeded["flags"][1:] & LifeFlag.SNAPSHOT).all() and seeded["flags"][-1] & LifeFlag.LAST
    for row in rows[rows["message"] >= at]:
        rested.apply(row)
    assert rested.book(0) == exchange.book("BTC-USD")


def test_a_snapshot_before_its_messages(tmp_path: Path) -> None:
    exchange, writer, lines, snapshot = SmallExchange(3, ("BTC-USD",)), CoinbaseWriter(), [], ""
    for step, facts in enumerate(exchange.day(200)):
        lines += writer.lines(facts) if step > 60 else writer.lines(facts)[:0]
        if step == 100:
            snapshot = writer.snapshot(exchange, "BTC-USD")
    decoder, rested = CoinbaseDecoder(write(tmp_path, [snapshot, *lines])), Rested()
    for row in decoded(decoder):
        rested.apply(row)
    assert rested.book(0) == exchange.book("BTC-USD")
    assert decoder.ignored["message that a snapshot or an earlier line holds already"] > 20


def test_later_snapshots_say_how_exact_the_capture_is(tmp_path: Path) -> None:
    """Orders that were followed rightly stay where they are in their queues; a lost line is seen and mended."""
    exchange, writer = SmallExchange(9, ("BTC-USD",)), CoinbaseWriter()
    lines = [line for facts in exchange.day(200) for line in writer.lines(facts)]
    shot = writer.snapshot(exchange, "BTC-USD")
    after = [line for facts in exchange.day(30) for line in writer.lines(facts)]
    again = writer.snapshot(exchange, "BTC-USD")
    decoder = CoinbaseDecoder(write(tmp_path, [*lines, shot, *after, again]))
    rows = decoded(decoder)
    assert decoder.ignored == {"later snapshot with the orders that were there": 1}
    assert (rows["action"] == LifeAction.CLEAR).sum() == 1
    opened = max(place for place, line in enumerate(after) if '"open"' in line)
    decoder = CoinbaseDecoder(write(tmp_path, [*lines, shot, *after[:opened], *after[opened + 1 :], again]))
    rested = Rested()
    for row in decoded(decoder):
        rested.apply(row)
    assert rested.book(0) == exchange.book("BTC-USD")
    assert decoder.ignored["order that a later snapshot shows otherwise"] == 1


def test_a_later_snapshot_that_is_older_than_its_line(tmp_path: Path) -> None:
    """Orders that opened between the snapshot and its line are the orders that were there too."""
    exchange, writer = SmallExchange(9, ("BTC-USD",)), CoinbaseWriter()
    lines = [line for facts in exchange.day(200) for line in writer.lines(facts)]
    lines.append(writer.snapshot(exchange, "BTC-USD"))
    lines += [line for facts in exchange.day(30) for line in writer.lines(facts)]
    again = writer.snapshot(exchange, "BTC-USD")
    late = [line for facts in exchange.day(20) for line in writer.lines(facts)]
    assert sum('"open"' in line for line in late) > 3
    decoder = CoinbaseDecoder(write(tmp_path, [*lines, *late, again]))
    rows = decoded(decoder)
    assert decoder.ignored == {"later snapshot with the orders that were there": 1}
    assert (rows["action"] == LifeAction.CLEAR).sum() == 1


def test_orders_above_the_highest_price_are_left_out(tmp_path: Path) -> None:
    """Opened there, matched there, changed to there, and in a snapshot."""
    first, second = (json.loads(CoinbaseWriter().lines([ADDED._replace(order_id=number)])[1]) for number in (5, 6))
    high = {**second, "price": "10737418.24", "order_id": uuid_of(7)}
    trade = {**MATCH, "price": "10737418.24", "maker_order_id": uuid_of(99)}
    messages = [first, second, high, trade, {**CHANGE, "new_price": "10737418.24"}]
    shot = {**SHOT, "sequence": 1007, "asks": [["10737418.24", "1", "x"], ["10737418.23", "1", "y"]]}
    numbered = [{**message, "sequence": 1002 + number} for number, message in enumerate(messages)]
    decoder = CoinbaseDecoder(write(tmp_path, [json.dumps(message) for message in numbered]))
    rested = Rested()
    for row in decoded(decoder):
        rested.apply(row)
    assert rested.book(0) == ([(10_000, 100_000_000)], [])
    assert decoder.ignored["order above 2^30 ticks"] == 3
    decoder = CoinbaseDecoder(write(tmp_path, [json.dumps(message) for message in (*numbered, shot)]))
    rested = Rested()
    for row in decoded(decoder):
        rested.apply(row)
    assert rested.book(0)[1] == [((1 << 30) - 1, 100_000_000)]
    assert decoder.ignored["order above 2^30 ticks"] == 4


def test_gaps_repeats_and_orders_from_before(tmp_path: Path) -> None:
    writer = CoinbaseWriter()
    first, second = writer.lines([ADDED]), writer.lines([ADDED._replace(order_id=6)])
    lost = writer.lines([ADDED._replace(kind="execute", order_id=77, taker_id=8)])
    decoder = CoinbaseDecoder(write(tmp_path, [*first, *first, *lost, *second[:0]]))
    rows = decoded(decoder)
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.TRADE]
    assert rows[["price_ticks", "size_lots"]][1].tolist() == (10_000, 100_000_000)
    assert decoder.ignored == {
        "message that a snapshot or an earlier line holds already": 2,
        "sequence number that is missing": 2,
        "match of an order that never opened": 1,
    }


def test_messages_that_the_venue_published(tmp_path: Path) -> None:
    """The examples of its documentation, made the life of one order, with the figures that they say."""
    head = '"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD"'
    order = '"order_id":"ac928c66-ca53-498f-9c13-a110027a60e8"'
    lines = [
        f'{{"type":"open",{head},"sequence":10,{order},"price":"400.23","remaining_size":"12.234412","side":"sell"}}',
        f'{{"type":"change","reason":"STP",{head},"sequence":80,{order},"side":"sell","old_size":"12.234412",'
        '"new_size":"5.23512","price":"400.23"}',
        f'{{"type":"match","trade_id":10,{head},"sequence":81,"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8",'
        '"taker_order_id":"132fb6ae-456b-4654-b4e0-d681ac05cea1","size":"5.23512","price":"400.23","side":"sell"}',
        f'{{"type":"done",{head},"sequence":82,"price":"400.23",{order},"reason":"filled","side":"sell",'
        '"remaining_size":"0"}',
    ]
    decoder = CoinbaseDecoder(write(tmp_path, lines))
    rows = decoded(decoder)
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.RESIZE, LifeAction.EXECUTE]
    assert rows["size_lots"].tolist() == [1_223_441_200, 523_512_000, 523_512_000]
    assert rows["price_ticks"].tolist() == [40_023, 40_023, 0] and rows["side"][0] == 2
    assert set(rows["time_ns"].tolist()) == {1_415_348_367_028_459_000}
    assert decoder.ignored == {"sequence number that is missing": 69}


def test_modified_orders_and_those_that_never_rested(tmp_path: Path) -> None:
    writer = CoinbaseWriter()
    lines = writer.lines([ADDED])
    head = {"product_id": "BTC-USD", "time": "2020-01-30T08:00:00Z", "order_id": uuid_of(5), "side": "buy"}
    sizes = [{"new_size": "2.5", "new_price": "99.5"}, {"new_size": "0.5"}, {"new_price": "99"}, {"new_size": "0"}]
    for number, change in enumerate(sizes, 2000):
        lines.append(json.dumps({"type": "change", "sequence": number, "reason": "modify_order", **head, **change}))
    other = {**head, "order_id": "no order that rests"}
    lines.append(json.dumps({"type": "change", "sequence": 2004, "new_funds": "7", "price": None, **other}))
    lines.append(json.dumps({"type": "done", "sequence": 2005, "reason": "filled", **other}))
    rows = decoded(CoinbaseDecoder(write(tmp_path, lines)))
    assert rows["action"].tolist() == [LifeAction.ADD, *[LifeAction.RESIZE] * 3, LifeAction.DELETE]
    assert rows["price_ticks"][1:4].tolist() == [9950, 9950, 9900]
    assert rows["size_lots"][1:4].tolist() == [250_000_000, 50_000_000, 50_000_000]


def test_blocks_hold_what_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, writer = SmallExchange(4, ("BTC-USD",)), CoinbaseWriter()
    lines = [line for facts in exchange.day(150) for line in writer.lines(facts)]
    source = write(tmp_path, [*lines, writer.snapshot(exchange, "BTC-USD")])
    whole = decoded(CoinbaseDecoder(source)).tolist()
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 16)
    monkeypatch.setattr(byte_blocks, "READ_BYTES", 100)
    blocks = list(CoinbaseDecoder(source).blocks())
    assert max(len(block.rows) for block in blocks) == 16
    assert str(np.concatenate([block.rows for block in blocks]).tolist()) == str(whole)


def test_only_what_is_wanted(tmp_path: Path) -> None:
    exchange, writer = SmallExchange(5, PRODUCTS), CoinbaseWriter()
    lines = [line for facts in exchange.day(60) for line in writer.lines(facts)]
    decoder = CoinbaseDecoder(write(tmp_path, lines), Wanted(frozenset(["ETH-USD"])))
    rows = decoded(decoder)
    assert [spec.name for spec in decoder.contracts] == ["ETH-USD"] and set(rows["contract"]) == {0}
    assert decoder.seen == set(PRODUCTS) and decoder.ignored["message of a product that is not wanted"] > 20


GOOD = json.loads(CoinbaseWriter().lines([ADDED])[1])
MATCH = {**GOOD, "type": "match", "sequence": 1003, "maker_order_id": uuid_of(5), "size": "1"}
CHANGE = {**GOOD, "type": "change", "sequence": 1003}
SHOT = {"product_id": "BTC-USD", "sequence": 1003, "bids": [["100", "1", "a"]], "asks": []}
WRONG = {
    "text": ("no json at all", "line: 'no json at all' is no JSON object"),
    "a line cut short": (json.dumps(GOOD)[:-9], "line: is no message of a coinbase capture: Input data was truncated"),
    "a list": ("[1, 2]", "is no JSON object"),
    "bytes": ("\x00\x01{\x02", "is no message of a coinbase capture: JSON is malformed"),
    "a number for text": ({**GOOD, "price": 12.5}, "line: is no message .*Expected `str . null`, got `float`"),
    "text for a number": ({**GOOD, "sequence": "12"}, "Expected `int`, got `str`"),
    "a sequence beyond 64 bits": ({**MATCH, "sequence": 1 << 80}, "line: is no message"),
    "a sequence below 0": ({**MATCH, "sequence": -1}, "line: is no message .*sequence"),
    "no product": ({**GOOD, "product_id": ""}, "product_id: is missing"),
    "no time": ({**GOOD, "time": ""}, "time: '' is no time like"),
    "a time that is none": ({**GOOD, "time": "2020-13-30T08:00:00Z"}, "time: '2020-13-30T08:00:00' is no time"),
    "a time of another form": ({**GOOD, "time": "2020-01-30 08:00:00"}, "time: .* is no time like"),
    "a time of too many digits": ({**GOOD, "time": "2020-01-30T08:00:00.0123456789Z"}, "time: .* is no time"),
    "a side that is none": ({**GOOD, "side": "bid"}, "side: 'bid' is neither buy nor sell"),
    "no order id": ({**GOOD, "order_id": ""}, "order_id: is missing"),
    "no price": ({**GOOD, "price": None}, "price: is missing"),
    "a price of words": ({**GOOD, "price": "high"}, "price: 'high' is no decimal number"),
    "a price between ticks": (
        {**GOOD, "price": "99.995"},
        "price: 99.995 is no multiple of the tick 0.01; name a finer",
    ),
    "a price of nothing": ({**GOOD, "price": "0.00"}, "price: 0.00 is not above 0"),
    "a price below nothing": ({**GOOD, "price": "-1"}, "price: '-1' is no decimal number"),
    "a size that is too fine": (
        {**GOOD, "remaining_size": "0.000000001"},
        "remaining_size: .* the lot 0.00000001; name a f",
    ),
    "a size that is too large": ({**GOOD, "remaining_size": "90000000"}, "remaining_size: .* the lot .* a coarser"),
    "no size": ({**GOOD, "remaining_size": None}, "remaining_size: is missing"),
    "a match of nothing": ({**MATCH, "size": "0"}, "size: 0 is not above 0"),
    "a change without a number": ({**CHANGE, "new_size": "few"}, "new_size: 'few' is no decimal number"),
    "a change to no price": ({**CHANGE, "new_price": "0"}, "new_price: 0 is not above 0"),
    "a snapshot of levels": ({**SHOT, "bids": [["100", "1", 7]]}, "bids: .* is not price, size and order id"),
    "a snapshot of pairs": ({**SHOT, "asks": [["100", "1"]]}, "asks: .* is not price, size and order id"),
    "a snapshot's price": ({**SHOT, "bids": [["1e9", "1", "a"]]}, "bids: '1e9' is no decimal number"),
    "a snapshot's size": ({**SHOT, "bids": [["100", "0", "a"]]}, "bids: 0 is not above 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lines_are_one_line_that_names_where(case: str, tmp_path: Path) -> None:
    content, pattern = WRONG[case]
    text = content if isinstance(content, str) else json.dumps({"sequence": 1003, **content})
    if isinstance(content, dict) and content.get("sequence") == GOOD["sequence"]:
        text = json.dumps({**content, "sequence": 1003})
    source = write(tmp_path, [json.dumps(GOOD), "", text])
    blocks = CoinbaseDecoder(source).blocks()
    assert len(next(blocks).rows) == 1
    with pytest.raises(BadLineError, match=pattern) as failure:
        next(blocks)
    assert str(failure.value).startswith("capture.jsonl, line 3, ") and len(str(failure.value)) < 250
    decoder = CoinbaseDecoder(source, skip_bad=True)
    assert len(decoded(decoder)) == 1 and decoder.bad == 1


def test_a_snapshot_that_names_no_product(tmp_path: Path) -> None:
    exchange, writer = SmallExchange(6, PRODUCTS), CoinbaseWriter()
    lines = [line for facts in exchange.day(20) for line in writer.lines(facts)]
    source = write(tmp_path, [*lines, writer.snapshot(exchange, "BTC-USD", named=False)])
    with pytest.raises(BadLineError, match="product_id: is missing in a snapshot, and the capture has 2 products"):
        decoded(CoinbaseDecoder(source))


def test_a_line_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 1000)
    with pytest.raises(BadLineError, match="line 2, line: has no end within 1000 bytes"):
        decoded(CoinbaseDecoder(write(tmp_path, [json.dumps(GOOD), "x" * 5000])))


def test_mutated_lines_never_raise_anything_else(tmp_path: Path) -> None:
    exchange, writer = SmallExchange(7, ("BTC-USD",)), CoinbaseWriter()
    lines = [line for facts in exchange.day(25) for line in writer.lines(facts)]
    lines.insert(30, writer.snapshot(exchange, "BTC-USD"))
    assert mutate(tmp_path, "\n".join(lines).encode(), range(150)) > 40


def mutate(folder: Path, content: bytes, seeds: range) -> int:
    """Decode mutated files; how many of them were refused."""
    refused = 0
    for seed in seeds:
        dice, spoilt = random.Random(seed), bytearray(content)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(spoilt))
            spoilt[at : at + dice.choice((0, 1, 1, 1, 2, 30))] = dice.randbytes(dice.choice((0, 1, 1, 1, 2)))
        (folder / "capture.jsonl").write_bytes(spoilt)
        decoder = CoinbaseDecoder(Source(folder / "capture.jsonl"), skip_bad=bool(seed & 1))
        try:
            rows = decoded(decoder)
        except RecordingError as error:
            refused += 1
            assert len(str(error)) < 300 and "\n" not in str(error)
        else:
            assert (rows["contract"] < max(1, len(decoder.contracts))).all()
    return refused


def test_recognised_by_its_first_lines() -> None:
    exchange, writer = SmallExchange(8, PRODUCTS), CoinbaseWriter()
    lines = [line for facts in exchange.day(5) for line in writer.lines(facts)]
    assert coinbase.is_coinbase("\n".join([SUBSCRIBED, *lines]).encode()[:4096])
    assert coinbase.is_coinbase(("1580371200.5 " + writer.snapshot(exchange, "BTC-USD")).encode()[:4096])
    for other in (b"", b'{"action": "new", "cl_ord_id": 1}', b'{"e":"depthUpdate","U":157,"u":160}', b"time_ns,action"):
        assert not coinbase.is_coinbase(other)
