"""Contracts' rules, and their descriptions as JSON: bytes that are kept until what they say changes."""

from collections.abc import Callable, Sequence
from typing import Any

from gateway.read_model import render
from gateway.wire.decimals import Contract
from gateway.wire.views import ContractTerms

_SHOWN = (
    "state", "min_order_lots", "max_order_lots", "maker_fee_ppb", "taker_fee_ppb", "liquidation_fee_ppb", "brackets",
)  # fmt: skip
"""The columns of the engine's contracts that a description is made of, the highest leverage apart."""


class Instruments:
    """To look whether anything has changed costs a fraction of a microsecond for each contract, to render one ten."""

    def __init__(self) -> None:
        self._keys: list[tuple[int, ...]] = []
        self._texts: list[bytes] = []

    def texts(
        self, contracts: Sequence[Contract], rows: Any, terms: Callable[[int], ContractTerms]
    ) -> Sequence[bytes]:
        """The description of each contract, by slot. `rows` are the engine's, `terms` reads one of them."""
        present = rows[: len(contracts)]
        columns = [present[name].tolist() for name in _SHOWN]
        columns.append(present["bracket_leverage"][:, 0].tolist())
        keys = list(zip(*columns, strict=True))
        if keys != self._keys:
            known = self._keys
            self._texts = [
                self._texts[slot] if slot < len(known) and known[slot] == key
                else render.instrument(contracts[slot], terms(slot)) for slot, key in enumerate(keys)
            ]  # fmt: skip
            self._keys = keys
        return self._texts


def terms_of(row: Any) -> ContractTerms:
    """The rules of a contract, from the engine's row of it."""
    brackets = [
        (int(row["bracket_floor_micros"][at]), int(row["bracket_leverage"][at]), int(row["bracket_mmr_ppb"][at]))
        for at in range(int(row["brackets"]))
    ]
    return ContractTerms(
        int(row["state"]), int(row["min_order_lots"]), int(row["max_order_lots"]), int(row["max_position_lots"]),
        int(row["taker_fee_ppb"]), int(row["maker_fee_ppb"]), int(row["liquidation_fee_ppb"]), int(row["band_ppb"]),
        int(row["funding_interval_s"]), brackets[0][1] if brackets else 1, brackets,
        int(row["max_order_value_micros"]), int(row["lot_step"]), bool(row["affiliate_present"]),
        bool(row["impact_excludes_affiliates"]),
    )  # fmt: skip
