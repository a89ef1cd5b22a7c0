"""Cash, positions and fees, in whole numbers of any size: floor and ceiling are the only roundings."""

from engine.codes import ContractParameter as P

PPB = 1_000_000_000


def ceil_div(amount, divisor):
    """The smallest whole number not below amount / divisor."""
    return -(-amount // divisor)


def median(values):
    """Of an even count the floor of the mean of the two in the middle (Rulebook 1)."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) // 2


def clamp(value, lowest, highest):
    """The value, or the bound that it has passed."""
    return max(lowest, min(value, highest))


def fee_of(notional, rate_ppb):
    """What a fill costs, rounded up; a rebate is rounded towards zero."""
    return ceil_div(notional * rate_ppb, PPB)


def settle(model, position, contract, lots, price, fee_ppb):
    """Book one side of a trade, `lots` signed, and return its fee.

    The part that closes releases floor(cost * closed / size) of the entry cost, all of it when flat, and its result
    goes to cash, or to the money of an isolated position; the rest opens at the trade's price. So does the fee.
    """
    unit = price * contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    closing = min(abs(lots), abs(position.size)) if position.size * lots < 0 else 0
    if closing:
        whole = closing == abs(position.size)
        released = position.entry_cost if whole else position.entry_cost * closing // abs(position.size)
        proceeds = closing * unit if position.size > 0 else -closing * unit
        position.entry_cost -= released
        position.realised += proceeds - released
        pay(model, position, proceeds - released)
    opening = abs(lots) - closing
    if opening and (closing or not position.size):
        position.opened_seq = model.seq
    position.entry_cost += opening * unit if lots > 0 else -opening * unit
    position.size += lots
    fee = fee_of(abs(lots) * unit, fee_ppb)
    pay(model, position, -fee)
    model.fees += fee
    return fee


def pay(model, position, micros):
    """Money to the pool of a position: its own where it is isolated, else the account's cash."""
    if position.isolated:
        position.isolated_micros += micros
    else:
        model.accounts[position.account].cash += micros
