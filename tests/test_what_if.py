"""What is previewed is what happens: orders and amendments on random books are asked about first, and then sent."""

from typing import Any

import numpy as np
import pytest
from numba.core.registry import cpu_target

from engine import host, step
from engine.codes import NIL, CommandKind, EventFlag, EventKind, ExecInst, Reason
from engine.kernels import OVERLAY_TYPE, record_type
from engine.overlay import GRANULE_BYTES, OVERLAY
from engine.schema import COMMAND, EVENT, STATE
from engine.statements import account_statement, what_if
from engine.statements.decision_figures import find_order
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


def _happened(root: Any, row: Any, contract: int, reports: Any) -> Played:
    """What the engine made of the order, read from its reports by other code than that of the previews."""
    account = int(row["account_slot"])
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
    keeps = int(first["kind"]) == EventKind.AMENDED and int(first["flags"]) & EventFlag.RESTING != 0
    return Played(
        Reason.NONE, pool, holding, tuple(fills), fee, *rests, cancelled, why, waits, made_reduce_only=made,
        keeps_priority=keeps,
    )  # fmt: skip


def _time(row: Any) -> Any:
    command = np.zeros(1, COMMAND)
    command["kind"], command["time_ns"] = CommandKind.TIME, row["time_ns"]
    return command


class _Compare:
    """Sends commands; of each new or amended order it asks before what will happen, as soon as nothing else is due.

    `seen` is what happened to new orders, `amended` to amended ones; `live` are orders that rested or waited.
    """

    def __init__(self, root: Any, digests: int) -> None:
        self.root, self.asked, self.what_if = root, 0, WhatIf(root)
        self.seen, self.amended = set[str](), set[str]()
        self.live: list[tuple[int, int, int, int, int]] = []
        self._digest_each = digests

    def _ask(self, rows: Any, contract: int, *, shown_only: bool = False) -> Played:
        time_ns = int(rows[0]["time_ns"])
        if rows[0]["kind"] == CommandKind.AMEND:
            return self.what_if.amended_order(rows[:1], contract, time_ns, shown_only=shown_only)
        return self.what_if.new_order(rows, time_ns, shown_only=shown_only)

    def _contract(self, row: Any) -> int:
        """The contract of a new order, or of the order that is amended."""
        if row["kind"] == CommandKind.AMEND:
            slot = find_order(self.root, *(int(row[name]) for name in ("account_slot", "order_id", "cl_ord_id")))
            if slot != NIL:
                position = int(self.root[0]["orders"][slot]["position_slot"])
                return int(self.root[0]["positions"][position]["contract_slot"])
        return int(row["contract_slot"])

    def send(self, rows: Any) -> None:
        row = rows[0]
        lacks_label = len(rows) == 1 and row["flags"] & ExecInst.LABELLED and row["kind"] == CommandKind.NEW
        if row["kind"] not in (CommandKind.NEW, CommandKind.AMEND) or lacks_label:
            _apply(self.root, rows)
            return
        for _ in range(3):
            _apply(self.root, _time(row))
        if int(self.root[0]["next_due_ns"]) <= int(self.root[0]["now_ns"]):
            _apply(self.root, rows)
            return
        contract = self._contract(row)
        watched = self.asked % self._digest_each == 0
        before = host.digest(self.root) if watched else ""
        if watched:
            self._ask(rows, contract, shown_only=True)
        expected = self._ask(rows, contract)
        if watched:
            assert host.digest(self.root) == before, "a question left a trace in the state"
        reports = _apply(self.root, rows).copy()
        found = _happened(self.root, row, contract, reports)
        assert found == expected, f"question {self.asked}: {row}"
        self.asked += 1
        self._note(row, found, int(reports[0]["order_id"]))

    def _note(self, row: Any, played: Played, order_id: int) -> None:
        seen = self.amended if row["kind"] == CommandKind.AMEND else self.seen
        seen |= {played.reason.name, played.cancel_reason.name}
        for name in (
            "fills", "resting_lots", "cancelled_lots", "waits", "repeats", "made_reduce_only", "keeps_priority",
        ):  # fmt: skip
            if getattr(played, name):
                seen.add(name)
        if played.holding.is_isolated and played.fills:
            seen.add("isolated")
        if played.resting_lots or played.waits:
            price_ticks = played.resting_ticks or int(row["price_ticks"])
            lots = played.resting_lots or int(row["qty_lots"])
            self.live.append((int(row["account_slot"]), order_id, price_ticks, int(row["trigger_price_ticks"]), lots))

    def amend_some(self, rng: np.random.Generator, row: Any) -> None:
        """Amend one of the latest live orders, which may be gone, at the time of a row."""
        if not self.live:
            return
        account, order_id, price_ticks, trigger_ticks, lots = self.live[-min(int(rng.geometric(0.05)), len(self.live))]
        command, moved = np.zeros(1, COMMAND), rng.choice([0, 1, rng.normal(1, 0.02)])
        command["kind"], command["time_ns"], command["person"] = CommandKind.AMEND, row["time_ns"], 1
        command["account_slot"], command["order_id"] = account, order_id
        command["flags"], command["self_trade"] = rng.choice([0, ExecInst.QTY_IS_LEAVES]), rng.integers(0, 4)
        command["price_ticks"], command["trigger_price_ticks"] = int(price_ticks * moved), int(trigger_ticks * moved)
        command["qty_lots"] = rng.choice([0, lots, lots // 4 * 2, lots * 2, lots * 300])
        self.send(command)


def test_orders_of_leveraged_accounts_do_what_their_preview_says() -> None:
    root = risk_flow.start()
    compare, rng = _Compare(root, digests=97), np.random.default_rng(6)
    for place, row in enumerate(risk_flow.flow(5, 4000)):
        compare.send(np.array([row]))
        if place % 3 == 0:
            compare.amend_some(rng, row)
    assert compare.asked > 2000
    wanted = {"fills", "resting_lots", "cancelled_lots", "isolated", "made_reduce_only", "INSUFFICIENT_MARGIN"}
    assert wanted <= compare.seen, compare.seen
    amended = {"fills", "keeps_priority", "INSUFFICIENT_MARGIN", "PRICE_OUT_OF_BAND", "UNKNOWN_ORDER"}
    assert amended <= compare.amended, compare.amended


def test_orders_with_every_option_do_what_their_preview_says() -> None:
    pair = Pair()
    pair.play(stage())
    for item in flow(11, 1500, Mix(directives=0.01)):
        pair.play([item])
    root = create_pair()
    compare, rng = _Compare(root, digests=29), np.random.default_rng(12)
    for place, item in enumerate(pair.sent):
        if isinstance(item, Reference):
            set_reference(root, item)
        else:
            compare.send(item.copy())
            if place % 5 == 0 and item[0]["cl_ord_id"] > 0:
                compare.send(item.copy())
            compare.amend_some(rng, item[0])
    assert compare.asked > 500
    wanted = {"fills", "resting_lots", "waits", "repeats", "SELF_TRADE", "FOK_CANNOT_FILL", "POST_ONLY_WOULD_CROSS"}
    assert wanted <= compare.seen, compare.seen
    amended = {"fills", "keeps_priority", "waits", "SELF_TRADE", "AMENDED_AWAY", "POST_ONLY_WOULD_CROSS"}
    assert amended <= compare.amended, compare.amended


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
