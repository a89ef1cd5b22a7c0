"""The things of the naive engine as plain objects: no slots, no pools, no sums kept beside what they sum up."""

from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from engine.codes import AccountAttribute, ExecInst, OrdType, PriceSource, Restriction, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import EVENT, NOTICE

NIL = -1
SUBTICKS = 1000
MARKET_TYPES = (OrdType.MARKET, OrdType.STOP_MARKET, OrdType.TAKE_MARKET, OrdType.TRAILING_STOP)
TAKE_TYPES = (OrdType.TAKE_MARKET, OrdType.TAKE_LIMIT)
EVENT_NAMES = EVENT.names
NOTICE_NAMES = tuple(name for name in NOTICE.names if name not in ("pad", "spare"))


def other_side(side):
    """Who trades with this side."""
    return Side.SELL if side == Side.BUY else Side.BUY


@dataclass(eq=False)
class Order:
    """An order from its acceptance to its end; ids count up from 1."""

    id: int
    account: int
    contract: int
    side: int
    ord_type: int
    tif: int
    flags: int
    price: int
    leaves: int
    self_trade: int = 0
    cl_ord_id: int = 0
    filled: int = 0
    shown: int = 0
    display: int = 0
    source: int = 0
    trigger: int = 0
    offset: int = 0
    watermark: int = 0
    expire_ns: int = 0
    person: int = 0
    label: bytes = b""
    resting: bool = False
    waiting: bool = False
    done_reason: int = 0
    entered: int = 0  # when it took its place among the triggers
    armed: bool = False  # a trailing stop whose condition held when it was last looked at
    forced: bool = False
    made_reduce_only: bool = False  # the venue made it one, the client did not ask for it
    loss: int = 0  # adverse distance from the mark in subticks, when it was admitted or amended
    reserve_price: int = 0  # what margin counts it at in subticks, as of then

    @property
    def is_market(self):
        """It has no limit of its own."""
        return self.ord_type in MARKET_TYPES

    @property
    def reduce_only(self):
        """It may only shrink the position."""
        return bool(self.flags & ExecInst.REDUCE_ONLY)

    @property
    def post_only(self):
        """It never takes."""
        return bool(self.flags & ExecInst.POST_ONLY)

    @property
    def affiliated(self):
        """It stands in the second queue of its price."""
        return bool(self.flags & ExecInst.AFFILIATE)

    @property
    def iceberg(self):
        """It shows a part of itself."""
        return bool(self.flags & ExecInst.ICEBERG)

    @property
    def may_rest(self):
        """Whether a remainder stays on the book."""
        return not self.is_market and self.tif in (TimeInForce.GTC, TimeInForce.GTD)

    @property
    def rising(self):
        """Stops to buy and takes to sell fire when their source rises."""
        return (self.side == Side.BUY) != (self.ord_type in TAKE_TYPES)

    @property
    def total(self):
        """What was asked for in all, filled included."""
        return self.leaves + self.filled

    def show(self):
        """What the book shows of it from now on."""
        self.shown = min(self.display, self.leaves) if self.iceberg else self.leaves

    def shrink(self, lots):
        """Lose quantity in place, hidden quantity first."""
        self.leaves -= lots
        self.shown = min(self.shown, self.leaves)


@dataclass(eq=False)
class Position:
    """One account in one contract."""

    account: int
    contract: int
    size: int = 0
    entry_cost: int = 0
    orders: list = field(default_factory=list)  # open, untriggered included, oldest first
    worked_tick: int = 0  # the mark tick at which it was last closed by force
    isolated: bool = False
    isolated_micros: int = 0  # money of its own, beside the account's cash
    leverage: int = 0  # as chosen, 0: the bracket's cap
    opened_seq: int = 0  # the command with which it last left zero
    realised: int = 0
    funding: int = 0  # what it got, less what it paid

    def resting(self, side=None, reduce_only=False):
        """Its orders on the book, of one side and kind."""
        return [
            order
            for order in self.orders
            if order.resting and order.reduce_only == reduce_only and side in (None, order.side)
        ]


@dataclass(eq=False)
class Client:
    """Who owns accounts: what is set on it holds for all of them."""

    frozen: int = 0
    killed: int = 0
    max_exposure: int = 0
    accounts: list = field(default_factory=list)  # as they were bound


@dataclass(eq=False)
class Account:
    """A client's account."""

    slot: int
    cash: int = 0
    collateral: dict = field(default_factory=dict)  # Asset -> units
    group: int = 0
    closed: bool = False
    liquidating: bool = False
    warning_level: int = 0  # of the last margin call
    fund_used: int = 0  # what the fund has given for it on a day
    fund_day: int = 0
    cross_tick: int = 0  # the mark tick at which its cross pool was last worked by force
    liquidated_tick: int = 0  # the mark tick at which its turn was last over
    client: Client | None = None
    max_open_orders: int = 0
    values: dict = field(default_factory=dict)  # attributes as given
    positions: list = field(default_factory=list)  # as they were opened

    @property
    def orders(self):
        """All its open orders."""
        return [order for position in self.positions for order in position.orders]

    @property
    def is_frozen(self):
        """By itself, or with all that its client has."""
        own = self.values.get(AccountAttribute.RESTRICTION) == Restriction.FROZEN
        return own or bool(self.client and self.client.frozen)

    @property
    def is_killed(self):
        """By its own kill switch or by its client's."""
        return bool(self.values.get(AccountAttribute.KILL_SWITCH) or (self.client and self.client.killed))


@dataclass(eq=False)
class Source:
    """What an index source said last, and when; its weight is the contract's parameter."""

    price: int
    time_ns: int


class Parameters(dict):
    """Of a contract, as given; `made` keeps what was made of them, until one changes."""

    def __init__(self, *given):
        super().__init__(*given)
        self.made = {}

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.made = {}


@dataclass(eq=False)
class Contract:
    """A perpetual with its book."""

    slot: int
    state: int = 0
    parameters: Parameters = field(default_factory=Parameters)  # (ContractParameter, index) -> value
    mark: int = 0
    index: int = 0
    last: int = 0
    trades: int = 0
    levels: dict = field(default_factory=lambda: {Side.BUY: SortedDict(), Side.SELL: SortedDict()})
    seen: dict = field(default_factory=dict)  # PriceSource -> (lowest, highest) since its triggers were worked off
    due: bool = False  # some trigger may be
    delivery_ns: int = 0  # when the price of its settlement is fixed, 0: it is not to be settled, or it is done
    delivery_samples: list = field(default_factory=list)
    delivery_due_ns: int = 0  # when the closing of its positions became due, 0: it is not
    delivery_clearing: int = 0  # what the closing took so far less what it gave
    sources: dict = field(default_factory=dict)  # number -> what an index source said last
    open_state: int = 0  # what an index lock replaced, 0: no lock
    mark_frozen: bool = False  # no source is live: its positions are valued at this mark and not closed
    frozen_since_ns: int = 0  # when the lock came, 0: no lock
    live_since_ns: int = 0  # since when enough sources were live again after the last lock, 0: they are not
    big_trade: int = 0  # ticks: the last trade of at least a tenth of the impact notional, 0: none
    basis: list = field(default_factory=list)  # the last samples of impact mid - index
    samples: list = field(default_factory=list)  # of the premium, in the funding interval that runs
    weights: list = field(default_factory=list)  # of these samples
    funding_rate: int = 0  # of the last settled interval
    funding_interval_s: int = 0  # of the interval that runs
    sample_interval_s: int = 0
    funding_start_ns: int = 0
    next_sample_ns: int = 0  # 0: it has not begun
    next_funding_ns: int = 0

    @property
    def has_margin(self):
        """Whether its parameters ask for any rate or fee."""
        made = self.parameters.made
        if "has_margin" not in made:
            names = (P.BRACKET_MMR_PPB, P.TAKER_FEE_PPB, P.MAKER_FEE_PPB)
            made["has_margin"] = any(self.parameters[name, 0] for name in names)
        return made["has_margin"]

    def value(self, source):
        """A price source's value in subticks, 0 where it has none."""
        return (self.mark, self.index, self.last * SUBTICKS)[source]

    def notice(self, source):
        """A source has a new value: what it has covered grows."""
        value = self.value(source)
        lowest, highest = self.seen.get(source, (value, value))
        self.seen[source] = min(lowest, value), max(highest, value)

    def forget(self):
        """All triggers are worked off: of each source only the present value counts."""
        values = {source: self.value(source) for source in PriceSource}
        self.seen = {source: (value, value) for source, value in values.items() if value}
        self.due = False

    def fires(self, order):
        """Whether an order's source has covered its trigger."""
        if order.source not in self.seen:
            return False
        lowest, highest = self.seen[order.source]
        return order.trigger * SUBTICKS <= highest if order.rising else order.trigger * SUBTICKS >= lowest

    def best(self, side):
        """The order with priority on a side, or nothing."""
        levels = self.levels[side]
        if not levels:
            return None
        return levels.peekitem(-1 if side == Side.BUY else 0)[1][0]

    def queue(self, order):
        """The orders that wait at an order's price."""
        return self.levels[order.side].setdefault(order.price, [])

    def visible(self, side, price):
        """What the book shows at a price."""
        return sum(order.shown for order in self.levels[side].get(price, ()))

    def join(self, order):
        """Put an order at the back of its queue: of two at one price, all clients come before all affiliates."""
        order.resting = True
        orders = self.queue(order)
        orders.append(order)
        orders.sort(key=lambda other: other.affiliated)

    def leave(self, order):
        """Take an order out of its queue."""
        order.resting = False
        self.queue(order).remove(order)
        if not self.queue(order):
            del self.levels[order.side][order.price]


class Row:
    """A command of the log with its fields as attributes."""

    def __init__(self, layout, record):
        self.__dict__.update(zip(layout.names, record.tolist(), strict=True))
