"""Nothing of the order before is left in the taker, whichever way the next one gets there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine import host, taker_row
from engine.code_values import EXEC_CONDITIONAL, EXEC_ICEBERG
from engine.codes import Mode, OrdType, Purpose, Stage, TimeInForce
from engine.kernels import entry
from engine.row_access import passing_taker
from engine.schema import COMMAND, TAKER
from tests import risk_flow
from tests.test_host import CAPACITIES, cut, fresh, script

ORDER, POSITION, ACCOUNT, CONTRACT = 3, 2, 1, 0
GARBAGE = (0x00, 0x55, 0xFF)
FIELDS = [name for name in TAKER.names or () if name != "pad"]

Rows = np.ndarray[Any, Any]


@entry
def new(root, commands):
    taker_row.load_new(root[0].taker, commands[0], 77)


@entry
def waiting(root, commands):
    taker_row.load_waiting(root[0], root[0].taker, ORDER, Stage.TRIGGER)


@entry
def amended(root, commands):
    taker_row.load_amended(root[0], root[0].taker, ORDER, commands[0])


@entry
def forced(root, commands):
    taker_row.load_forced(root[0], root[0].taker, POSITION, 9)


@entry
def asked(root, commands):
    taker = passing_taker()
    taker_row.load_new(taker, commands[0], 77)
    taker_row.load_for_margin(root[0], taker)


def soil(root: Rows, byte: int) -> None:
    """Fill the taker with one byte."""
    root["taker"] = np.frombuffer(bytes([byte]) * TAKER.itemsize, TAKER)


def prepared(flags: int, ord_type: int, tif: int) -> tuple[Rows, Rows]:
    """A state with one order, its rows full of noise, and a command of the same kind."""
    root = host.create(CAPACITIES, Mode.RESEARCH)
    rng = np.random.default_rng(flags + 100 * ord_type)
    for name, slot in (("orders", ORDER), ("details", ORDER), ("positions", POSITION), ("accounts", ACCOUNT)):
        row = root[name][0, slot : slot + 1]
        row[:] = np.frombuffer(rng.integers(0, 128, row.dtype.itemsize, np.uint8).tobytes(), row.dtype)
    order, position = root["orders"][0, ORDER : ORDER + 1], root["positions"][0, POSITION : POSITION + 1]
    order["position_slot"], order["flags"], order["ord_type"], order["tif"] = POSITION, flags, ord_type, tif
    position["account_slot"], position["contract_slot"] = ACCOUNT, CONTRACT
    commands = np.frombuffer(rng.integers(0, 128, COMMAND.itemsize, np.uint8).tobytes(), COMMAND).copy()
    commands["flags"], commands["ord_type"], commands["tif"] = flags, ord_type, tif
    return root, commands


@pytest.mark.parametrize("way", [new, waiting, amended, forced, asked], ids=lambda way: way.__name__)
@pytest.mark.parametrize("flags", [0, EXEC_ICEBERG, EXEC_CONDITIONAL])
@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.GTD])
def test_no_field_is_left_over(way: Callable[[Rows, Rows], None], flags: int, tif: int) -> None:
    root, commands = prepared(flags, OrdType.STOP_LIMIT if flags & EXEC_CONDITIONAL else OrdType.LIMIT, tif)
    found = []
    for byte in GARBAGE:
        soil(root, byte)
        way(root, commands)
        found.append({name: int(root["taker"][name][0]) for name in FIELDS})
    assert found[1:] == found[:-1]
    assert found[0]["leaves_lots"] != 0


def test_every_field_that_a_way_does_not_set_is_clear() -> None:
    root, commands = prepared(0, OrdType.LIMIT, TimeInForce.GTC)
    soil(root, 0x55)
    forced(root, commands)
    taker = {name: int(root["taker"][name][0]) for name in FIELDS}
    assert taker["order_slot"] == -1 and taker["purpose"] == Purpose.PARTIAL_LIQUIDATION
    for name in ("cl_ord_id", "filled_lots", "old_leaves_lots", "done_reason", "person", "tag", "display_lots"):
        assert taker[name] == 0, name


def test_noise_in_the_taker_between_commands_changes_nothing() -> None:
    plain, noisy = fresh(), fresh()
    for place, row in enumerate(cut(script(11, 2000), 1)):
        soil(noisy.root, GARBAGE[place % 3])
        assert noisy.submit(row).tobytes() == plain.submit(row).tobytes(), place
    assert noisy.digest() == plain.digest()


def test_noise_changes_nothing_of_liquidations_either() -> None:
    roots = [risk_flow.start(), risk_flow.start()]
    for place, row in enumerate(np.split(risk_flow.flow(3, 6000), 6000)):
        soil(roots[1], GARBAGE[place % 3])
        tallies = [risk_flow.run(root, row.copy(), check_each=False)[0] for root in roots]
        assert tallies[0] == tallies[1], place
    assert host.digest(roots[0]) == host.digest(roots[1])
