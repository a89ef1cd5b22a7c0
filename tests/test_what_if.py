"""What is previewed is what happens: orders on random books are asked about first, and then sent."""

from typing import Any

import numpy as np
import pytest
from numba.core.registry import cpu_target

from engine import host, step
from engine.codes import CommandKind, EventFlag, EventKind, ExecInst, Reason
from engine.kernels import OVERLAY_TYPE, record_type
from engine.overlay import GRANULE_BYTES, OVERLAY
from engine.schema import COMMAND, EVENT, STATE
from engine.statements import account_statement, what_if
from engine.statements.what_if import Holding, Played, Pool, WhatIf
from engine.units import JIT
from tests import build, risk_flow
from tests.flow import Mix, flow, stage
from tests.pair import Pair, Reference, set_reference
from tests.pair import create as create_pair

_RING = np.zeros(1 << 14, EVENT)


def _apply(root: Any, rows: Any) -> Any:
    rows["seq"] = int(root[0]["last_seq"]) + 1 + np.arange(len(rows))
    consumed, written = step.apply_batch(root, rows, _RING)
    assert consumed == len(rows)
    return _RING[:written]


def _pool(root: Any, account_slot: int) -> Pool:
    try:
        found = account_statement(root, account_slot)
    except ValueError:
        return Pool()
    return Pool(
        found.cash_micros, found.unrealised_micros, found.equity_micros, found.maintenance_micros,
        found.requirement_micros, found.withdrawable_micros,
    )  # fmt: skip


def _holding(root: Any, account_slot: int, contract_slot: int) -> Holding:
    try:
        positions = account_statement(root, account_slot).positions
    except ValueError:
        return Holding()
    for one in positions:
        if one.contract_slot == contract_slot:
            return Holding(
                one.size_lots, one.entry_cost_micros, one.leverage, one.unrealised_micros, one.initial_micros,
                one.maintenance_micros, one.liquidation_subticks, one.is_isolated,
            )  # fmt: skip
    return Holding()


def _happened(root: Any, row: Any, reports: Any) -> Played:
    """What the engine made of the order, read from its reports by other code than that of the previews."""
    account, contract = int(row["account_slot"]), int(row["contract_slot"])
    pool, holding = _pool(root, account), _holding(root, account, contract)
    first = reports[0]
    if first["kind"] == EventKind.REJECTED:
        return Played(Reason(int(first["reason"])), pool, holding)
    if first["kind"] == EventKind.REPEATED:
        return Played(Reason.NONE, pool, holding, repeats=True)
    fills, fee, rests, cancelled, why = [], 0, (0, 0), 0, Reason.NONE
    for event in reports:
        if event["order_id"] != first["order_id"]:
            continue
        if event["kind"] == EventKind.FILL:
            fills.append((int(event["price_ticks"]), int(event["last_lots"])))
            fee += int(event["fee_micros"])
        if event["kind"] == EventKind.CANCELLED:
            cancelled, why = cancelled + int(event["last_lots"]), Reason(int(event["reason"]))
        resting = int(event["flags"]) & EventFlag.RESTING
        rests = (int(event["leaves_lots"]), int(event["price_ticks"])) if resting else (0, 0)
    waits = int(first["flags"]) & EventFlag.UNTRIGGERED != 0
    made = int(first["flags"]) & EventFlag.MADE_REDUCE_ONLY != 0
    return Played(Reason.NONE, pool, holding, tuple(fills), fee, *rests, cancelled, why, waits, made_reduce_only=made)


def _time(row: Any) -> Any:
    command = np.zeros(1, COMMAND)
    command["kind"], command["time_ns"] = CommandKind.TIME, row["time_ns"]
    return command


class _Compare:
    """Sends commands; of each new order it asks before what will happen, as soon as nothing else is due."""

    def __init__(self, root: Any, digests: int) -> None:
        self.root, self.asked, self.what_if = root, 0, WhatIf(root)
        self.seen: set[str] = set()
        self._digest_each = digests

    def send(self, rows: Any) -> None:
        row = rows[0]
        lacks_label = len(rows) == 1 and row["flags"] & ExecInst.LABELLED
        if row["kind"] != CommandKind.NEW or lacks_label:
            _apply(self.root, rows)
            return
        for _ in range(3):
            _apply(self.root, _time(row))
        if int(self.root[0]["next_due_ns"]) <= int(self.root[0]["now_ns"]):
            _apply(self.root, rows)
            return
        watched = self.asked % self._digest_each == 0
        before = host.digest(self.root) if watched else ""
        if watched:
            self.what_if.new_order(rows, int(row["time_ns"]), shown_only=True)
        expected = self.what_if.new_order(rows, int(row["time_ns"]))
        if watched:
            assert host.digest(self.root) == before, "a question left a trace in the state"
        found = _happened(self.root, row, _apply(self.root, rows).copy())
        assert found == expected, f"question {self.asked}: {row}"
        self.asked += 1
        self._note(found)

    def _note(self, played: Played) -> None:
        self.seen |= {played.reason.name, played.cancel_reason.name}
        for name in ("fills", "resting_lots", "cancelled_lots", "waits", "repeats", "made_reduce_only"):
            if getattr(played, name):
                self.seen.add(name)
        if played.holding.is_isolated and played.fills:
            self.seen.add("isolated")


def test_orders_of_leveraged_accounts_do_what_their_preview_says() -> None:
    root = risk_flow.start()
    compare = _Compare(root, digests=97)
    for row in risk_flow.flow(5, 4000):
        compare.send(np.array([row]))
    assert compare.asked > 1500
    wanted = {"fills", "resting_lots", "cancelled_lots", "isolated", "made_reduce_only", "INSUFFICIENT_MARGIN"}
    assert wanted <= compare.seen, compare.seen


def test_orders_with_every_option_do_what_their_preview_says() -> None:
    pair = Pair()
    pair.play(stage())
    for item in flow(11, 1500, Mix(directives=0.01)):
        pair.play([item])
    root = create_pair()
    compare = _Compare(root, digests=29)
    for place, item in enumerate(pair.sent):
        if isinstance(item, Reference):
            set_reference(root, item)
        else:
            compare.send(item.copy())
            if place % 5 == 0 and item[0]["cl_ord_id"] > 0:
                compare.send(item.copy())
    assert compare.asked > 500
    wanted = {"fills", "resting_lots", "waits", "repeats", "SELF_TRADE", "FOK_CANNOT_FILL", "POST_ONLY_WOULD_CROSS"}
    assert wanted <= compare.seen, compare.seen


@pytest.mark.skipif(not JIT, reason="with the JIT off a copy of the state stands for an overlay")
def test_an_overlay_is_no_state_to_the_compiler() -> None:
    state, context = record_type(STATE), cpu_target.typing_context
    assert not OVERLAY_TYPE.can_convert_to(context, state) and not state.can_convert_to(context, OVERLAY_TYPE)
    arrays = {name for name, entry in STATE.fields.items() if entry[0].subdtype is not None}
    assert set(STATE.names) - arrays == set(OVERLAY.names) - {"origin_address", "stamps_address", "call", "granules"}
    ends = {name: entry[1] + entry[0].itemsize for name, entry in STATE.fields.items()}
    place = OVERLAY.fields["origin_address"][1]
    assert not any(STATE.fields[name][1] < place + GRANULE_BYTES and place < ends[name] for name in STATE.names)


@pytest.mark.skipif(not JIT, reason="with the JIT off nothing is kept")
def test_an_overlay_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "KEPT_GRANULES", 20)
    root = risk_flow.start()
    row = np.array([next(row for row in risk_flow.flow(5, 50) if row["kind"] == CommandKind.NEW)])
    question = WhatIf(root)
    answers = [question.new_order(row, build.START_NS) for _ in range(5)]
    assert all(answer == answers[0] for answer in answers)
    assert int(question._overlay["granules"][0]) < 100
