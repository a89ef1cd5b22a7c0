"""Bitstamp's live orders of today: the messages of a seeded day give its book and its executions."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.recordings import bitstamp_live
from engine.recordings.batches import Wanted
from engine.recordings.bitstamp_live import CSV_COLUMNS, BitstampLiveDecoder
from engine.recordings.order_lives import LIFE, LifeAction
from engine.recordings.source import BadLineError, RecordingError, Source
from tests.recordings.bitstamp_writer import BitstampWriter
from tests.recordings.rested import Rested
from tests.recordings.small_exchange import Fact, SmallExchange

PAIRS = ("btcusd", "etheur")
SUBSCRIBED = '{"event":"bts:subscription_succeeded","channel":"live_orders_btcusd","data":{}}'
ADDED = Fact("add", 28_800_011_000_000, "btcusd", 5, 1, 100_0000, 1_0000_0000)


def write(folder: Path, lines: list[str], name: str = "capture.jsonl") -> Source:
    (folder / name).write_bytes("\n".join(lines).encode())
    return Source(folder / name)


def decoded(decoder: BitstampLiveDecoder) -> np.ndarray:
    return np.concatenate([block.rows for block in decoder.blocks()] or [np.zeros(0, LIFE)])


def rested(rows: np.ndarray) -> Rested:
    orders = Rested()
    for row in rows:
        orders.apply(row)
    return orders


def test_the_book_and_the_executions_of_a_day(tmp_path: Path) -> None:
    exchange, writer, lines, books = SmallExchange(1, PAIRS, reduces=False), BitstampWriter(), [SUBSCRIBED], {}
    for facts in exchange.day(900):
        lines += writer.lines(facts)
        books[len(lines)] = [exchange.book(pair) for pair in PAIRS]
    decoder = BitstampLiveDecoder(write(tmp_path, lines))
    rows, orders = decoded(decoder), Rested()
    slots = [next(slot for slot, spec in enumerate(decoder.contracts) if spec.name == pair) for pair in PAIRS]
    assert (np.diff(rows["message"]) >= 0).all()
    for line in range(1, len(lines) + 1):
        for row in rows[rows["message"] == line]:
            orders.apply(row)
        if line in books:
            assert [orders.book(slot) for slot in slots] == books[line], f"line {line}"
    executions = [(fact.order_id, fact.size) for fact in exchange.facts if fact.kind == "execute"]
    taken = rows[rows["action"] == LifeAction.EXECUTE]
    assert taken[["order_id", "size_lots"]].tolist() == executions and len(executions) > 100
    assert decoder.ignored == {"message of another channel": 1}


@pytest.mark.parametrize("lag", [0, 30])
def test_a_snapshot_seeds_what_no_event_has_named(lag: int, tmp_path: Path) -> None:
    exchange, writer, lines = SmallExchange(2, ("btcusd",), reduces=False), BitstampWriter(), []
    for step, facts in enumerate(exchange.day(500)):
        written = writer.lines(facts)
        lines += written if step >= 150 else []
        if step == 200:
            snapshot = writer.snapshot(exchange, "btcusd")
        if step == 200 + lag:
            answer = json.dumps({"timestamp": "1580371200", **json.loads(snapshot)["data"]})
            lines.append(snapshot if lag == 0 else f"1580371200123 {answer}")
    decoder = BitstampLiveDecoder(write(tmp_path, lines))
    assert rested(decoded(decoder)).book(0) == exchange.book("btcusd")
    assert ("order of a snapshot that had ended before" in decoder.ignored) == (lag > 0)


def test_orders_that_never_rest(tmp_path: Path) -> None:
    """A market order, one whose subtype says so, and a post-only order that would trade: the book is the makers'."""
    writer = BitstampWriter()
    maker = writer.messages([ADDED._replace(size=10, side=2)])
    market = writer.messages([ADDED._replace(kind="execute", order_id=5, side=2, size=4, taker_id=8)])
    for message in (market[0], market[2]):
        message["data"] |= {"price": 0, "price_str": "0.00"}
    other = writer.messages([ADDED._replace(kind="execute", order_id=5, side=2, size=3, taker_id=9)])
    for message in (other[0], other[1]):
        message["data"]["order_subtype"] = 2
    post_only = writer.messages([ADDED._replace(order_id=10)])
    post_only += writer.messages([ADDED._replace(order_id=10, kind="delete")])
    lines = [json.dumps(message) for message in [*maker, *market, *other, *post_only]]
    rows = decoded(BitstampLiveDecoder(write(tmp_path, lines)))
    taken = (LifeAction.EXECUTE, LifeAction.EXECUTE)
    assert rows["action"].tolist() == [LifeAction.ADD, *taken, LifeAction.ADD, LifeAction.DELETE]
    assert rested(rows).book(0) == ([], [(10_000, 3)])


def test_orders_from_before_and_repeats(tmp_path: Path) -> None:
    writer = BitstampWriter()
    first = writer.messages([ADDED])
    gone = writer.messages([ADDED._replace(kind="delete")])
    before = writer.messages([ADDED._replace(order_id=6)])
    before[0]["event"] = "order_changed"
    ended = writer.messages([ADDED._replace(kind="delete", order_id=7)])
    lines = [json.dumps(message) for message in [*first, *first, *gone, *gone, *first, *before, *ended]]
    decoder = BitstampLiveDecoder(write(tmp_path, lines))
    assert decoded(decoder)["order_id"].tolist() == [5, 5, 6]
    assert decoder.ignored == {
        "order that is created again, or after its end": 2,
        "event of an order after its end": 1,
        "change of an order from before the capture": 1,
        "end of an order from before the capture": 1,
    }


def test_an_order_that_moves(tmp_path: Path) -> None:
    writer = BitstampWriter()
    moved = [*writer.messages([ADDED]), *writer.messages([ADDED._replace(price=101_0000)])]
    moved[1]["event"] = "order_changed"
    rows = decoded(BitstampLiveDecoder(write(tmp_path, [json.dumps(message) for message in moved])))
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.RESIZE]
    assert rows["price_ticks"].tolist() == [10_000, 10_100]


def test_an_order_that_changes_to_nothing_at_another_price_is_gone(tmp_path: Path) -> None:
    writer = BitstampWriter()
    messages = [*writer.messages([ADDED]), *writer.messages([ADDED._replace(price=101_0000, size=0)])]
    messages[1]["event"] = "order_changed"
    rows = decoded(BitstampLiveDecoder(write(tmp_path, [json.dumps(message) for message in messages])))
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.EXECUTE]
    assert rested(rows).book(0) == ([], [])


def test_orders_above_the_highest_price_are_left_out(tmp_path: Path) -> None:
    """Of an event, of a snapshot, of an order that moves there; a market order has no price, whatever is said."""
    writer, high = BitstampWriter(), {"price": 99999999, "price_str": "99999999.00"}
    seller = ADDED._replace(side=2)
    created, gone = (writer.messages([seller._replace(order_id=6, kind=kind)])[0] for kind in ("add", "delete"))
    first, second = (writer.messages([seller._replace(order_id=order_id)])[0] for order_id in (7, 8))
    moved = {**first, "event": "order_changed", "data": first["data"] | high}
    taking = writer.messages([seller._replace(kind="execute", order_id=8, size=4, taker_id=9)])
    for message in (created, gone, taking[0], taking[2]):
        message["data"] |= high
    taking[0]["data"]["order_subtype"] = taking[2]["data"]["order_subtype"] = 2
    shot = {**SHOT, "data": {**SHOT["data"], "bids": [], "asks": [["99999999", "1", "20"], ["200", "1", "21"]]}}
    lines = [json.dumps(message) for message in (created, first, second, gone, moved, *taking, shot)]
    decoder = BitstampLiveDecoder(write(tmp_path, lines))
    assert rested(decoded(decoder)).book(0) == ([], [(10_000, 99_999_996), (20_000, 100_000_000)])
    assert decoder.ignored == {"order above 2^30 ticks": 4}


def as_csv(message: dict[str, Any]) -> str:
    data, side = message["data"], ("bid", "ask")[message["data"]["order_type"]]
    time_ms = int(data["microtimestamp"]) // 1000
    cells = (data["id"], time_ms + 7, time_ms, data["price_str"], data["amount_str"])
    return ",".join(map(str, (*cells, message["event"].removeprefix("order_"), side)))


def as_named(message: dict[str, Any]) -> str:
    return f"1580371200123 {message['event']} {json.dumps(message['data'])}"


@pytest.mark.parametrize("form", [as_csv, as_named])
def test_the_other_forms_of_a_capture_are_the_same(form: Any, tmp_path: Path) -> None:
    exchange, writer = SmallExchange(3, ("btcusd",), reduces=False), BitstampWriter()
    messages = [message for facts in exchange.day(300) for message in writer.messages(facts)]
    plain = decoded(BitstampLiveDecoder(write(tmp_path, [json.dumps(message) for message in messages])))
    lines = [*([",".join(CSV_COLUMNS)] if form is as_csv else []), *map(form, messages)]
    source = write(tmp_path, lines, "orders.csv")
    assert bitstamp_live.is_capture(source.head())
    rows = decoded(decoder := BitstampLiveDecoder(source))
    for name in ("action", "order_id", "side", "price_ticks", "size_lots"):
        assert rows[name].tolist() == plain[name].tolist()
    assert decoder.contracts[0].name == "BTC_USD" and decoder.ignored == {}


def test_a_message_of_a_market_with_finer_ticks(tmp_path: Path) -> None:
    """A market whose prices have five decimals: one line says how to name its tick, and then it is read."""
    data = {"id": 1441935087595520, "id_str": "1441935087595520", "order_type": 1, "datetime": "1640869916"}
    data |= {"microtimestamp": "1640869915619000", "amount": 2162.61269107, "amount_str": "2162.61269107"}
    data |= {"price": 0.84604, "price_str": "0.84604"}
    line = json.dumps({"data": data, "channel": "live_orders_xrpusd", "event": "order_created"})
    source = write(tmp_path, [line])
    with pytest.raises(BadLineError, match=r"price: 0.84604 is no multiple of the tick 0.01; .*such as tick=0.00001"):
        decoded(BitstampLiveDecoder(source))
    rows = decoded(BitstampLiveDecoder(source, Wanted(contracts=("xrpusd,tick=0.00001",))))
    assert rows[["price_ticks", "size_lots", "time_ns"]].tolist() == [(84_604, 216_261_269_107, 1640869915619000000)]


def test_numbers_without_their_text(tmp_path: Path) -> None:
    message = BitstampWriter().messages([ADDED._replace(size=1000)])[0]
    del message["data"]["amount_str"], message["data"]["price_str"]
    assert message["data"]["amount"] == 1e-05
    assert decoded(BitstampLiveDecoder(write(tmp_path, [json.dumps(message)])))["size_lots"].tolist() == [1000]


GOOD = BitstampWriter().messages([ADDED])[0]


def spoilt(**changes: object) -> str:
    return json.dumps({**GOOD, "data": {**GOOD["data"], "id": 6, **changes}})


SHOT = json.loads(BitstampWriter().snapshot(SmallExchange(1, ("btcusd",)), "btcusd"))
WRONG = {
    "text": ("no json at all", "line: 'no json at all' is no JSON object"),
    "a line cut short": (spoilt()[:-9], "line: is no message of a bitstamp_live capture: Input data was truncated"),
    "a list": ("[1, 2]", "is no JSON object"),
    "bytes": ("\x00{\x02", "is no message of a bitstamp_live capture: JSON is malformed"),
    "an event that is none": (json.dumps({**GOOD, "event": "order_moved"}), "event: 'order_moved' is none of order_"),
    "no data": (json.dumps({**GOOD, "data": ""}), "data: is no order"),
    "data that is a number": (json.dumps({**GOOD, "data": 7}), "line: is no message .*got `int`"),
    "no pair": (json.dumps({**GOOD, "channel": "live_orders_"}), "channel: names no pair"),
    "no id": (spoilt(id=None), "id: is missing"),
    "an id below 0": (spoilt(id=-4), "line: is no message .*id"),
    "an id beyond 64 bits": (spoilt(id=1 << 70), "line: is no message"),
    "a type that is none": (spoilt(order_type=2), r"order_type: 2 is neither 0 \(buy\) nor 1 \(sell\)"),
    "a type in words": (spoilt(order_type="buy"), "line: is no message .*order_type"),
    "no price": (spoilt(price_str=None, price=None), "price: is missing"),
    "a price of words": (spoilt(price_str="high"), "price: 'high' is no decimal number"),
    "a price below 0": (spoilt(price_str="-1"), "price: '-1' is no decimal number"),
    "a price between ticks": (spoilt(price_str="1.234"), "price: 1.234 is no multiple of the tick 0.01; name a finer"),
    "no amount": (spoilt(amount_str=None, amount=None), "amount: is missing"),
    "an amount that is too fine": (spoilt(amount_str="0.000000001"), "amount: .* the lot 0.00000001; name a finer"),
    "an amount in words": (spoilt(amount_str=True), "line: is no message .*amount_str"),
    "no time": (spoilt(microtimestamp=""), "microtimestamp: '' is no number of microseconds"),
    "a time in words": (spoilt(microtimestamp="now"), "microtimestamp: 'now' is no number"),
    "a time too far": (spoilt(microtimestamp="9" * 18), "microtimestamp: '9+' is no number"),
    "an order in a named line": ("1580371200123 order_created {]", "line: is no order of a bitstamp_live capture"),
    "a snapshot of levels": (json.dumps({**SHOT, "data": {**SHOT["data"], "bids": [["1", "1"]]}}), "bids: .* order id"),
    "a snapshot's id": (json.dumps({**SHOT, "data": {**SHOT["data"], "asks": [["1", "1", "x"]]}}), "asks: .* order id"),
    "a snapshot's id of thousands of digits": (
        json.dumps({**SHOT, "data": {**SHOT["data"], "bids": [["1", "1", "9" * 5000]]}}),
        "bids: .* is not price, amount and order id",
    ),
    "a snapshot's price": (
        json.dumps({**SHOT, "data": {**SHOT["data"], "asks": [["0", "1", 1]]}}),
        "asks: 0 is not ab",
    ),
}
WRONG_CSV = {
    "too few fields": ("1,2,3", "line: 3 fields instead of 7"),
    "a direction that is none": ("6,1580371200123,1580371200123,1.00,1.0,created,buy", "direction: 'buy' is neither"),
    "an action that is none": ("6,1580371200123,1580371200123,1.00,1.0,made,bid", "event: 'order_made' is none of"),
    "an id in words": ("six,1580371200123,1580371200123,1.00,1.0,created,bid", "id: 'six' is no whole number"),
    "a time in words": ("6,now,now,1.00,1.0,created,bid", "microtimestamp: 'now000' is no number"),
    "an amount in words": ("6,1580371200123,1580371200123,1.00,some,created,bid", "amount: 'some' is no decimal"),
}


@pytest.mark.parametrize("case", [*WRONG, *(f"CSV: {name}" for name in WRONG_CSV)])
def test_wrong_lines_are_one_line_that_names_where(case: str, tmp_path: Path) -> None:
    is_csv = case.startswith("CSV")
    text, pattern = WRONG_CSV[case.removeprefix("CSV: ")] if is_csv else WRONG[case]
    begun = [",".join(CSV_COLUMNS), as_csv(GOOD)] if is_csv else [json.dumps(GOOD), ""]
    source = write(tmp_path, [*begun, text])
    blocks = BitstampLiveDecoder(source).blocks()
    assert len(next(blocks).rows) == 1
    with pytest.raises(BadLineError, match=pattern) as failure:
        next(blocks)
    assert str(failure.value).startswith("capture.jsonl, line 3, ") and len(str(failure.value)) < 250
    decoder = BitstampLiveDecoder(source, skip_bad=True)
    assert len(decoded(decoder)) == 1 and decoder.bad == 1


def test_only_what_is_wanted(tmp_path: Path) -> None:
    exchange, writer = SmallExchange(5, PAIRS, reduces=False), BitstampWriter()
    lines = [line for facts in exchange.day(100) for line in writer.lines(facts)]
    decoder = BitstampLiveDecoder(write(tmp_path, lines), Wanted(frozenset(["etheur"])))
    assert rested(decoded(decoder)).book(0) == exchange.book("etheur")
    assert decoder.seen == set(PAIRS) and [spec.name for spec in decoder.contracts] == ["etheur"]


def test_mutated_lines_never_raise_anything_else(tmp_path: Path) -> None:
    exchange, writer = SmallExchange(7, ("btcusd",), reduces=False), BitstampWriter()
    lines = [line for facts in exchange.day(25) for line in writer.lines(facts)]
    lines.insert(20, writer.snapshot(exchange, "btcusd"))
    assert mutate(tmp_path, "\n".join(lines).encode(), range(150)) > 40


def mutate(folder: Path, content: bytes, seeds: range) -> int:
    """Decode mutated files; how many of them were refused."""
    refused = 0
    for seed in seeds:
        dice, changed = random.Random(seed), bytearray(content)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(changed))
            changed[at : at + dice.choice((0, 1, 1, 1, 2, 30))] = dice.randbytes(dice.choice((0, 1, 1, 1, 2)))
        (folder / "capture.jsonl").write_bytes(changed)
        decoder = BitstampLiveDecoder(Source(folder / "capture.jsonl"), skip_bad=bool(seed & 1))
        try:
            rows = decoded(decoder)
        except RecordingError as error:
            refused += 1
            assert len(str(error)) < 300 and "\n" not in str(error)
        else:
            assert (rows["contract"] < max(1, len(decoder.contracts))).all()
    return refused


def test_recognised_by_its_first_lines() -> None:
    assert bitstamp_live.is_capture("\n".join([SUBSCRIBED, spoilt()]).encode())
    for other in (
        b"",
        b'{"action": "new", "cl_ord_id": 1}',
        b'1430438400123 order_created {"id": 1}',
        b"time_ns,action",
    ):
        assert not bitstamp_live.is_capture(other)
