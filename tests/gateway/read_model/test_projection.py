"""The projection from hand-made rows: orders, trades, money, history, saving and loading."""

import subprocess
import sys

import numpy as np
import pytest

from engine.codes import CommandKind, EventFlag, EventKind, ExecInst, OrdStatus, OrdType, Reason, Side, TimeInForce
from engine.host import create
from engine.schema import COMMAND, EVENT, LABEL, SMALL
from gateway.read_model.projection import Projection
from gateway.read_model.saved_rows import SavedRowsError
from gateway.wire.views import Span

SECOND = 1_000_000_000
START = 1_772_442_000 * SECOND
BOTH = frozenset({0, 1})


def order_id(serial, slot):
    return serial << 22 | slot


class Feeder:
    """Feeds commands and events by hand, numbered on."""

    def __init__(self):
        self.projection = Projection(64)
        self.root = create(SMALL)
        self.projection.attach(self.root)
        self.seq = 0

    def play(self, commands, events):
        """One batch: commands as dicts; events as dicts with `at`, the place of their command."""
        rows, reports = np.zeros(len(commands), COMMAND), np.zeros(len(events), EVENT)
        for index, fields in enumerate(commands):
            rows[index]["seq"] = self.seq + 1 + index
            for name, value in fields.items():
                rows[index][name] = value
        for report, fields in zip(reports, events, strict=True):
            report["seq"], report["time_ns"] = self.seq + 1 + fields.get("at", 0), START + self.seq * SECOND
            report["side"], report["ord_type"], report["tif"] = Side.BUY, OrdType.LIMIT, TimeInForce.GTC
            for name, value in fields.items():
                if name != "at":
                    report[name] = value
        self.seq += len(commands)
        self.root["last_seq"] = self.seq
        self.projection.replay(rows, reports)

    def place(self, number, account=0, lots=10, price=100, **command):
        """An order that rests."""
        self.play(
            [{"kind": CommandKind.NEW, "account_slot": account, **command}],
            [{"kind": EventKind.ACCEPTED, "account_slot": account, "order_id": number, "price_ticks": price,
              "leaves_lots": lots, "level_lots": lots}],
        )  # fmt: skip

    def trade(self, maker, taker, lots, price=100, leaves=(0, 0), trade_id=1, tags=(0, 0)):
        """A fill between two orders: (order id, account) each; `tags` are further flags of the two legs."""
        legs = []
        for (number, account), left, flag in ((maker, leaves[0], 0), (taker, leaves[1], int(EventFlag.TAKER))):
            legs.append(
                {"kind": EventKind.FILL, "order_id": number, "account_slot": account, "last_lots": lots,
                 "price_ticks": price, "leaves_lots": left, "filled_lots": lots, "trade_id": trade_id,
                 "flags": flag | tags[flag > 0], "fee_micros": 7, "cash_micros": 1000 - 7,
                 "side": Side.SELL if flag else Side.BUY}
            )  # fmt: skip
        self.play([{"kind": CommandKind.NEW}], legs)


def test_an_order_lives_fills_and_ends_in_history():
    feeder, first = Feeder(), order_id(1, 3)
    feeder.place(first, lots=10)
    feeder.place(order_id(2, 4), account=1, lots=4)
    view = feeder.projection.order(0, first)
    assert (view.status, view.amount_lots, view.is_open) == (OrdStatus.NEW, 10, True)
    assert feeder.projection.order(1, first) is None
    feeder.trade((first, 0), (order_id(2, 4), 1), 4, leaves=(6, 0))
    view = feeder.projection.order(0, first)
    assert (view.status, view.filled_lots, view.filled_tick_lots) == (OrdStatus.PARTIALLY_FILLED, 4, 400)
    assert feeder.projection.order(1, order_id(2, 4)).status == OrdStatus.FILLED
    assert feeder.projection.open_orders(1) == []
    cancelled = {"kind": EventKind.CANCELLED, "order_id": first, "reason": Reason.BY_CLIENT, "filled_lots": 4}
    feeder.play([{"kind": CommandKind.CANCEL}], [cancelled])
    history = feeder.projection.order_history(0, BOTH, Span())
    assert [(row.order_id, row.status, row.amount_lots, row.filled_lots) for row in history] == [
        (first, OrdStatus.CANCELED, 10, 4)
    ]


def test_a_closed_order_is_found_after_its_slot_is_used_again():
    feeder, old, new = Feeder(), order_id(1, 3), order_id(9, 3)
    feeder.place(old)
    feeder.play([{"kind": CommandKind.CANCEL}], [{"kind": EventKind.CANCELLED, "order_id": old}])
    feeder.place(new)
    assert feeder.projection.order(0, old).status == OrdStatus.CANCELED
    assert feeder.projection.order(0, new).status == OrdStatus.NEW
    assert [row.order_id for row in feeder.projection.open_orders(0)] == [new]


def test_a_label_comes_from_the_row_behind_the_command():
    feeder = Feeder()
    label = np.zeros(1, LABEL)
    label["kind"], label["text"] = CommandKind.LABEL, np.frombuffer(b"mine".ljust(64, b"\0"), np.int64)
    rows = np.zeros(2, COMMAND)
    rows[0]["kind"], rows[0]["flags"], rows[0]["seq"] = CommandKind.NEW, ExecInst.LABELLED, 1
    rows[1] = label.view(COMMAND)[0]
    rows[1]["seq"] = 2
    events = np.zeros(1, EVENT)
    events["seq"], events["kind"], events["order_id"], events["leaves_lots"] = 1, EventKind.ACCEPTED, order_id(1, 0), 5
    feeder.projection.replay(rows, events)
    assert feeder.projection.open_orders(0)[0].label_json == b'"mine"'


def test_trades_are_public_once_and_own_twice():
    feeder, maker, taker = Feeder(), order_id(1, 0), order_id(2, 1)
    feeder.place(maker)
    feeder.place(taker, account=1, lots=3)
    feeder.trade((maker, 0), (taker, 1), 3, leaves=(7, 0), trade_id=1)
    feeder.place(order_id(3, 1), account=1, lots=2)
    feeder.trade((maker, 0), (order_id(3, 1), 1), 2, price=99, leaves=(5, 0), trade_id=2)
    public, more = feeder.projection.trades(frozenset({0}), Span(count=1))
    assert [(row.trade_id, row.side, row.tick_direction) for row in public] == [(2, Side.SELL, 2)] and more()
    own, _ = feeder.projection.user_trades(0, BOTH, Span(ascending=True))
    assert [(row.trade.trade_id, row.is_taker, row.fee_micros) for row in own] == [(1, False, 7), (2, False, 7)]
    assert [row.trade.trade_id for row in feeder.projection.order_trades(1, taker)] == [1]
    found = feeder.projection.candles(0, 60, START - 60 * SECOND, START + 60 * SECOND)
    assert [(row.high_ticks, row.low_ticks, row.close_ticks, row.volume_lots) for row in found] == [(100, 99, 99, 5)]


def test_a_trade_says_whose_its_maker_is_to_the_public_and_to_both_sides():
    """The maker's tag alone counts, of each trade by itself, also when the view is made again from its rows."""
    feeder, maker, taker = Feeder(), order_id(1, 0), order_id(2, 1)
    feeder.place(maker, lots=9)
    feeder.place(taker, account=1, lots=9)
    for trade_id, tags in enumerate([(0, 0), (16, 0), (0, 16), (16, 16)], 1):
        feeder.trade((maker, 0), (taker, 1), 1, leaves=(9 - trade_id, 9 - trade_id), trade_id=trade_id, tags=tags)
    public, _ = feeder.projection.trades(frozenset({0}), Span(ascending=True))
    assert [row.affiliated_maker for row in public] == [False, True, False, True]
    for account in (0, 1):
        own, _ = feeder.projection.user_trades(account, BOTH, Span(ascending=True))
        assert [row.trade.affiliated_maker for row in own] == [False, True, False, True]


def test_the_latest_candle_is_known_also_when_nobody_trades_any_more():
    feeder, maker, taker = Feeder(), order_id(1, 0), order_id(2, 1)
    assert feeder.projection.latest_candle(0, 60) is None
    feeder.place(maker)
    feeder.place(taker, account=1, lots=3)
    feeder.trade((maker, 0), (taker, 1), 3, leaves=(7, 0))
    traded = feeder.projection.latest_candle(0, 60)
    feeder.root["now_ns"] = START + 3600 * SECOND
    for resolution_s in (60, 300, 86_400):
        candle = feeder.projection.latest_candle(0, resolution_s)
        assert candle.start_ns == traded.start_ns - traded.start_ns % (resolution_s * SECOND)
        assert (candle.close_ticks, candle.volume_lots) == (100, 3)


def test_saving_and_loading_gives_the_same_answers(tmp_path):
    feeder, maker, taker = Feeder(), order_id(1, 0), order_id(2, 1)
    feeder.place(maker, connection=7)
    feeder.place(taker, account=1, lots=3)
    feeder.trade((maker, 0), (taker, 1), 3, leaves=(7, 0))
    path = tmp_path / "projection.rows"
    feeder.projection.save(path)
    loaded = Projection(64)
    loaded.load(path)
    loaded.attach(feeder.root)
    assert loaded.applied_seq == feeder.projection.applied_seq
    for account in (0, 1):
        assert loaded.open_orders(account) == feeder.projection.open_orders(account)
        for ended in (loaded.order_history, feeder.projection.order_history):
            assert [view.order_id for view in ended(account, BOTH, Span())] == ([taker] if account else [])
        own = [list(view.user_trades(account, BOTH, Span())[0]) for view in (loaded, feeder.projection)]
        assert own[0] == own[1] and len(own[0]) == 1
    assert [row.order_id for row in loaded.connection_orders(0, 7)] == [maker]


def test_a_damaged_file_is_refused_before_anything_is_changed(tmp_path):
    feeder, path = Feeder(), tmp_path / "projection.rows"
    feeder.place(order_id(1, 0), connection=7)
    feeder.projection.save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    loaded = Projection(64)
    with pytest.raises(SavedRowsError, match=r"projection.rows: its part '(report_floors|reports)' is damaged"):
        loaded.load(path)
    loaded.attach(feeder.root)
    assert loaded.applied_seq == 0 and loaded.open_orders(0) == []


def test_the_first_question_about_an_account_compiles_nothing():
    story = """
from engine import host, statements
from engine.statements import margin_ratios, what_if
from gateway.read_model.projection import Projection
modules = statements, margin_ratios, what_if
found = [value for module in modules for value in vars(module).values() if hasattr(value, "signatures")]
entries = [value for value in found if type(value._cache).__name__ == "LoadedCache"]
before = [len(entry.signatures) for entry in entries]
Projection().warm_up()
print(before, [len(entry.signatures) for entry in entries])
"""
    told = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, check=True).stdout
    before, after = told.strip().split("] [")
    assert set(before) <= set("[0, ") and "0" in before
    assert set(after) <= set("1, ]")


def test_a_page_of_the_history_is_cut_from_what_is_asked_for():
    feeder = Feeder()
    for number in range(1, 7):
        slot = number % 2
        feeder.place(order_id(number, slot), account=slot)
        if slot == 0:
            feeder.place(order_id(10 + number, 3), account=1)
            feeder.trade((order_id(number, 0), 0), (order_id(10 + number, 3), 1), 10, leaves=(0, 0), trade_id=number)
        else:
            cancelled = {"kind": EventKind.CANCELLED, "account_slot": 1, "order_id": order_id(number, 1)}
            feeder.play([{"kind": CommandKind.CANCEL}], [cancelled])
    ask = feeder.projection.order_history
    assert [view.filled_lots for view in ask(1, BOTH, Span(count=2), with_unfilled=False)] == [10, 10]
    assert [view.filled_lots for view in ask(1, BOTH, Span(count=3), with_unfilled=True)] == [10, 0, 10]
    assert len(list(ask(1, BOTH, Span(count=9, offset=1), with_unfilled=False))) == 2
    found, following = feeder.projection.transactions(1, Span(count=2), lambda view: view.trade_id != 4)
    assert [view.trade_id for view in found] == [6, 2] and following == 0
    found, following = feeder.projection.transactions(1, Span(count=1), lambda view: view.trade_id != 4)
    assert feeder.projection.transactions(1, Span(count=9, last_id=following))[0][0].trade_id == 2


def test_the_ticker_has_the_rate_of_the_running_interval():
    feeder = Feeder()
    contract = feeder.root[0]["contracts"][0]
    contract["funding_rate_ppb"], contract["funding_interval_s"], contract["funding_cap_ppb"] = 7, 14_400, 10**7
    contract["funding_interest_ppb"], contract["funding_clamp_ppb"] = 100_000, 500_000
    view = feeder.projection.ticker(0)
    assert (view.current_funding_ppb, view.funding_8h_ppb) == (50_000, 100_000)
    contract["premium_sum_ppb"], contract["premium_weight"] = 6_000_000, 3
    view = feeder.projection.ticker(0)
    assert (view.current_funding_ppb, view.funding_8h_ppb) == (750_000, 1_500_000)
