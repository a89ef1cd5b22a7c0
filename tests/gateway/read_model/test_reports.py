"""What an account is told of its orders, trades and notices: each once, by command, as long as it is kept."""

import json

import numpy as np
import pytest

from engine.codes import CommandKind, EventFlag, EventKind, Reason, Side
from engine.schema import COMMAND, EVENT, NOTICE
from gateway.read_model import reports as reports_module
from gateway.read_model.projection import Projection
from gateway.registry.registry import ContractRecord
from tests.gateway.read_model.test_projection import Feeder, order_id

FAR = 1 << 60


@pytest.fixture
def feeder():
    feeder = Feeder()
    name(feeder.projection)
    return feeder


def name(projection):
    for slot, base in enumerate(("BTC", "ETH")):
        record = ContractRecord(slot, f"{base}_USDC-PERPETUAL", base, "USDC", "0.5", "0.0001", 5)
        projection.set_contracts([*[None] * slot, record])


def told(projection, account=0, after=0, until=FAR, count=1000):
    found, _ = projection.reports_since(account, after, until, count)
    return [(report.sequence, report.kind, json.loads(report.data)) for report in found]


def fill(order, account, lots, leaves, filled, flag=0, at=0, trade_id=1):
    return {
        "kind": EventKind.FILL, "order_id": order, "account_slot": account, "last_lots": lots, "price_ticks": 100,
        "leaves_lots": leaves, "filled_lots": filled, "flags": flag, "trade_id": trade_id, "at": at,
    }  # fmt: skip


def test_each_state_of_an_order_is_told_once_for_each_command(feeder):
    maker, taker = order_id(1, 0), order_id(2, 1)
    feeder.place(maker, lots=10)
    feeder.place(taker, account=1, lots=9)
    first = feeder.seq
    feeder.play(
        [{"kind": CommandKind.NEW}, {"kind": CommandKind.NEW}],
        [
            fill(maker, 0, 3, 7, 3), fill(taker, 1, 3, 6, 3, int(EventFlag.TAKER)),
            fill(maker, 0, 2, 5, 5, trade_id=2), fill(taker, 1, 2, 4, 5, int(EventFlag.TAKER), trade_id=2),
            fill(maker, 0, 5, 0, 10, at=1, trade_id=3), fill(taker, 1, 4, 0, 9, int(EventFlag.TAKER), 1, 3),
        ],
    )  # fmt: skip
    said = told(feeder.projection)
    assert [(seq, kind) for seq, kind, _ in said] == [
        (1, "order"), (first + 1, "order"), (first + 1, "trade"), (first + 1, "trade"), (first + 2, "order"),
        (first + 2, "trade"),
    ]  # fmt: skip
    orders = [row for _, kind, row in said if kind == "order"]
    assert [(row["order_state"], row["filled_amount"]) for row in orders] == [
        ("open", 0), ("open", 0.0005), ("filled", 0.001)
    ]  # fmt: skip
    assert [row["trade_seq"] for _, kind, row in said if kind == "trade"] == [1, 2, 3]
    batch = [(r.sequence, r.kind, json.loads(r.data)) for r in feeder.projection.batch_reports(0)]
    assert batch == told(feeder.projection, after=first), "live and told again are the same"
    assert told(feeder.projection, after=1, until=first) == [] == told(feeder.projection, after=feeder.seq)
    part, has_more = feeder.projection.reports_since(0, 1, FAR, 2)
    assert (len(part), has_more) == (3, True), "a sequence is never split"


def test_the_slot_of_an_ended_order_changes_nothing_of_what_was_told(feeder):
    old, new = order_id(1, 3), order_id(9, 3)
    feeder.place(old, price=90)
    feeder.play([{"kind": CommandKind.CANCEL}], [{"kind": EventKind.CANCELLED, "order_id": old}])
    feeder.place(new, price=91)
    rows = [(row["order_id"], row["order_state"]) for _, _, row in told(feeder.projection)]
    assert rows == [(str(old), "open"), (str(old), "cancelled"), (str(new), "open")]


def notice(feeder, **fields):
    command, row = np.zeros(1, COMMAND), np.zeros(1, NOTICE)
    feeder.seq += 1
    command["seq"] = row["seq"] = feeder.seq
    row["contract_slot"] = -1
    for field, value in fields.items():
        row[field] = value
    feeder.projection.replay(command, row.view(EVENT))


def test_lapses_and_margin_calls_are_told_without_what_is_secret(feeder):
    notice(feeder, kind=EventKind.ELIGIBILITY_LAPSED, reason=int(Reason.SANCTIONS))
    notice(feeder, kind=EventKind.MARGIN_CALL, code=2, old_value=5_500_000, new_value=7)
    notice(feeder, kind=EventKind.MARGIN_CALL, code=1, account_slot=1)
    notice(feeder, kind=EventKind.CASH_CHANGED)
    [(_, kind, lapse), (_, _, call)] = told(feeder.projection)
    assert (kind, lapse["type"], lapse["reason"]) == ("notice", "lapsed", "ACCOUNT_RESTRICTED")
    assert (call["level"], call["equity"], call["maintenance_margin"]) == (2, 5.5, 0.000007)


def test_what_is_forgotten_is_known_by_account(monkeypatch, tmp_path):
    monkeypatch.setattr(reports_module, "SEGMENT_ROWS", 8)
    feeder = Feeder()
    feeder.projection = Projection(64, 16)
    feeder.projection.attach(feeder.root)
    name(feeder.projection)
    feeder.place(order_id(1, 1), account=1)
    for serial in range(2, 60):
        feeder.place(order_id(serial, serial))
    floor = feeder.projection.reports_floor(0)
    assert feeder.seq - 24 <= floor <= feeder.seq - 16 and feeder.projection.reports_floor(1) == 1
    assert [seq for seq, _, _ in told(feeder.projection, after=floor)] == list(range(floor + 1, feeder.seq + 1))
    assert feeder.projection.reports_floor(2) == 0
    feeder.projection.save(tmp_path / "kept.rows")
    loaded = Projection(64, 16)
    loaded.load(tmp_path / "kept.rows")
    name(loaded)
    assert loaded.reports_floor(0) == floor and told(loaded, after=floor) == told(feeder.projection, after=floor)
    full = loaded._reports._segments[:-1]
    assert len(full) > 1 and all(segment._accounts is not None for segment in full)


def test_a_trade_by_deleveraging_has_no_order(feeder):
    legs = [fill(0, account, 5, 0, 0, int(EventFlag.DELEVERAGING | EventFlag.FORCED)) for account in (0, 1)]
    feeder.play([{"kind": CommandKind.TIME}], [{**leg, "ord_type": 0, "side": Side.BUY} for leg in legs])
    [(_, kind, trade)] = told(feeder.projection)
    assert (kind, trade["order_type"], trade["order_id"], trade["liquidation"]) == ("trade", "liquidation", "0", "T")


def test_pages_of_any_size_tell_the_same_and_cost_what_they_have(feeder, monkeypatch):
    for serial in range(1, 30):
        maker, taker = order_id(2 * serial, 0), order_id(2 * serial + 1, 1)
        feeder.place(maker, lots=10)
        feeder.place(taker, account=1, lots=5)
        fills = [(2, 8, 2), (2, 6, 4), (1, 5, 5)][: serial % 4]
        rows = [fill(maker, 0, *lots, trade_id=4 * serial + number) for number, lots in enumerate(fills)]
        feeder.play([{"kind": CommandKind.NEW}], rows)
    whole, counted = told(feeder.projection), []
    real = reports_module._in_order

    def counting(notes, trades):
        counted.append(sum(len(places) for _, places in (*notes, *trades)))
        return real(notes, trades)

    monkeypatch.setattr(reports_module, "_in_order", counting)
    for count in (1, 2, 3, 5, 8, len(whole) + 1):
        counted.clear()
        pages, after, has_more = [], 0, True
        while has_more:
            found, has_more = feeder.projection.reports_since(0, after, FAR, count)
            after = found[-1].sequence
            pages += [(report.sequence, report.kind, json.loads(report.data)) for report in found]
        assert pages == whole and max(counted) <= count + 7
