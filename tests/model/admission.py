"""The admission ladder as the rulebook's table has it: one row after the other, the first that fails is the answer."""

from engine.codes import AccountAttribute as A
from engine.codes import ContractParameter as P
from engine.codes import EventFlag, ExecInst, MarketState, OrdType, Reason, Restriction, Side, TimeInForce, VenueState
from tests.model import eligibility, fill_or_kill, margin
from tests.model.ledger import ceil_div
from tests.model.matching import in_band, market_limit, would_trade
from tests.model.records import MARKET_TYPES, other_side

CLIENT_FLAGS = (
    ExecInst.REDUCE_ONLY
    | ExecInst.POST_ONLY
    | ExecInst.ICEBERG
    | ExecInst.LABELLED
    | ExecInst.REJECT_POST_ONLY
    | ExecInst.CONFIRMED
)
CONDITIONAL_TYPES = range(OrdType.STOP_MARKET, OrdType.TRAILING_STOP + 1)
MAX_TICKS = (1 << 30) - 1
FIRST_EXPIRY_S = 1_735_689_600
MAX_REDUCE_ONLY_ORDERS = 32
MAX_TRAILING_ORDERS = 1024
NS = 1_000_000_000


class Request:
    """An order as it is being judged: what it would be, on which occasion, and what it replaces."""

    def __init__(self, order, new=False, replaces=None):
        self.order = order
        self.new = new
        self.replaces = replaces
        self.made_reduce_only = False  # by rows 6 to 15, just now

    @property
    def waits(self):
        """It is, or stays, untriggered."""
        return bool(self.order.flags & ExecInst.CONDITIONAL)

    @property
    def triggered(self):
        """It has just fired."""
        return not self.new and self.replaces is None


def account_known(model, slot):
    """Row 1, the account's half."""
    account = model.accounts.get(slot)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    return Reason.ACCOUNT_CLOSED if account.closed else Reason.NONE


def account_free(model, slot):
    """Rows 1 and 2, which cancels have to pass as well."""
    reason = account_known(model, slot)
    if reason:
        return reason
    return Reason.ACCOUNT_RESTRICTED if model.accounts[slot].is_frozen else Reason.NONE


def _existence(model, order):
    reason = account_known(model, order.account)
    if reason:
        return reason
    contract = model.contracts.get(order.contract)
    if contract is None or contract.state == MarketState.DRAFT:
        return Reason.UNKNOWN_CONTRACT
    return Reason.NONE


def _client(model, order):
    """Rows 2 to 4 and the restriction to reducing."""
    account = model.accounts[order.account]
    restriction = account.values.get(A.RESTRICTION, Restriction.NONE)
    if account.is_frozen:
        return Reason.ACCOUNT_RESTRICTED
    suspended = restriction == Restriction.SUSPENDED
    if not order.reduce_only and (suspended or account.is_killed):
        return Reason.ACCOUNT_SUSPENDED
    if suspended and model.now_ns < account.values.get(A.REDUCING_STOPPED_UNTIL_NS, 0):
        return Reason.ACCOUNT_SUSPENDED
    if account.liquidating:
        return Reason.ACCOUNT_IN_LIQUIDATION
    if restriction == Restriction.REDUCE_ONLY and not order.reduce_only:
        return Reason.ACCOUNT_RESTRICTED
    return Reason.NONE


def _market(model, order):
    """Row 5."""
    state = model.contracts[order.contract].state
    if model.venue_state == VenueState.HALTED:
        return Reason.VENUE_HALTED
    if state in (MarketState.HALTED, MarketState.SETTLED):
        return Reason.MARKET_HALTED
    if state == MarketState.CANCEL_ONLY:
        return Reason.MARKET_CANCEL_ONLY
    if state == MarketState.REDUCE_ONLY and not order.reduce_only:
        return Reason.MARKET_REDUCE_ONLY
    if state == MarketState.POST_ONLY and not order.post_only:
        return Reason.MARKET_POST_ONLY
    return Reason.NONE


def gates(model, request):
    """Rows 1 to 15. An order that rows 6 to 15 refuse but that only closes goes on as a reduce-only one."""
    order = request.order
    reason = _existence(model, order) or _client(model, order) or _market(model, order)
    if reason or order.reduce_only:
        return reason
    reason = eligibility.order_reason(model, order)
    if reason and _only_closes(model, request):
        order.flags |= ExecInst.REDUCE_ONLY
        order.made_reduce_only = request.made_reduce_only = True
        return Reason.NONE
    return reason


def _only_closes(model, request):
    """It lies wholly within the position, less the account's other orders of its side; no form is judged yet."""
    order, position = request.order, model.position(request.order.account, request.order.contract)
    if position is None or order.side not in (Side.BUY, Side.SELL):
        return False
    return 0 < order.leaves <= margin.closable(position, order.side, request.replaces)


def _style(model, request):
    order = request.order
    contract = model.contracts[order.contract]
    flags = CLIENT_FLAGS | (ExecInst.CONDITIONAL if order.ord_type in CONDITIONAL_TYPES else 0)
    if not request.new:
        flags |= ExecInst.AFFILIATE | EventFlag.MADE_REDUCE_ONLY  # the venue's own
    supported = (
        order.side in (Side.BUY, Side.SELL)
        and order.ord_type in range(OrdType.MARKET, OrdType.TRAILING_STOP + 1)
        and order.tif in tuple(TimeInForce)
        and order.self_trade in range(4)
        and not order.flags & ~flags
    )
    if not supported or (order.flags & ExecInst.REJECT_POST_ONLY and not order.post_only):
        return Reason.UNSUPPORTED_ORDER
    if (order.post_only or order.iceberg) and not order.may_rest:
        return Reason.UNSUPPORTED_ORDER
    if request.waits and order.source not in range(3):
        return Reason.UNSUPPORTED_ORDER
    if order.iceberg:
        step, least = contract.parameters[P.LOT_STEP, 0], contract.parameters[P.MIN_ORDER_LOTS, 0]
        if order.display < max(least, ceil_div(order.total, 100)) or order.display > order.total:
            return Reason.UNSUPPORTED_ORDER
        if order.display % step:
            return Reason.UNSUPPORTED_ORDER
    return Reason.NONE


def _ticks(model, request):
    order = request.order
    highest = model.contracts[order.contract].parameters[P.MAX_PRICE_TICKS, 0]
    if order.ord_type not in MARKET_TYPES and not 1 <= order.price <= highest:
        return Reason.BAD_TICK
    if request.waits and order.ord_type == OrdType.TRAILING_STOP:
        return Reason.NONE if 1 <= order.offset <= MAX_TICKS else Reason.BAD_TICK
    if request.waits and not 1 <= order.trigger <= highest:
        return Reason.BAD_TICK
    return Reason.NONE


def _lots(model, request):
    order = request.order
    parameters = model.contracts[order.contract].parameters
    if order.total <= 0 or order.total % parameters[P.LOT_STEP, 0]:
        return Reason.BAD_LOT
    if request.new and order.tif == TimeInForce.GTD:
        second = order.expire_ns // NS - FIRST_EXPIRY_S
        if order.expire_ns % NS or order.expire_ns <= model.now_ns or not 0 <= second <= MAX_TICKS:
            return Reason.BAD_EXPIRY
    if order.total < parameters[P.MIN_ORDER_LOTS, 0] and not _closes_whole(model, order):
        return Reason.QTY_TOO_SMALL
    if order.total > parameters[P.MAX_ORDER_LOTS, 0]:
        return Reason.QTY_TOO_LARGE
    return Reason.NONE


def _closes_whole(model, order):
    """A reduce-only order for the whole position may be below the minimum."""
    position = model.position(order.account, order.contract)
    size = position.size if position else 0
    against = size > 0 if order.side == Side.SELL else size < 0
    return bool(order.flags & ExecInst.REDUCE_ONLY) and against and order.leaves >= abs(size)


def _trigger(model, request):
    """A condition that holds already is refused, and so is one on a source without a value."""
    order = request.order
    contract = model.contracts[order.contract]
    if not contract.value(order.source):
        return Reason.REFERENCE_PRICE_UNAVAILABLE
    trailing = order.ord_type == OrdType.TRAILING_STOP
    return Reason.TRIGGER_WOULD_FIRE if not trailing and contract.fires(order) else Reason.NONE


def _capacity(model, request):
    order = request.order
    position = model.position(order.account, order.contract)
    if request.new and not model.has_room(order, position):
        return Reason.CAPACITY
    may_rest = not order.is_market and order.tif in (TimeInForce.GTC, TimeInForce.GTD)
    comes_to_rest = order.reduce_only and may_rest and not request.waits
    comes_to_rest = comes_to_rest and (request.replaces is None or request.made_reduce_only)
    if comes_to_rest and position is not None and len(position.resting(reduce_only=True)) >= MAX_REDUCE_ONLY_ORDERS:
        return Reason.CAPACITY
    if request.new and order.ord_type == OrdType.TRAILING_STOP:
        trailing = [other for other in model.waiting(order.contract) if other.ord_type == OrdType.TRAILING_STOP]
        return Reason.CAPACITY if len(trailing) >= MAX_TRAILING_ORDERS else Reason.NONE
    return Reason.NONE


def form(model, request):
    """Row 16."""
    reason = _style(model, request) or _ticks(model, request) or _lots(model, request)
    if not reason and request.new and model.by_client_id(request.order.account, request.order.cl_ord_id):
        reason = Reason.DUPLICATE_ID
    if not reason and request.waits:
        reason = _trigger(model, request)
    return reason or _capacity(model, request)


def _reference(model, order):
    """Row 17."""
    contract = model.contracts[order.contract]
    return Reason.REFERENCE_PRICE_UNAVAILABLE if contract.parameters[P.NEEDS_INDEX, 0] and not contract.mark else 0


def _price(model, order):
    """Row 18: the band is judged at the price asked for."""
    contract = model.contracts[order.contract]
    if not in_band(contract, order.side, order.price):
        return Reason.PRICE_OUT_OF_BAND
    highest = contract.parameters[P.MAX_ORDER_VALUE_MICROS, 0]
    value = order.price * order.leaves * contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    return Reason.ORDER_VALUE_LIMIT if highest and value > highest else Reason.NONE


def _count(model, request):
    """Row 19: open orders."""
    account = model.accounts[request.order.account]
    too_many = request.new and len(account.orders) >= account.max_open_orders
    return Reason.TOO_MANY_ORDERS if too_many else Reason.NONE


def _limits(model, request):
    """Row 19: the position in the worst case, and the contract's open interest."""
    order = request.order
    contract, position = model.contracts[order.contract], model.position(order.account, order.contract)
    worst = order.leaves
    if position is not None:
        same = sum(other.leaves for other in position.resting(side=order.side) if other is not request.replaces)
        worst += same + max(position.size if order.side == Side.BUY else -position.size, 0)
    if worst > contract.parameters[P.MAX_POSITION_LOTS, 0]:
        return Reason.POSITION_LIMIT
    reason = _group_limit(model, order, worst) or _exposure(model, order, worst)
    if reason:
        return reason
    cap = contract.parameters[P.MAX_OPEN_INTEREST_LOTS, 0]
    if cap and model.open_interest(contract.slot) + order.leaves > cap:
        return Reason.OPEN_INTEREST_CAP
    own_cap = model.accounts[order.account].values.get(A.MAX_LEVERAGE, 0)
    leverage = (position.leverage if position else 0) or contract.parameters[P.BRACKET_LEVERAGE, 0]
    if own_cap and contract.has_margin and leverage > own_cap:
        return Reason.LEVERAGE_LIMIT
    return Reason.NONE


def _could_hold(position, asked=0):
    """The largest size that a position can come to, if all orders of one side fill and none of the other."""
    if position is None:
        return asked
    buys = max(position.size, 0) + sum(order.leaves for order in position.resting(side=Side.BUY))
    sells = max(-position.size, 0) + sum(order.leaves for order in position.resting(side=Side.SELL))
    return max(buys, sells, asked)


def _group_limit(model, order, worst):
    """Row 19: what all accounts of a group could come to hold, each in its own worst case."""
    group = model.accounts[order.account].group
    limit = model.group_limits.get((group, order.contract), 0) if group else 0
    if not limit:
        return Reason.NONE
    total = _could_hold(model.position(order.account, order.contract), worst)
    for account in model.accounts.values():
        if account.group == group and account.slot != order.account:
            total += _could_hold(model.position(account.slot, order.contract))
    return Reason.GROUP_POSITION_LIMIT if total > limit else Reason.NONE


def _exposure(model, order, worst):
    """Row 19: the value at the mark of what an account could come to hold in all contracts, and all of its client's."""
    account = model.accounts[order.account]
    if account.values.get(A.INVESTOR_CLASS) in eligibility.LIGHT:
        return Reason.NONE
    client = account.client
    limits = [(account.values.get(A.MAX_EXPOSURE_MICROS, 0), [account])]
    limits += [(client.max_exposure, client.accounts)] if client else []
    for limit, accounts in limits:
        if limit and sum(_could_be_worth(model, one, order, worst) for one in accounts) > limit:
            return Reason.EXPOSURE_LIMIT
    return Reason.NONE


def _could_be_worth(model, account, order, worst):
    """One account's part of an exposure, with the order where it is its own."""
    held = {position.contract: _could_hold(position) for position in account.positions}
    if account.slot == order.account:
        held[order.contract] = _could_hold(model.position(order.account, order.contract), worst)
    total = 0
    for slot, lots in held.items():
        contract = model.contracts[slot]
        total += margin.notional(contract, lots)
    return total


def _reducing(model, order):
    """Row 20: it needs a position of the other side and never asks for more than that."""
    position = model.position(order.account, order.contract)
    size = position.size if position else 0
    if (size <= 0) if order.side == Side.SELL else (size >= 0):
        return Reason.REDUCE_ONLY_WOULD_INCREASE
    order.leaves = min(order.leaves, abs(size))
    return Reason.NONE


def slide(model, order):
    """The price of a post-only order that would cross: one tick behind the best opposite price."""
    contract = model.contracts[order.contract]
    if not order.post_only or not would_trade(contract, order.side, order.price):
        return order.price
    return contract.best(other_side(order.side)).price + (-1 if order.side == Side.BUY else 1)


def limit_of(model, order):
    """The limit that an order really has: slid if it is post-only, and tightened to what equity bears if it reduces."""
    price = slide(model, order)
    if not order.reduce_only:
        return price
    tightened = margin.closing_limit(model, order)
    return max(price, tightened) if order.side == Side.SELL else min(price, tightened)


def settle_price(model, order):
    """What the venue makes of a limit: a post-only order slides, a reducing one is tightened."""
    price = limit_of(model, order)
    if price != order.price:
        order.price = price
        order.flags |= EventFlag.SLID


def _flags(model, order, price):
    """Row 21, with the limit that a fill-or-kill order has."""
    contract = model.contracts[order.contract]
    if order.flags & ExecInst.REJECT_POST_ONLY and would_trade(contract, order.side, order.price):
        return Reason.POST_ONLY_WOULD_CROSS
    if order.post_only and not 1 <= slide(model, order) <= contract.parameters[P.MAX_PRICE_TICKS, 0]:
        return Reason.POST_ONLY_WOULD_CROSS
    if order.tif == TimeInForce.FOK and not fill_or_kill.fills(model, order, price):
        return Reason.FOK_CANNOT_FILL
    return Reason.NONE


def _margin(model, request):
    """Row 22. One that only closes is never refused for margin: it goes on as a reduce-only order."""
    order = request.order
    if order.reduce_only:
        return _closing(model, order)
    verdict = margin.judge(model, request, limit_of(model, order))
    if verdict == margin.Margin.CLOSES:
        order.flags |= ExecInst.REDUCE_ONLY | EventFlag.MADE_REDUCE_ONLY
        order.made_reduce_only = request.made_reduce_only = True
        return _capacity(model, request) or _closing(model, order)
    return Reason.INSUFFICIENT_MARGIN if verdict == margin.Margin.SHORT else Reason.NONE


def _closing(model, order):
    """A reducing order: can it still fill with its tightened limit, all of it where it must (Rulebook 3)?"""
    contract, price = model.contracts[order.contract], limit_of(model, order)
    if order.tif == TimeInForce.FOK:
        if not fill_or_kill.fills(model, order, price):
            return Reason.FOK_CANNOT_FILL
        return Reason.NONE if fill_or_kill.bears(model, order, price) else Reason.INSUFFICIENT_MARGIN
    if order.post_only or not would_trade(contract, order.side, order.price):
        return Reason.NONE
    return Reason.NONE if would_trade(contract, order.side, price) else Reason.INSUFFICIENT_MARGIN


def judge(model, request):
    """The whole ladder. A market order's limit is the band's edge."""
    order = request.order
    reason = gates(model, request) or form(model, request)
    if request.made_reduce_only and not reason:
        order.flags |= EventFlag.MADE_REDUCE_ONLY
    opens = not order.reduce_only
    if request.waits:
        return reason or (opens and _reference(model, order)) or _count(model, request)
    if reason:
        return reason
    if order.is_market:
        order.price = market_limit(model.contracts[order.contract], order.side)
    if opens:
        reason = _reference(model, order) or _price(model, order) or _count(model, request) or _limits(model, request)
    else:
        reason = _price(model, order) or _reducing(model, order)
    return reason or _flags(model, order, order.price) or _margin(model, request)
