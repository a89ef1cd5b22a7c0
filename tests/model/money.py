"""Commands about money (Rulebook 8 and 9): deposits, withdrawals, isolated margin, leverage, margin mode, the fund."""

from engine.codes import AccountAttribute as A
from engine.codes import Asset as Code
from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarginMode, MarketState, Reason, Restriction
from engine.codes import VenueParameter as V
from tests.model import collateral, eligibility, margin

MAX_DEPOSITS = 1 << 60
MAX_CAP = 1 << 55


# --- money in and out -------------------------------------------------------------------------------------------------


def deposit(model, directive):
    """Money or collateral into an account."""
    account, amount = model.accounts.get(directive.account_slot), directive.amount_micros
    if account is None or account.closed:
        return Reason.UNKNOWN_ACCOUNT
    if directive.index != Code.SETTLEMENT:
        return _deposit_units(model, directive, account)
    if not 0 < amount <= MAX_DEPOSITS - model.deposits:
        return Reason.BAD_AMOUNT
    account.cash += amount
    model.deposits += amount
    model.notice(EventKind.CASH_CHANGED, directive, code=directive.kind, cash_micros=account.cash)
    return Reason.NONE


def _deposit_units(model, directive, account):
    asset, units = model.assets.get(directive.index), directive.amount_micros
    if asset is None or not asset.enabled or not asset.coin_micros or not collateral.is_going(model, asset.contract):
        return Reason.COLLATERAL_NOT_ACCEPTED
    if not 0 < units <= MAX_DEPOSITS - asset.deposits:
        return Reason.BAD_AMOUNT
    held = account.collateral.get(directive.index, 0) + units
    if collateral.uncapped(asset, held) > asset.limit:
        return Reason.CONCENTRATION_CAP
    account.collateral[directive.index] = held
    asset.deposits += units
    model.notice(EventKind.CASH_CHANGED, directive, code=directive.kind, cash_micros=account.cash)
    return Reason.NONE


def withdraw(model, directive):
    """Money or collateral out of an account, as far as what is left carries all that is open."""
    account, amount = model.accounts.get(directive.account_slot), directive.amount_micros
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if account.is_frozen:
        return Reason.ACCOUNT_RESTRICTED
    if account.liquidating:
        return Reason.ACCOUNT_IN_LIQUIDATION
    if amount <= 0:
        return Reason.BAD_AMOUNT
    if directive.index not in (Code.SETTLEMENT, *collateral.ASSETS):
        return Reason.COLLATERAL_NOT_ACCEPTED
    if directive.index != Code.SETTLEMENT:
        return _withdraw_units(model, directive, account)
    if amount > margin.withdrawable(model, account):
        return Reason.WITHDRAWAL_LIMIT
    account.cash -= amount
    model.withdrawals += amount
    _moved(model, directive, account, -amount)
    return Reason.NONE


def _withdraw_units(model, directive, account):
    units, held = directive.amount_micros, account.collateral.get(directive.index, 0)
    if units > held:
        return Reason.WITHDRAWAL_LIMIT
    account.collateral[directive.index] = held - units
    if margin.free(model, account) < 0:
        account.collateral[directive.index] = held
        return Reason.WITHDRAWAL_LIMIT
    model.assets[directive.index].deposits -= units
    _moved(model, directive, account, -units)
    return Reason.NONE


def _moved(model, directive, account, amount):
    values = {"code": directive.kind, "amount_micros": amount, "cash_micros": account.cash}
    model.notice(EventKind.CASH_CHANGED, directive, **values)


def deposit_fund(model, directive):
    """Seed the insurance fund; a deposit like any other (Rulebook 1)."""
    if not 0 < directive.amount_micros <= MAX_DEPOSITS - model.deposits:
        return Reason.BAD_AMOUNT
    model.fund += directive.amount_micros
    model.deposits += directive.amount_micros
    model.notice(EventKind.FUND_CHANGED, directive, cash_micros=model.fund)
    return Reason.NONE


# --- margin of a position ---------------------------------------------------------------------------------------------


def _position_reason(model, directive):
    """What holds for all three commands about a position's margin."""
    account = model.accounts.get(directive.account_slot)
    if account is None or account.closed:
        return Reason.UNKNOWN_ACCOUNT
    if account.is_frozen:
        return Reason.ACCOUNT_RESTRICTED
    if account.liquidating:
        return Reason.ACCOUNT_IN_LIQUIDATION
    contract = model.contracts.get(directive.contract_slot)
    unknown = contract is None or contract.state == MarketState.DRAFT or not contract.has_margin
    return Reason.UNKNOWN_CONTRACT if unknown else Reason.NONE


def transfer(model, directive):
    """Money into an isolated position, or out of it."""
    reason = _position_reason(model, directive)
    if reason:
        return reason
    account, amount = model.accounts[directive.account_slot], directive.amount_micros
    position = model.position(account.slot, directive.contract_slot)
    if position is None or not position.isolated or not position.size:
        return Reason.BAD_PARAMETER
    if not 0 < abs(amount) <= MAX_DEPOSITS:
        return Reason.BAD_AMOUNT
    most = margin.withdrawable(model, account) if amount > 0 else margin.releasable(model, position)
    if abs(amount) > most:
        return Reason.WITHDRAWAL_LIMIT
    account.cash -= amount
    position.isolated_micros += amount
    _moved(model, directive, account, -amount)
    return Reason.NONE


def _may_not_raise(model, directive):
    """Leverage is raised only by a person who may open: rows 3 and 6 to 14."""
    account = model.accounts[directive.account_slot]
    restriction = account.values.get(A.RESTRICTION, Restriction.NONE)
    if restriction == Restriction.SUSPENDED or account.is_killed:
        return Reason.ACCOUNT_SUSPENDED
    if restriction != Restriction.NONE:
        return Reason.ACCOUNT_RESTRICTED
    ineligible = eligibility.client(model, account.slot, directive.person)
    return ineligible or eligibility.contract(model, account.slot, directive.contract_slot)


def _is_carried(model, account, position):
    """All positions with all open orders, and an isolated position by its own money."""
    if margin.equity(model, account) < margin.requirement(model, account):
        return False
    alone = position.isolated and position.size
    return not alone or margin.equity(model, position) >= margin.own_initial(model, position)


def set_leverage(model, directive):
    """The leverage of an account in a contract, 0 for the bracket's cap."""
    reason = _position_reason(model, directive)
    if reason:
        return reason
    account, value = model.accounts[directive.account_slot], directive.value
    cap = model.contracts[directive.contract_slot].parameters[P.BRACKET_LEVERAGE, 0]
    own_cap = account.values.get(A.MAX_LEVERAGE, 0)
    if value < 0:
        return Reason.BAD_PARAMETER
    if value > cap or (own_cap and (value or cap) > own_cap):
        return Reason.LEVERAGE_LIMIT
    position = model.position(account.slot, directive.contract_slot)
    before = position.leverage if position else 0
    if position and (value or cap) > (before or cap):
        reason = _may_not_raise(model, directive)
    elif position and value != before:
        position.leverage = value
        carried = _is_carried(model, account, position)
        position.leverage = before
        reason = Reason.NONE if carried else Reason.INSUFFICIENT_MARGIN
    elif not position and not model.has_position_room():
        reason = Reason.CAPACITY
    if reason:
        return reason
    model.position(account.slot, directive.contract_slot, create=True).leverage = value
    model.notice(EventKind.LEVERAGE_CHANGED, directive, old_value=before)
    return Reason.NONE


def set_margin_mode(model, directive):
    """Cross or isolated; only when flat and without orders."""
    reason = _position_reason(model, directive)
    if reason:
        return reason
    if directive.value not in tuple(MarginMode):
        return Reason.BAD_PARAMETER
    position = model.position(directive.account_slot, directive.contract_slot)
    if position is None and not model.has_position_room():
        return Reason.CAPACITY
    if position and (position.size or position.orders):
        return Reason.HAS_POSITION
    position = model.position(directive.account_slot, directive.contract_slot, create=True)
    old, position.isolated = position.isolated, directive.value == MarginMode.ISOLATED
    model.notice(EventKind.MARGIN_MODE_CHANGED, directive, old_value=int(old))
    return Reason.NONE


# --- settings of collateral -------------------------------------------------------------------------------------------


def set_collateral(model, directive):
    """What an asset counts for from the next mark tick on (Rulebook 9)."""
    asset, code, value = model.assets.get(directive.index), directive.code, directive.value
    if asset is None or value < 0:
        return Reason.BAD_PARAMETER
    reason = _setting_reason(model, asset, code, value)
    if reason:
        return reason
    name = {
        V.COLLATERAL_ENABLED: "enabled",
        V.COLLATERAL_CONTRACT: "contract",
        V.COLLATERAL_HAIRCUT_PPB: "haircut",
        V.COLLATERAL_CAP_MICROS: "cap",
        V.COLLATERAL_LOTS_PER_COIN: "lots_per_coin",
    }[code]
    model.notice(EventKind.VENUE_CHANGED, directive, old_value=getattr(asset, name))
    setattr(asset, name, value)
    if code == V.COLLATERAL_CONTRACT:
        asset.lots_per_coin = asset.enabled = 0
    return Reason.NONE


def _setting_reason(model, asset, code, value):
    if code == V.COLLATERAL_CONTRACT:
        return _valuing_reason(model, asset, value)
    if code == V.COLLATERAL_HAIRCUT_PPB and value < collateral.LEAST_HAIRCUT_PPB:
        return Reason.HAIRCUT_TOO_LOW
    fine = {
        V.COLLATERAL_HAIRCUT_PPB: value <= 1_000_000_000,
        V.COLLATERAL_CAP_MICROS: 0 < value <= MAX_CAP,
        V.COLLATERAL_ENABLED: value == 0 or (value == 1 and asset.lots_per_coin and asset.haircut and asset.cap),
        V.COLLATERAL_LOTS_PER_COIN: code == V.COLLATERAL_LOTS_PER_COIN and _fits(model, asset, value),
    }[code]
    return Reason.NONE if fine else Reason.BAD_PARAMETER


def _valuing_reason(model, asset, value):
    """Another contract may value an asset only when the one before is settled."""
    contract = model.contracts.get(value)
    if contract is None or contract.state == MarketState.DRAFT:
        return Reason.UNKNOWN_CONTRACT
    valued = asset.lots_per_coin and model.contracts[asset.contract].state != MarketState.SETTLED
    return Reason.BAD_PARAMETER if valued or not collateral.has_index(contract) else Reason.NONE


def _fits(model, asset, value):
    contract = model.contracts.get(asset.contract)
    if contract is None or not collateral.has_index(contract):
        return False
    return 1 <= value <= contract.parameters[P.MAX_POSITION_LOTS, 0] and not (asset.lots_per_coin and asset.deposits)
