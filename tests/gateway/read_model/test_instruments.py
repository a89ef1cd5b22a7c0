"""Descriptions of contracts that are kept: always what rendering them anew would give, and rendered once."""

import numpy as np

from engine.codes import MarketState
from engine.schema import CONTRACT
from gateway.read_model import render
from gateway.registry.registry import ContractRecord
from tests.gateway.read_model.test_projection import Feeder


def listed():
    feeder = Feeder()
    feeder.projection.set_contracts([
        ContractRecord(slot, f"{name}_USDC-PERPETUAL", name, "USDC", "0.5", "0.0001", 5_000_000)
        for slot, name in enumerate(("BTC", "ETH"))
    ])  # fmt: skip
    rows = feeder.root[0]["contracts"][:2]
    rows["state"], rows["min_order_lots"], rows["max_order_lots"] = MarketState.OPEN, 10, 10**9
    rows["brackets"], rows["bracket_leverage"][:, 0] = 1, 10
    return feeder.projection, rows


def fresh(projection):
    return [render.instrument(contract, projection.terms(contract.slot)) for contract in projection.contracts()]


def test_whatever_changes_of_a_contract_its_description_is_the_present_one():
    projection, rows = listed()
    seen = {projection.instruments()[1]}
    for name in CONTRACT.names:
        column = rows[name]
        if column.dtype.names or not np.issubdtype(column.dtype, np.integer):
            continue
        before = column[1].copy()
        values = MarketState if name == "state" else (0, 2, 3, 17) if column.dtype.itemsize > 1 else (0, 1)
        for value in values:
            if column.ndim > 1:
                column[1, 0] = value
            else:
                column[1] = value
            assert projection.instruments() == fresh(projection), (name, value)
            seen.add(projection.instruments()[1])
        column[1] = before
    assert len(seen) > 15


def test_what_has_not_changed_is_not_rendered_again():
    projection, rows = listed()
    first = list(projection.instruments())
    rows[0]["mark_subticks"], rows[0]["last_price_ticks"] = 7, 9
    assert all(text is known for text, known in zip(projection.instruments(), first, strict=True))
    rows[0]["max_order_lots"] = 5
    again = projection.instruments()
    assert again[0] != first[0] and again[1] is first[1]
