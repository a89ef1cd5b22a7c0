"""All money of the engine and of the model under the same names, and where the two part.

The engine's side comes from two compiled calls that write whole numbers into a row: what is kept, and what follows
from it (equity, margin, requirements, what may be withdrawn) by the engine's own functions. The model's side is read
from its objects. Both are cheap enough to be compared after every command.
"""

from typing import Any

import numpy as np

from engine import margin
from engine.codes import NIL, EventKind, MarginMode
from engine.kernels import entry
from engine.row_access import account_at, collateral_at, contract_at, position_at
from engine.schema import BASIS_SAMPLES, COLLATERAL_ASSETS, EVENT, MAX_SOURCES, NOTICE
from tests.model import Model, funding
from tests.model import margin as model_margin

ROWS, ROOM = 1 << 14, 64
EVENT_KIND, EVENT_ACCOUNT = EVENT.names.index("kind"), EVENT.names.index("account_slot")
NOTICE_ACCOUNT = [name for name in NOTICE.names if name not in ("pad", "spare")].index("account_slot")


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
OF_ACCOUNT = _names("equity maintenance requirement")
OF_POSITION = _names("equity maintenance")
"""Of an isolated position's own pool; 0 for another."""
SELDOM = 24
"""After so many commands all is worked out again, not only of those that a command was about."""
MOVING = (EventKind.MARK_CHANGED, EventKind.CONTRACT_CHANGED)


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
        valued = row.lots_per_coin != 0 and row.coin_micros != 0
        out[n + 5] = row.coin_micros if valued else np.int64(0)
        out[n + 6] = row.weight_ppb if valued else np.int64(0)
        out[n + 7] = row.limit_micros if valued else np.int64(0)
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
        out[n + 19] = contract.delivery_sum_subticks if contract.delivery_ns != 0 else np.int64(0)
        out[n + 20] = contract.delivery_samples if contract.delivery_ns != 0 else np.int64(0)
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
        n += 3
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        out[n], out[n + 1] = 0, 0
        if position.margin_mode == MarginMode.ISOLATED:
            out[n] = margin.isolated_equity_micros(s, slot)
            out[n + 1] = margin.maintenance_micros(contract_at(s, position.contract_slot), position.size_lots)
        n += 2
    return n


@entry
def _free(root, out):
    """What may be withdrawn from each account. Returns how many numbers."""
    s = root[0]
    for slot in range(s.accounts_used):
        out[slot] = margin.withdrawable_micros(s, slot) if account_at(s, slot).state != 0 else np.int64(0)
    return s.accounts_used


# --- the model's side ---------------------------------------------------------------------------------------------


def _contract(model: Model, contract: Any) -> list[int]:
    samples, basis = contract.samples, contract.basis
    row = [
        contract.mark,
        contract.index,
        contract.last,
        contract.trades,
        contract.state,
        contract.open_state,
        contract.mark_frozen,
        contract.frozen_since_ns,
        contract.live_since_ns if contract.open_state else 0,
        contract.big_trade,
        len(basis),
        sum(basis),
        len(samples),
        funding.weighted_sum(contract),
        contract.funding_rate,
        contract.funding_start_ns,
        contract.next_sample_ns,
        contract.next_funding_ns,
        contract.delivery_ns,
        sum(contract.delivery_samples) if contract.delivery_ns else 0,
        len(contract.delivery_samples) if contract.delivery_ns else 0,
        contract.delivery_due_ns,
        model.open_interest(contract.slot),
    ]
    sources = contract.sources
    for place in range(MAX_SOURCES):
        source = sources.get(place)
        row += (0, 0) if source is None else (source.price, source.time_ns)
    return row


def _asset(asset: Any) -> list[int]:
    valued = asset.lots_per_coin and asset.coin_micros
    in_force = (asset.coin_micros, asset.weight_ppb, asset.limit) if valued else (0, 0, 0)
    row = [asset.enabled, asset.contract, asset.lots_per_coin, asset.haircut, asset.cap]
    return [*row, *in_force, asset.deposits, asset.fund_units]


def kept(model: Model) -> list[int]:
    """Everything that is kept, in the order of the names above."""
    row = [
        model.fund,
        model.fees,
        model.deposits,
        model.withdrawals,
        model.refusals,
        model.serial,
        model.mark_tick_ns,
        model.next_mark_tick_ns,
        model.tick_number,
        model.liquidation_since_ns,
        len(model.queue),
    ]
    for asset in (1, 2):
        row += _asset(model.assets[asset])
    for contract in model.contracts.values():
        row += _contract(model, contract)
    for slot in range(max(model.accounts, default=-1) + 1):
        account = model.accounts.get(slot)
        row += [0] * len(ACCOUNT) if account is None else _account(account)
    for position in model.positions:
        row += _position(position)
    row += [account.slot for account in model.queue]
    return row


def _account(account: Any) -> list[int]:
    units = account.collateral
    return [
        account.cash,
        units.get(1, 0),
        units.get(2, 0),
        account.liquidating,
        account.warning_level,
        account.fund_used,
        account.fund_day,
    ]


def _position(position: Any) -> list[int]:
    return [
        position.account,
        position.contract,
        position.size,
        position.entry_cost,
        position.isolated,
        position.isolated_micros,
        position.leverage,
        position.opened_seq if position.size else 0,
        position.realised,
        position.funding,
        sum([order.leaves for order in position.orders if order.resting]),
    ]


def derived_of(model: Model, slot: int) -> list[int]:
    """What follows of an account."""
    account = model.accounts.get(slot)
    if account is None:
        return [0] * len(OF_ACCOUNT)
    equity, requirement = model_margin.equity(model, account), model_margin.requirement(model, account)
    return [equity, model_margin.cross_maintenance(model, account), requirement]


def derived_pool(model: Model, position: Any) -> list[int]:
    """What follows of an isolated position, and nothing of another."""
    if not position.isolated:
        return [0] * len(OF_POSITION)
    return [model_margin.equity(model, position), model_margin.maintenance(model, position)]


# --- both ---------------------------------------------------------------------------------------------------------


class Watch:
    """The money of an engine and its model, compared whenever asked."""

    def __init__(self, root: Any, model: Model) -> None:
        self.root, self.model = root, model
        self._row = np.zeros(ROWS, np.int64)
        self._accounts: dict[int, list[int]] = {}
        self._asked = self._tick = 0

    def derived(self) -> list[int]:
        """What follows in the engine: of each account, then of each position."""
        self._row[: 3 * ROOM] = 0
        return self._row[: _derive(self.root, self._row)].tolist()

    def free(self) -> list[int]:
        """What may be withdrawn in the engine, from each account."""
        return self._row[: _free(self.root, self._row)].tolist()

    def compare(self, reports: list[tuple[Any, ...]]) -> None:
        """Raise with the names of what differs after a command; `reports` are the command's."""
        model, root = self.model, self.root
        found, expected = self._row[: _read(root, self._row)].tolist(), kept(model)
        if found != expected:
            raise AssertionError("\n".join(_parted(_kept_names(root), found, expected)))
        self._asked += 1
        seldom = self._asked % SELDOM == 0
        found, expected = self.derived(), self._expected(reports, seldom)
        if found != expected:
            raise AssertionError("\n".join(_parted(_derived_names(root), found, expected)))
        if seldom:
            found = self.free()
            of = [model.accounts.get(slot) for slot in range(len(found))]
            expected = [0 if account is None else model_margin.withdrawable(model, account) for account in of]
            names = _places(len(found), "account", ("withdrawable",))
            if found != expected:
                raise AssertionError("\n".join(_parted(names, found, expected)))

    def _expected(self, reports: list[tuple[Any, ...]], seldom: bool) -> list[int]:
        """What follows in the model: worked out again of those whom the command was about, or of all."""
        model, known = self.model, self._accounts
        if seldom or model.tick_number != self._tick or any(row[EVENT_KIND] in MOVING for row in reports):
            self._tick = model.tick_number
            known.clear()
        else:
            for row in reports:
                place = EVENT_ACCOUNT if row[EVENT_KIND] < EventKind.NOTICE_FIRST else NOTICE_ACCOUNT
                known.pop(row[place], None)
        expected: list[int] = []
        for slot in range(max(model.accounts, default=-1) + 1):
            if slot not in known:
                known[slot] = derived_of(model, slot)
            expected += known[slot]
        for position in model.positions:
            expected += derived_pool(model, position)
        return expected


def _parted(names: list[str], found: list[int], expected: list[Any]) -> list[str]:
    lines = [] if len(found) == len(expected) else [f"{len(found)} numbers in the engine, {len(expected)} in the model"]
    for name, theirs, ours in zip(names, found, expected, strict=False):
        if theirs != ours:
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
