"""Command rows: packed bytes are the engine's own layout."""

import numpy as np
import pytest

from engine.codes import NIL, CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.schema import COMMAND, LABEL
from gateway.wire import command_rows
from gateway.wire.errors import Refusal

WHO = command_rows.Signer(account_slot=7, person=8, key=9, connection=10)


def read(data, dtype=COMMAND):
    return np.frombuffer(data, dtype)


def test_new_fills_every_field_of_the_layout():
    row = command_rows.NewRow(
        contract_slot=2, side=Side.SELL, ord_type=OrdType.STOP_LIMIT, tif=TimeInForce.GTD, qty_lots=11, price_ticks=12,
        flags=ExecInst.REDUCE_ONLY, self_trade=3, trigger_source=1, cl_ord_id=13, trigger_price_ticks=14,
        offset_ticks=15, display_lots=16, expire_ns=17,
    )  # fmt: skip
    packed = read(command_rows.new_row(WHO, row))[0]
    expected = {
        "seq": 0, "time_ns": 0, "kind": CommandKind.NEW, "side": 2, "ord_type": 4, "tif": 6, "self_trade": 3,
        "trigger_source": 1, "reason": 0, "flags": 1, "account_slot": 7, "contract_slot": 2, "group": 0, "order_id": 0,
        "cl_ord_id": 13, "qty_lots": 11, "price_ticks": 12, "trigger_price_ticks": 14, "offset_ticks": 15,
        "display_lots": 16, "expire_ns": 17, "person": 8, "key": 9, "connection": 10,
    }  # fmt: skip
    assert set(expected) | {"spare"} == set(COMMAND.names)
    assert {name: int(packed[name]) for name in expected} == expected
    assert not packed["spare"].any()


def test_a_label_rides_behind():
    row = command_rows.NewRow(0, Side.BUY, OrdType.LIMIT, TimeInForce.GTC, 1, 1)
    data = command_rows.new_row(WHO, row, "gr\u00fc\u00df".encode())
    assert len(data) == 2 * command_rows.ROW_BYTES
    assert read(data[:128])[0]["flags"] == ExecInst.LABELLED
    label = read(data[128:], LABEL)[0]
    assert label["kind"] == CommandKind.LABEL
    assert label["text"].tobytes().rstrip(b"\0").decode() == "gr\u00fc\u00df"


def test_amend_cancel_and_mass_cancel():
    amend = read(command_rows.amend_row(WHO, 5, 6, 7, 8, ExecInst.FORFEIT_PRIORITY))[0]
    assert (amend["kind"], amend["order_id"], amend["qty_lots"]) == (CommandKind.AMEND, 5, 6)
    assert (amend["price_ticks"], amend["trigger_price_ticks"], amend["flags"]) == (7, 8, 128)
    cancel = read(command_rows.cancel_row(WHO, 0, 3))[0]
    assert (cancel["kind"], cancel["order_id"], cancel["cl_ord_id"], cancel["key"]) == (CommandKind.CANCEL, 0, 3, 9)
    mass = read(command_rows.mass_cancel_row(WHO, 2, Side.BUY, 1313, ExecInst.KEEP_PROTECTION))[0]
    assert (mass["kind"], mass["side"], mass["contract_slot"], mass["group"]) == (CommandKind.MASS_CANCEL, 1, 2, NIL)
    assert (mass["reason"], mass["flags"]) == (1313, ExecInst.KEEP_PROTECTION)


def test_labels_are_bounded_and_printable():
    assert command_rows.label_bytes(None) == command_rows.label_bytes("") == b""
    assert command_rows.label_bytes("x" * 64) == b"x" * 64
    for bad in ("x" * 65, "\u00fc" * 33, "a\0b", "a\nb", "\ud800"):
        with pytest.raises(Refusal, match="label"):
            command_rows.label_bytes(bad)
