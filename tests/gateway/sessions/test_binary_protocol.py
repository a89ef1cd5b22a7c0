"""The binary sub-protocol: what is the gateway's is overwritten, what is out of range is refused with its row."""

import json
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import NIL, CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.schema import COMMAND, DIRECTIVE, LABEL
from gateway.sessions import binary_protocol
from gateway.sessions.rate_limits import RateLimits
from gateway.wire.command_rows import NewRow, Signer, new_row
from gateway.wire.errors import Refusal
from tests.gateway.desk import NOW, Desk, answer, submitted

WHO = Signer(7, 8, 9, 10)
STRANGER = Signer(1, 1, 1)


def frame(count=3, label=b""):
    row = NewRow(1, Side.BUY, OrdType.LIMIT, TimeInForce.GTC, 10, 20, cl_ord_id=5)
    return np.frombuffer(b"".join(new_row(STRANGER, row, label) for _ in range(count)), COMMAND).copy()


def prepare(rows):
    data, orders, cancels = binary_protocol.prepare(rows.tobytes(), WHO, contracts=2)
    return np.frombuffer(data, COMMAND), orders, cancels


def test_identity_is_overwritten():
    rows = frame()
    rows["seq"], rows["time_ns"], rows["group"] = 99, 98, 97
    out, orders, cancels = prepare(rows)
    assert (orders, cancels) == (3, 0)
    expected = {"seq": 0, "time_ns": 0, "account_slot": 7, "person": 8, "key": 9, "connection": 10, "group": 0}
    for field, value in expected.items():
        assert (out[field] == value).all(), field
    assert (out["qty_lots"] == 10).all() and (out["cl_ord_id"] == 5).all()


FIELD = st.sampled_from([name for name in COMMAND.names if name != "spare"])
VALUE = st.one_of(st.integers(-3, 10), st.integers(-(1 << 63), (1 << 63) - 1))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), FIELD, VALUE), max_size=3), st.integers(-1, 7))
def test_one_pass_takes_what_the_checks_of_each_field_take(changes, spare):
    rows = frame()
    for index, field, value in changes:
        bits = 8 * COMMAND[field].itemsize
        rows[field][index] = (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    if spare >= 0:
        rows["spare"][1][spare] = 1
    signed = rows.copy()
    who = (WHO.account_slot, WHO.person, WHO.key, WHO.connection)
    orders = binary_protocol._take_plain(signed, signed.view(np.int64), 2, who)
    with mock.patch.object(binary_protocol, "_take_plain", return_value=-1):
        try:
            by_fields = prepare(rows)
        except Refusal:
            by_fields = None
    assert (orders >= 0) == (by_fields is not None)
    if by_fields is not None:
        assert by_fields[0].tobytes() == signed.tobytes() and by_fields[1] == orders


def test_mass_cancels_reach_only_their_own_account():
    rows = frame(1)
    rows["kind"], rows["ord_type"], rows["tif"], rows["contract_slot"] = CommandKind.MASS_CANCEL, 0, 0, NIL
    rows["group"], rows["account_slot"] = 5, NIL
    out, orders, cancels = prepare(rows)
    assert (out[0]["account_slot"], out[0]["group"], orders, cancels) == (7, NIL, 0, 1)


def test_labels_pass_untouched():
    rows = frame(2, label=b"bot")
    out, orders, _ = prepare(rows)
    assert orders == 2 and len(out) == 4
    label = out[1:2].view(LABEL)[0]
    assert label["text"].tobytes().rstrip(b"\0") == b"bot" and label["kind"] == CommandKind.LABEL
    assert bytes(out[1:2])[80:] == bytes(48)


@pytest.mark.parametrize(
    "field, value, word",
    [
        *[("kind", kind, "kind: row 1") for kind in CommandKind if kind not in (1, 2, 3, 4, 5)],
        ("kind", -5, "kind: row 1"),
        ("kind", 100, "kind: row 1"),
        ("kind", CommandKind.LABEL, "label: row 1"),
        ("side", 0, "side: row 1"),
        ("side", 3, "side: row 1"),
        ("side", -1, "side: row 1"),
        ("ord_type", 8, "ord_type: row 1"),
        ("ord_type", -1, "ord_type: row 1"),
        ("tif", 7, "tif: row 1"),
        ("self_trade", 4, "self_trade: row 1"),
        ("trigger_source", 3, "trigger_source: row 1"),
        ("reason", 1, "reason: row 1"),
        ("contract_slot", -1, "contract_slot: row 1"),
        ("contract_slot", 2, "contract_slot: row 1"),
        ("qty_lots", -1, "qty_lots: row 1"),
        ("qty_lots", (1 << 52) + 1, "qty_lots: row 1"),
        ("price_ticks", -1, "price_ticks: row 1"),
        ("price_ticks", 1 << 30, "price_ticks: row 1"),
        ("trigger_price_ticks", 1 << 62, "trigger_price_ticks: row 1"),
        ("offset_ticks", -1, "offset_ticks: row 1"),
        ("display_lots", -(1 << 63), "display_lots: row 1"),
        ("expire_ns", -1, "expire_ns: row 1"),
        ("cl_ord_id", -1, "cl_ord_id: row 1"),
        ("order_id", -1, "order_id: row 1"),
        ("flags", ExecInst.AFFILIATE, "flags: row 1"),
        ("flags", ExecInst.CONDITIONAL, "flags: row 1"),
        ("flags", ExecInst.FORFEIT_PRIORITY, "flags: row 1"),
        ("flags", 1 << 30, "flags: row 1"),
        ("flags", -1, "row 1|label"),
        ("flags", ExecInst.LABELLED, "label: row 2"),
        ("connection", 1, "connection: row 1"),
        ("spare", 1, "spare: row 1"),
    ],
)
def test_bad_rows_are_named(field, value, word):
    rows = frame()
    rows[field][1] = value
    with pytest.raises(Refusal, match=word):
        prepare(rows)


@pytest.mark.parametrize("size", [0, 1, 127, 129, 128 * (binary_protocol.MAX_ROWS + 1)])
def test_frames_of_wrong_size(size):
    with pytest.raises(Refusal, match="frame"):
        binary_protocol.prepare(bytes(size), WHO, 2)


def test_labels_must_be_text_behind_their_command():
    rows = frame(1, label=b"bot")
    for change in ("rest", "pad"):
        broken = rows.copy()
        broken[1:2].view(LABEL)[change] = 1
        with pytest.raises(Refusal, match="padding"):
            prepare(broken)
    for text in (b"\xff\xfe", b"a\x00b", b"\n", b""):
        broken = rows.copy()
        broken[1:2].view(LABEL)["text"][0] = np.frombuffer(text.ljust(64, b"\0"), np.int64)
        with pytest.raises(Refusal, match="text: row 1"):
            prepare(broken)
    with pytest.raises(Refusal, match="its label row is missing"):
        prepare(rows[:1])
    with pytest.raises(Refusal, match="row 0"):
        prepare(rows[1:])


def test_a_directive_cannot_be_smuggled_in():
    rows = frame(1)
    directive = rows.view(DIRECTIVE)
    for kind in (CommandKind.DEPOSIT, CommandKind.INDEX_PRICE, CommandKind.TIME, CommandKind.VENUE_STATE):
        directive["kind"] = kind
        with pytest.raises(Refusal, match="kind"):
            prepare(rows)


def test_a_session_takes_frames_after_login_with_scope_and_within_limits(tmp_path):
    desk = Desk(tmp_path, limits=RateLimits(orders_per_s=10, orders_burst=5, cancels_per_s=10, cancels_burst=2))
    data = frame(3).tobytes()
    assert answer(desk.session(binary=True).receive_rows(data, NOW))["error"]["code"] == 13009
    desk.add_key("reader", 0, ["read"])
    assert answer(desk.session("reader", binary=True).receive_rows(data, NOW))["error"]["code"] == 13021
    session = desk.session("alice", binary=True)
    submit = submitted(session.receive_rows(data, NOW))
    assert submit.pending is None
    assert (np.frombuffer(submit.rows, COMMAND)["account_slot"] == 0).all()
    error = answer(session.receive_rows(data, NOW))["error"]
    assert (error["code"], error["data"]["bucket"], error["data"]["wait_ms"]) == (10028, "orders", 100)
    error = answer(session.receive_rows(b"x", NOW))["error"]
    assert (error["code"], error["data"]["param"]) == (-32602, "frame")
    json.dumps(error)
    desk.registry.close()
