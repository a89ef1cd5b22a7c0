"""All money of the engine and of the model under the same names, and where the two part.

The engine's side comes from two compiled calls that write whole numbers into a row: what is kept, and what follows
from it (equity, margin, requirements, what may be withdrawn) by the engine's own functions. The model's side is read
from its objects. Both are cheap enough to be compared after every command.
"""

from typing import Any

import numpy as np

from engine import liquidation_rules, margin
from engine.codes import NIL, MarginMode, VenueParameter
from engine.kernels import entry
from engine.row_access import account_at, collateral_at, contract_at, position_at
from engine.schema import BASIS_SAMPLES, COLLATERAL_ASSETS, MAX_SOURCES
from tests.model import Model
from tests.model import margin as model_margin

ROWS = 1 << 14


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HEADER = _names(
    "fund fees deposits withdrawals refusals serial mark_tick_ns next_mark_tick_ns tick_number liquidation_since_ns"
    " flagged"
)
ASSET = _names("enabled contract lots_per_coin haircut cap coin_micros weight_ppb limit deposits fund_units")
CONTRACT = _names(
    "mark index last trades state open_state mark_frozen frozen_since_ns live_since_ns big_trade basis_count basis_sum"
    " samples premium_sum funding_rate funding_start_ns next_sample_ns next_funding_ns delivery_ns delivery_sum"
    " delivery_samples delivery_due_ns open_interest"
) + tuple(f"source {place} {name}" for place in range(MAX_SOURCES) for name in ("price", "time_ns"))
ACCOUNT = _names("cash btc eth flagged warning_level fund_used fund_day")
POSITION = _names(
    "account contract size entry_cost isolated isolated_micros leverage opened_seq realised funding open_lots"
)
OF_ACCOUNT = _names("equity maintenance requirement withdrawable")
OF_POSITION = _names("equity maintenance requirement")
"""Of a position: the equity of an isolated one's own pool (else 0), and what it needs."""


# --- the engine's side --------------------------------------------------------------------------------------------


@entry
def _read(root, out):
    """Everything that is kept, in the order of the names above. Returns how many numbers."""
    s = root[0]
    out[0] = s.fund_micros
    out[1] = s.fees_micros
    out[2] = s.deposits_micros
    out[3] = s.withdrawals_micros
    out[4] = s.refusals
    out[5] = s.order_serial
    out[6] = s.mark_tick_ns
    out[7] = s.next_mark_tick_ns
    out[8] = s.mark_ticks
    out[9] = s.liquidation_since_ns
    out[10] = s.liquidation_count
    n = 11
    for place in range(COLLATERAL_ASSETS):
        row = collateral_at(s, place)
        out[n] = row.enabled
        out[n + 1] = row.contract_slot
        out[n + 2] = row.lots_per_coin
        out[n + 3] = row.haircut_ppb
        out[n + 4] = row.cap_micros
        out[n + 5] = row.coin_micros
        out[n + 6] = row.weight_ppb
        out[n + 7] = row.limit_micros
        out[n + 8] = row.deposits_units
        out[n + 9] = row.fund_units
        n += 10
    for slot in range(s.contracts_used):
        contract = contract_at(s, slot)
        count, total = min(np.int64(contract.basis_count), BASIS_SAMPLES), np.int64(0)
        for place in range(count):
            total += contract.basis_subticks[place]
        out[n] = contract.mark_subticks
        out[n + 1] = contract.index_subticks
        out[n + 2] = contract.last_price_ticks
        out[n + 3] = contract.trade_serial
        out[n + 4] = contract.state
        out[n + 5] = contract.open_state
        out[n + 6] = contract.mark_frozen
        out[n + 7] = contract.index_frozen_since_ns
        out[n + 8] = contract.index_live_since_ns if contract.open_state != 0 else np.int64(0)
        out[n + 9] = contract.last_big_trade_ticks
        out[n + 10] = count
        out[n + 11] = total
        out[n + 12] = contract.premium_samples
        out[n + 13] = contract.premium_sum_ppb
        out[n + 14] = contract.funding_rate_ppb
        out[n + 15] = contract.funding_start_ns
        out[n + 16] = contract.next_sample_ns
        out[n + 17] = contract.next_funding_ns
        out[n + 18] = contract.delivery_ns
        out[n + 19] = contract.delivery_sum_subticks
        out[n + 20] = contract.delivery_samples
        out[n + 21] = contract.delivery_due_ns
        out[n + 22] = contract.open_interest_lots
        n += 23
        for place in range(MAX_SOURCES):
            out[n] = contract.source[place].price_subticks
            out[n + 1] = contract.source[place].time_ns
            n += 2
    for slot in range(s.accounts_used):
        account = account_at(s, slot)
        out[n] = account.cash_micros
        out[n + 1] = account.collateral_units[0]
        out[n + 2] = account.collateral_units[1]
        out[n + 3] = account.liquidating
        out[n + 4] = account.warning_level
        out[n + 5] = account.fund_used_micros
        out[n + 6] = account.fund_day
        n += 7
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        out[n] = position.account_slot
        out[n + 1] = position.contract_slot
        out[n + 2] = position.size_lots
        out[n + 3] = position.entry_cost_micros
        out[n + 4] = position.margin_mode
        out[n + 5] = position.isolated_micros
        out[n + 6] = position.leverage
        out[n + 7] = position.opened_seq if position.size_lots != 0 else np.int64(0)
        out[n + 8] = position.realised_micros
        out[n + 9] = position.funding_micros
        out[n + 10] = position.buy_lots + position.sell_lots + position.reduce_only_lots
        n += 11
    slot = np.int64(s.liquidation_head_slot)
    while slot != NIL:
        out[n] = slot
        n += 1
        slot = np.int64(account_at(s, slot).queue_next_slot)
    return n


@entry
def _derive(root, out):
    """What follows, of each account and then of each position. Returns how many numbers."""
    s = root[0]
    n = 0
    for slot in range(s.accounts_used):
        if account_at(s, slot).state != 0:
            out[n] = margin.cross_equity_micros(s, slot)
            out[n + 1] = margin.cross_maintenance_micros(s, slot)
            out[n + 2] = margin.cross_requirement_micros(s, slot, np.int64(NIL))
            out[n + 3] = margin.withdrawable_micros(s, slot)
        n += 4
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        contract = contract_at(s, position.contract_slot)
        out[n], out[n + 1], out[n + 2] = 0, 0, 0
        if not contract.margin_free:
            if position.margin_mode == MarginMode.ISOLATED:
                out[n] = margin.isolated_equity_micros(s, slot)
            out[n + 1] = margin.maintenance_micros(contract, position.size_lots)
            out[n + 2] = margin.requirement_micros(contract, position)
        n += 3
    return n


@entry
def _lights(root, out):
    """The place of each position in its side's queue for deleveraging. Returns how many numbers."""
    s = root[0]
    for slot in range(s.positions_used):
        out[slot] = 0
        if not contract_at(s, position_at(s, slot).contract_slot).margin_free:
            out[slot] = liquidation_rules.lights(s, slot)
    return s.positions_used


# --- the model's side ---------------------------------------------------------------------------------------------


def _first(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)


def _contract(model: Model, contract: Any) -> list[Any]:
    samples = contract.samples
    weighted = sum(weight * value for weight, value in zip(contract.weights, samples, strict=True))
    basis = contract.basis
    row = [
        contract.mark,
        contract.index,
        contract.last,
        contract.trades,
        contract.state,
        _first(contract, "open_state", "unlocked_state"),
        int(contract.mark_frozen),
        _first(contract, "frozen_since_ns"),
        contract.live_since_ns if contract.open_state else 0,
        contract.big_trade,
        len(basis),
        sum(basis),
        len(samples),
        weighted,
        contract.funding_rate,
        contract.funding_start_ns,
        contract.next_sample_ns,
        contract.next_funding_ns,
        _first(contract, "delivery_ns"),
        _sum(_first(contract, "delivery_samples")),
        _len(_first(contract, "delivery_samples")),
        _first(contract, "delivery_due_ns"),
        model.open_interest(contract.slot),
    ]
    for place in range(MAX_SOURCES):
        source = contract.sources.get(place)
        row += (0, 0) if source is None else (source.price, source.time_ns)
    return row


def _sum(values: Any) -> Any:
    return None if values is None else sum(values)


def _len(values: Any) -> Any:
    return None if values is None else len(values)


def _asset(model: Model, asset: int) -> list[Any]:
    row = _first(model, "assets")
    row = None if row is None else row.get(asset)
    if row is None:
        return [None] * len(ASSET)
    return [None if (value := _first(row, name)) is None else int(value) for name in ASSET]


def kept(model: Model) -> list[Any]:
    """Everything that is kept, in the order of the names above; None where the model has no such thing yet."""
    queue = _first(model, "queue")
    row = [
        model.fund,
        model.fees,
        model.deposits,
        model.withdrawals,
        model.refusals,
        model.serial,
        model.venue_values[VenueParameter.MARK_TICK_NS],
        model.next_mark_tick_ns,
        model.tick_number,
        _first(model, "liquidation_since_ns"),
        _len(queue),
    ]
    for asset in (1, 2):
        row += _asset(model, asset)
    for contract in model.contracts.values():
        row += _contract(model, contract)
    for slot in range(max(model.accounts, default=-1) + 1):
        account = model.accounts.get(slot)
        row += [0] * len(ACCOUNT) if account is None else _account(account)
    for position in model.positions:
        row += _position(position)
    row += [account.slot for account in queue or ()]
    return row


def _account(account: Any) -> list[Any]:
    units = _first(account, "collateral") or {}
    return [
        account.cash,
        units.get(1, 0),
        units.get(2, 0),
        int(account.liquidating),
        _first(account, "warning_level"),
        _first(account, "fund_used"),
        _first(account, "fund_day"),
    ]


def _position(position: Any) -> list[Any]:
    size = position.size
    opened = _first(position, "opened_seq")
    return [
        position.account,
        position.contract,
        size,
        position.entry_cost,
        None if (isolated := _first(position, "isolated")) is None else int(isolated),
        _first(position, "isolated_micros"),
        _first(position, "leverage"),
        opened if size or opened is None else 0,
        _first(position, "realised"),
        _first(position, "funding"),
        sum(order.leaves for order in position.orders if order.resting),
    ]


def derived(model: Model) -> list[Any]:
    """What follows, of each account and then of each position."""
    row: list[Any] = []
    for slot in range(max(model.accounts, default=-1) + 1):
        account = model.accounts.get(slot)
        if account is None:
            row += [0] * len(OF_ACCOUNT)
            continue
        row.append(model_margin.equity(model, account))
        row.append(model_margin.cross_maintenance(model, account))
        row.append(model_margin.requirement(model, account))
        row.append(model_margin.withdrawable(model, account))
    for position in model.positions:
        if not model.contracts[position.contract].has_margin:
            row += [0] * len(OF_POSITION)
            continue
        row.append(model_margin.equity(model, position) if position.isolated else 0)
        row.append(model_margin.maintenance(model, position))
        row.append(model_margin.requirement(model, position))
    return row


# --- both ---------------------------------------------------------------------------------------------------------


class Watch:
    """The money of an engine and its model, compared whenever asked."""

    def __init__(self, root: Any, model: Model) -> None:
        self.root, self.model = root, model
        self._kept, self._derived = np.zeros(ROWS, np.int64), np.zeros(ROWS, np.int64)
        self.kept: list[int] = []
        self.derived: list[int] = []

    def read(self) -> None:
        """What the engine has now."""
        self.kept = self._kept[: _read(self.root, self._kept)].tolist()
        self.derived = self._derived[: _derive(self.root, self._derived)].tolist()

    def compare(self) -> None:
        """Raise with the names of what differs."""
        self.read()
        parts = []
        if (expected := kept(self.model)) != self.kept:
            parts += _parted(_kept_names(self.root), self.kept, expected)
        if not parts and (expected := derived(self.model)) != self.derived:
            parts += _parted(_derived_names(self.root), self.derived, expected)
        assert not parts, "\n".join(parts)


def _parted(names: list[str], found: list[int], expected: list[Any]) -> list[str]:
    lines = [] if len(found) == len(expected) else [f"{len(found)} numbers in the engine, {len(expected)} in the model"]
    for name, theirs, ours in zip(names, found, expected, strict=False):
        if theirs != ours and ours is not None:
            lines.append(f"{name}: engine {theirs}, model {ours}, {theirs - ours:+}")
    return lines


def _places(count: int, what: str, names: tuple[str, ...]) -> list[str]:
    return [f"{what} {slot}: {name}" for slot in range(count) for name in names]


def _positions(root: Any, names: tuple[str, ...]) -> list[str]:
    rows = root["positions"][0, : int(root["positions_used"][0])]
    of = [f"account {row['account_slot']} in contract {row['contract_slot']}" for row in rows]
    return [f"{one}: {name}" for one in of for name in names]


def _kept_names(root: Any) -> list[str]:
    names = [f"venue: {name}" for name in HEADER] + _places(COLLATERAL_ASSETS, "asset", ASSET)
    names += _places(int(root["contracts_used"][0]), "contract", CONTRACT)
    names += _places(int(root["accounts_used"][0]), "account", ACCOUNT) + _positions(root, POSITION)
    return names + [f"queue: place {place}" for place in range(int(root["liquidation_count"][0]))]


def _derived_names(root: Any) -> list[str]:
    return _places(int(root["accounts_used"][0]), "account", OF_ACCOUNT) + _positions(root, OF_POSITION)
