"""The public channel of liquidations: every forced trade once, with its side, and nobody's account."""

import json

import numpy as np
import pytest

from engine.codes import EventFlag, EventKind, ExecInst, Side
from engine.host import create
from engine.schema import LABEL, NOTICE, SMALL
from gateway.document import sample_rows
from gateway.market_data.hub import Hub
from gateway.read_model.projection import Projection
from gateway.registry.registry import ContractRecord
from gateway.wire import channels
from gateway.wire.views import Span
from tests.build import BUY
from tests.test_adl_ranking import crowd

NAME = sample_rows.BTC.name


class Ear:
    """A reader that keeps what it hears."""

    def __init__(self):
        self.behind, self.is_slow, self.frames = {}, False, []

    def stage(self, frame):
        self.frames.append(frame)

    def heard(self, name):
        """All that one channel said."""
        texts = [frame[frame.index(b"{") :] for frame in self.frames]
        pushes = [json.loads(text)["params"] for text in texts]
        return [row for push in pushes if push["channel"] == name for row in push["data"]]


@pytest.fixture(scope="module")
def crash():
    """A crash: some positions find a bid, the rest is deleveraged. The log and its reports, batch by batch."""
    stage = crowd(5)
    stage.order(100, BUY, 4, 1950, flags=ExecInst.REDUCE_ONLY)
    stage.index(1780)
    while stage.state["next_due_ns"] <= stage.now_ns:
        stage.settle()
    return stage


def follow(stage, *names, slow=()):
    """A reader of some channels through the whole run; it does not keep up in the batches of `slow`."""
    projection = Projection(1 << 16)
    projection.attach(stage.root)
    projection.set_contracts([ContractRecord(0, NAME, "BTC", "USDC", "0.5", "0.0001", 5)])
    hub, ear = Hub(projection), Ear()
    for name in names:
        hub.join(ear, channels.parse(name, projection.contract))
    batches = list(zip(stage.log, stage.past, strict=True))
    for place, (commands, events) in enumerate(batches):
        ear.is_slow = place in slow
        if not ear.is_slow and ear.behind:
            hub.catch_up(ear)
        batch = (commands, commands.view(LABEL), events, events.view(NOTICE))
        hub.batch(events, projection.apply(batch, len(commands), len(events)))
    ear.is_slow = False
    hub.catch_up(ear)
    return ear


def expected(stage):
    """What the engine's own reports say: the taker's leg at the book, the second leg of a deleveraging trade."""
    events = np.concatenate(stage.past)
    fills = events[(events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.FORCED != 0)]
    found, giver = [], None
    for fill in fills.tolist():
        row = dict(zip(fills.dtype.names, fill, strict=True))
        deleveraged = bool(row["flags"] & EventFlag.DELEVERAGING)
        if deleveraged and giver is None:
            giver = row
            continue
        if deleveraged or row["flags"] & EventFlag.TAKER:
            direction = "buy" if row["side"] == Side.BUY else "sell"
            kind = "deleveraging" if deleveraged else "liquidation"
            found.append((row["trade_id"], direction, row["last_lots"], row["price_ticks"], kind))
        giver = None
    return found


def test_every_forced_trade_is_said_once_without_account(crash):
    rows = follow(crash, f"liquidations.{NAME}").heard(f"liquidations.{NAME}")
    said = [
        (int(row["trade_id"].rpartition("-")[2]), row["direction"], round(row["amount"] * 10_000), row["price"] * 2,
         row["type"])
        for row in rows
    ]  # fmt: skip
    assert said == expected(crash)
    assert {kind for *_, kind in said} == {"liquidation", "deleveraging"}
    assert {direction for _, direction, *_ in said} == {"sell"}, "the crash closes longs"
    allowed = {"instrument_name", "timestamp", "trade_id", "direction", "amount", "price", "type"}
    assert all(set(row) == allowed for row in rows)


def test_a_slow_reader_gets_what_it_missed(crash):
    whole = follow(crash, f"liquidations.{NAME}").heard(f"liquidations.{NAME}")
    first = next(place for place, events in enumerate(crash.past) if (events["kind"] == EventKind.DELEVERAGED).any())
    slow = follow(crash, f"liquidations.{NAME}", slow=range(first, first + 4)).heard(f"liquidations.{NAME}")
    assert slow == whole


def test_trades_and_liquidations_are_channels_of_their_own(crash):
    ear = follow(crash, f"trades.{NAME}.raw", f"liquidations.{NAME}")
    forced = [row for row in ear.heard(f"trades.{NAME}.raw") if row.get("liquidation")]
    closed = [row for row in ear.heard(f"liquidations.{NAME}") if row["type"] == "liquidation"]
    assert [row["trade_id"] for row in forced] == [row["trade_id"] for row in closed]


def test_the_channel_needs_a_contract():
    projection = Projection(64)
    projection.attach(create(SMALL))
    for name in ("liquidations.NOPE", "liquidations.", f"liquidations.{NAME}.100ms"):
        with pytest.raises(channels.NoChannelError):
            channels.parse(name, projection.contract)


def test_who_is_deleveraged_finds_it_among_its_trades(crash):
    projection = Projection(1 << 16)
    projection.attach(crash.root)
    projection.set_contracts([ContractRecord(0, NAME, "BTC", "USDC", "0.5", "0.0001", 5)])
    for commands, events in zip(crash.log, crash.past, strict=True):
        projection.replay(commands, events)
    given = crash.history(EventKind.DELEVERAGED)[0]
    trades, _ = projection.user_trades(given["account_slot"], frozenset({0}), Span(count=1000))
    assert (given["amount_micros"], given["price_subticks"] // 1000) in [
        (found.trade.lots, found.trade.price_ticks) for found in trades if found.trade.forced
    ]
