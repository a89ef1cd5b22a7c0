"""Episodes of the money flow that chance would hardly bring about: each yields its commands one after the other.

`flow` is the `MoneyFlow` that asks.
"""

from collections.abc import Iterator
from typing import Any

from engine.codes import NIL, CommandKind, ExecInst, MarketState, Restriction, Side, TimeInForce, VenueState
from engine.codes import AccountAttribute as A
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import SECOND, Rows
from tests.money_stage import GAMBLERS, MAKERS, SPARE, UNIT


def episode(flow: Any) -> Iterator[Rows]:
    """The next of them, in turn."""
    if flow.chance() < 0.9:
        yield from all_open(flow)
    flow.episodes += 1
    yield from EPISODES[flow.episodes % len(EPISODES)](flow)


def all_open(flow: Any) -> Iterator[Rows]:
    """Every market trades freely, where it can."""
    closed = [slot for slot in range(len(flow.markets)) if not flow.sight.is_open(slot)]
    if not closed:
        return
    yield build.venue_state(VenueState.OPEN)
    yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=0)
    for contract in closed:
        yield build.contract_state(contract, MarketState.OPEN)
        yield from tick(flow, contract, flow.levels[contract])
    yield next_tick(flow)
    for contract in closed:
        yield build.contract_state(contract, MarketState.OPEN)
    yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=5 * SECOND)


def tick(flow: Any, contract: int, level: float, sources: int = 8) -> Iterator[Rows]:
    """All sources of a contract say the same, and the next mark tick comes."""
    flow.levels[contract] = level
    flow.said_ns[contract] = flow.now_ns
    for place in range(min(len(flow.market(contract).weights), sources)):
        yield build.directive(
            CommandKind.INDEX_PRICE, contract_slot=contract, code=place, price_subticks=max(round(level * 1000), 1)
        )
    yield next_tick(flow)


def next_tick(flow: Any) -> Rows:
    """The next mark tick comes."""
    due = int(flow.sight.state["next_mark_tick_ns"])
    return build.time(time_ns=max(due, flow.now_ns + SECOND // 10))


def emptied(flow: Any, contract: int) -> Iterator[Rows]:
    """Nobody has an order in a contract any more."""
    yield build.mass_cancel(NIL, contract)


def deposit(flow: Any, account: int, units: float) -> Rows:
    """Whole units and a bit."""
    return build.deposit(account, round(units * UNIT) + flow.below(100))


def meet(flow: Any, long: int, short: int, contract: int, lots: int) -> Iterator[Rows]:
    """Two accounts trade at the mark."""
    price = max(round(flow.price(contract)), 1)
    yield flow.order(short, contract, Side.SELL, lots, price)
    yield flow.order(long, contract, Side.BUY, lots, price, tif=TimeInForce.IOC)


def carried(flow: Any, account: int, contract: int, share: float) -> int:
    """What an account can carry of a contract at its highest leverage, in lots."""
    power = max(flow.sight.figures(account)[0], 0) * flow.market(contract).brackets[0][1]
    return min(flow.lots(contract, share * power / flow.lot_micros(contract)), 2000)


def crash_of_many(flow: Any) -> Iterator[Rows]:
    """Many gamblers stand on one side; the price jumps against them, with some quotes left or none."""
    contract, side = flow.contract(), flow.one(Side.BUY, Side.SELL)
    for account in GAMBLERS:
        if flow.chance() < 0.8:
            if flow.sight.figures(account)[0] < 200 * UNIT:
                yield deposit(flow, account, flow.one(300, 900, 3000))
            lots = carried(flow, account, contract, 0.8)
            price = max(round(flow.price(contract)), 1)
            yield flow.order(
                flow.one(*MAKERS), contract, Side.SELL if side == Side.BUY else Side.BUY, lots, price, flags=0
            )
            yield flow.order(account, contract, side, lots, price, tif=TimeInForce.IOC)
    if flow.chance() < 0.7:
        yield from emptied(flow, contract)
    sign = -1 if side == Side.BUY else 1
    for _ in range(flow.one(1, 2, 4)):
        if flow.chance() < 0.6:
            yield flow.quote(contract)
        yield from tick(flow, contract, flow.price(contract) * (1 + sign * flow.one(0.02, 0.05, 0.09, 0.15)))
        for _ in range(flow.below(4)):
            yield from flow.trading()


def bare(flow: Any, account: int) -> Iterator[Rows]:
    """A spare account closes what it has, and takes all its money out."""
    for changed, value in ((A.RESTRICTION, Restriction.NONE), (A.KYC_UNTIL_NS, build.FAR_NS)):
        yield build.account_set(account, changed, value)
    yield build.mass_cancel(account)
    for contract in range(len(flow.markets)):
        yield from closed(flow, account, contract)
    for asset in (1, 2):
        held = int(flow.sight.accounts[account]["collateral_units"][asset - 1])
        if held:
            yield build.directive(CommandKind.WITHDRAW, account_slot=account, index=asset, amount_micros=held)
    free = flow.sight.figures(account)[3]
    if free > 0:
        yield build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=free)


def closed(flow: Any, account: int, contract: int) -> Iterator[Rows]:
    """A maker takes an account's position over at the mark."""
    held = flow.sight.size(account, contract)
    if held:
        price, lots = max(round(flow.price(contract)), 1), min(abs(held), 4000)
        side, other = (Side.SELL, Side.BUY) if held > 0 else (Side.BUY, Side.SELL)
        yield flow.order(MAKERS[0], contract, other, lots, price)
        yield flow.order(account, contract, side, lots, price, tif=TimeInForce.IOC, flags=ExecInst.REDUCE_ONLY)


def cleared(flow: Any, contract: int) -> Iterator[Rows]:
    """Nobody has an order or a position in a contract any more."""
    yield from emptied(flow, contract)
    for account in range(1, SPARE[-1] + 1):
        yield from closed(flow, account, contract)
    yield from emptied(flow, contract)


def twins(flow: Any) -> Iterator[Rows]:
    """Two accounts with the same money get the same position from one taker, who then cannot pay."""
    contract = flow.contract()
    for account in SPARE:
        yield from bare(flow, account)
    first, second, loser, another = SPARE if flow.chance() < 0.5 else SPARE[::-1]
    if flow.chance() < 0.5:
        yield from cleared(flow, contract)
    for account in (first, second):
        yield build.deposit(account, 5_000 * UNIT)
    losers = flow.one((loser,), (loser, another))
    units = flow.one(500, 1500)
    for account in losers:
        yield deposit(flow, account, units)
        units *= flow.one(1.0, 1.3, 1.5)
    yield from emptied(flow, contract)
    lots = min(carried(flow, account, contract, 0.3) for account in losers)
    side = flow.one(Side.BUY, Side.SELL)
    price, other = max(round(flow.price(contract)), 1), Side.SELL if side == Side.BUY else Side.BUY
    for account in (second, first):
        yield flow.order(account, contract, other, len(losers) * lots + (len(losers) - 1) * lots, price)
    for account in losers:
        yield flow.order(account, contract, side, 2 * lots, price, tif=TimeInForce.IOC)
    yield flow.order(MAKERS[0], contract, side, 2 * lots, price, tif=TimeInForce.IOC)
    yield from emptied(flow, contract)
    if flow.chance() < 0.3:
        yield flow.order(first, contract, other, lots, price + (9 if other == Side.SELL else -9), flags=0)
    sign = -1 if side == Side.BUY else 1
    level = flow.price(contract) * (1 + sign * flow.one(0.09, 0.11, 0.12, 0.13, 0.16))
    if len(losers) > 1:
        for away in (0.97, 0.98, 0.99):
            near = max(round(level * (away if side == Side.BUY else 2 - away)), 1)
            yield flow.order(flow.one(first, second), contract, side, flow.lots(contract, 0.9 * lots), near)
    yield from tick(flow, contract, level)
    yield from tick(flow, contract, flow.levels[contract])


def long_queue(flow: Any) -> Iterator[Rows]:
    """An account with more orders than a command cancels is flagged; things go on before its round is over."""
    contract, account = flow.contract(), flow.gambler()
    yield deposit(flow, account, 20_000)
    price = flow.price(contract)
    smallest = flow.lots(contract, 1)
    for number in range(flow.one(30, 70, 140)):
        away = 0.02 + 0.0005 * (number % 40)
        yield flow.order(account, contract, Side.BUY, smallest, max(round(price * (1 - away)), 1), tif=TimeInForce.GTC)
    lots = carried(flow, account, contract, 0.7)
    yield flow.order(flow.one(*MAKERS), contract, Side.SELL, lots, max(round(price), 1), flags=0)
    yield flow.order(account, contract, Side.BUY, lots, max(round(price), 1), tif=TimeInForce.IOC)
    for _ in range(2):
        yield from tick(flow, contract, flow.price(contract) * flow.one(0.97, 0.94, 0.9))
        yield flow.one(
            build.account_set(account, A.KYC_UNTIL_NS, flow.now_ns + 1),
            build.account_set(account, A.RESTRICTION, Restriction.FROZEN),
            build.account_set(account, A.KILL_SWITCH, 1),
            deposit(flow, account, 3_000),
            build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=1),
            build.time(),
        )
        yield flow.opening(account, contract)
        yield flow.quote(contract)
    flow.restore(build.account_set(account, A.KYC_UNTIL_NS, build.FAR_NS), 2)
    flow.restore(build.account_set(account, A.RESTRICTION, Restriction.NONE), 2)
    flow.restore(build.account_set(account, A.KILL_SWITCH, 0), 2)


def exhausted(flow: Any) -> Iterator[Rows]:
    """A long and a short alone; the short has lost nearly all elsewhere when the long must be closed."""
    contract = flow.contract()
    other = (contract + 1) % len(flow.markets)
    long, short, second, _ = SPARE
    for account in SPARE:
        yield from bare(flow, account)
        yield deposit(flow, account, 2_000)
    yield from cleared(flow, contract)
    yield from meet(flow, long, short, contract, carried(flow, long, contract, 0.45))
    if flow.chance() < 0.5:
        yield from meet(flow, long, second, contract, carried(flow, long, contract, 0.2))
    lots = carried(flow, short, other, flow.one(0.2, 0.45))
    yield flow.order(MAKERS[0], other, Side.SELL, lots, max(round(flow.price(other)), 1))
    yield flow.order(short, other, Side.BUY, lots, max(round(flow.price(other)), 1), tif=TimeInForce.IOC)
    for account in (short, second):
        free = flow.sight.figures(account)[3]
        if free > 0:
            yield build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=free)
    yield from emptied(flow, contract)
    yield from emptied(flow, other)
    waits = flow.chance() < 0.6
    for slot in (contract, other):
        if waits:
            yield build.contract_set(slot, P.LIQUIDATION_ENABLED, 0)
    yield from list(tick(flow, other, flow.price(other) * flow.one(0.9, 0.8, 0.7)))[:-1]
    yield from tick(flow, contract, flow.price(contract) * flow.one(0.9, 0.85, 0.8, 0.7))
    if waits:
        missing = -flow.sight.figures(short)[0]
        if missing > 0:
            yield build.deposit(short, missing + flow.one(1, 1, 7, 20 * UNIT, 200 * UNIT))
        for slot in (contract, other):
            yield build.contract_set(slot, P.LIQUIDATION_ENABLED, 1)
    yield next_tick(flow)
    yield build.directive(CommandKind.WITHDRAW, account_slot=long, amount_micros=1)
    yield build.contract_state(contract, MarketState.OPEN)
    yield next_tick(flow)


def ruin(flow: Any) -> Iterator[Rows]:
    """An account is ruined again and again in one day, and once more on the next."""
    contract = flow.contract()
    if flow.chance() < 0.6:
        yield build.directive(CommandKind.FUND_DEPOSIT, amount_micros=flow.one(1, 20, 200, 5_000) * UNIT)
    account = flow.one(*SPARE)
    yield from bare(flow, account)
    for turn in range(flow.one(3, 4)):
        if turn > 1 and flow.chance() < 0.6:
            day = (flow.now_ns // (86_400 * SECOND) + 1) * 86_400 * SECOND
            yield build.time(time_ns=max(day - SECOND, flow.now_ns))
            yield from tick(flow, contract, flow.price(contract))
            yield build.time(time_ns=day + flow.below(3) * SECOND)
            yield from tick(flow, contract, flow.price(contract))
        yield deposit(flow, account, flow.one(200, 1500))
        lots = carried(flow, account, contract, 0.8)
        price, side = max(round(flow.price(contract)), 1), flow.one(Side.BUY, Side.SELL)
        other = Side.SELL if side == Side.BUY else Side.BUY
        yield flow.order(MAKERS[0], contract, other, lots, price, flags=0)
        yield flow.order(account, contract, side, lots, price, tif=TimeInForce.IOC)
        yield from emptied(flow, contract)
        jump = flow.one(0.1, 0.14, 0.18, 0.2) * (-1 if side == Side.BUY else 1)
        level = flow.price(contract) * (1 + jump)
        yield flow.order(MAKERS[1], contract, side, lots, max(round(level), 1), flags=0)
        yield from tick(flow, contract, level)


def still(flow: Any, contract: int) -> Iterator[Rows]:
    """From now on a contract's mark does not move by itself: no funding rate, and its sources repeat themselves."""
    flow.moods[contract].drift = flow.moods[contract].noise = flow.moods[contract].spread = 0.0
    flow.moods[contract].until_ns = flow.now_ns + 90 * SECOND
    yield build.contract_set(contract, P.FUNDING_CAP_PPB, 0)
    flow.restore(build.contract_set(contract, P.FUNDING_CAP_PPB, 3_000_000), 60)
    yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=0)
    due = int(flow.sight.contracts[contract]["next_funding_ns"])
    yield build.time(time_ns=max(due, flow.now_ns))
    for other in range(len(flow.markets)):
        yield from tick(flow, other, flow.levels[other])
    yield next_tick(flow)
    yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=5 * SECOND)


def exact(flow: Any) -> Iterator[Rows]:
    """An account that waits for its liquidation gets exactly what brings it to an edge, and then its turn comes."""
    contract, account = flow.contract(), flow.one(*SPARE)
    yield from bare(flow, account)
    yield build.directive(CommandKind.SET_MARGIN_MODE, account_slot=account, contract_slot=contract)
    yield from still(flow, contract)
    yield deposit(flow, account, flow.one(2_000, 5_000))
    side = flow.one(Side.BUY, Side.SELL)
    lots, price = carried(flow, account, contract, 0.7), max(round(flow.price(contract)), 1)
    yield flow.order(MAKERS[0], contract, Side.SELL if side == Side.BUY else Side.BUY, lots, price)
    yield flow.order(account, contract, side, lots, price, tif=TimeInForce.IOC)
    yield build.contract_set(contract, P.LIQUIDATION_ENABLED, 0)
    sign = -1 if side == Side.BUY else 1
    for _ in range(6):
        equity, maintenance, _, _ = flow.sight.figures(account)
        if 3 * equity < maintenance:
            break
        yield from tick(flow, contract, flow.levels[contract] * (1 + sign * 0.02))
    for _ in range(2):
        yield from tick(flow, contract, flow.levels[contract])
    equity, maintenance, _, _ = flow.sight.figures(account)
    halves = (maintenance // 2, -(-maintenance // 2))
    edges = (*halves, maintenance, 0, maintenance + -(-maintenance // 5), maintenance + -(-maintenance // 2))
    missing = flow.one(*(halves if flow.chance() < 0.4 else edges)) - equity + flow.one(-1, 0, 0, 0, 1)
    if missing > 0:
        yield build.deposit(account, missing)
    yield build.contract_set(contract, P.LIQUIDATION_ENABLED, 1)
    if flow.chance() < 0.5:
        yield flow.quote(contract)
    yield from tick(flow, contract, flow.levels[contract])


def brink(flow: Any) -> Iterator[Rows]:
    """An account keeps exactly what an order needs, or a micro less, and places it."""
    contract, account = flow.contract(), flow.one(*SPARE)
    yield from bare(flow, account)
    yield deposit(flow, account, 3_000)
    if flow.chance() < 0.5:
        yield from meet(flow, account, MAKERS[0], contract, carried(flow, account, contract, 0.3))
    away, side = flow.one(0.99, 1.0, 1.01, 1.02), flow.one(Side.BUY, Side.SELL)
    lots, price = carried(flow, account, contract, flow.one(0.2, 0.5)), max(round(away * flow.price(contract)), 1)
    order = build.new(account, side, lots, price, contract_slot=contract, flags=ExecInst.POST_ONLY)
    yield order.copy()
    equity, _, requirement, _ = flow.sight.figures(account)
    yield build.mass_cancel(account)
    over = min(equity - requirement + flow.one(0, 0, 1), flow.sight.figures(account)[3])
    if over > 0:
        yield build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=over)
    yield order


def owing(flow: Any) -> Iterator[Rows]:
    """An account that lives on its coins owes cash; then the coins fall, or count for less."""
    account, asset = flow.one(*SPARE), flow.one(1, 2)
    row = flow.sight.state["collateral"][asset - 1]
    wanted = {V.COLLATERAL_HAIRCUT_PPB: 600_000_000, V.COLLATERAL_CAP_MICROS: 40_000 * UNIT, V.COLLATERAL_ENABLED: 1}
    if not int(row["lots_per_coin"]):
        wanted = {V.COLLATERAL_CONTRACT: asset - 1, V.COLLATERAL_LOTS_PER_COIN: 53} | wanted
    for code, value in wanted.items():
        yield build.directive(CommandKind.VENUE_SET, code=code, index=asset, value=value)
    contract = int(row["contract_slot"])
    yield from bare(flow, account)
    yield from tick(flow, contract, flow.levels[contract])
    coin = int(row["coin_micros"])
    if not coin:
        return
    units = flow.one(300, 3_000) * UNIT * 100_000_000 // coin
    yield build.directive(CommandKind.DEPOSIT, account_slot=account, index=asset, amount_micros=units)
    yield deposit(flow, account, flow.one(1, 20))
    traded = flow.contract()
    lots = carried(flow, account, traded, 0.6)
    yield from meet(flow, account, MAKERS[0], traded, lots)
    yield from tick(flow, traded, flow.price(traded) * flow.one(0.98, 0.97))
    held = flow.sight.size(account, traded)
    if held > 0:
        price, part = max(round(flow.price(traded)), 1), flow.one(held, held, flow.lots(traded, held // 2))
        yield flow.order(MAKERS[1], traded, Side.BUY, part, price)
        yield flow.order(account, traded, Side.SELL, part, price, tif=TimeInForce.IOC)
    if flow.chance() < 0.5:
        yield build.directive(CommandKind.FUND_DEPOSIT, amount_micros=5_000 * UNIT)
    if flow.chance() < 0.6:
        value = flow.one(700_000_000, 800_000_000, 990_000_000, 1_000_000_000)
        yield build.directive(CommandKind.VENUE_SET, code=V.COLLATERAL_HAIRCUT_PPB, index=asset, value=value)
        flow.restore(
            build.directive(CommandKind.VENUE_SET, code=V.COLLATERAL_HAIRCUT_PPB, index=asset, value=600_000_000), 5
        )
    yield from tick(flow, contract, flow.levels[contract] * flow.one(1.0, 0.9, 0.7))
    yield next_tick(flow)


def edge(flow: Any) -> Iterator[Rows]:
    """An account in liquidation, or near it, gets exactly what brings it to an edge; the price stands still."""
    contract = flow.contract()
    flow.moods[contract].drift, flow.moods[contract].noise, flow.moods[contract].spread = 0.0, 0.0, 0.0
    for account in GAMBLERS:
        equity, maintenance, _, _ = flow.sight.figures(account)
        if maintenance > 0:
            half, fifth = -(-maintenance // 2), maintenance // 5
            wanted = flow.one(maintenance, half, maintenance // 2, maintenance + fifth, maintenance + maintenance // 2)
            missing = wanted - equity + flow.one(-1, 0, 0, 1)
            if missing > 0:
                yield build.deposit(account, missing)
    yield from tick(flow, contract, flow.levels[contract])


def outage(flow: Any) -> Iterator[Rows]:
    """The sources of a contract fall silent one after the other and come back, with trading in between."""
    contract = flow.contract()
    count = len(flow.market(contract).weights)
    yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=flow.one(2, 5) * SECOND)
    for live in flow.one((0, 1, 0, 8), (1, 0, 8), (1, 8), (0, 8)):
        until = flow.now_ns + 12 * SECOND
        while flow.now_ns < until:
            yield from tick(flow, contract, flow.levels[contract] * flow.one(0.97, 1.0, 1.0, 1.03), live)
            for other in range(len(flow.markets)):
                if other != contract and flow.chance() < 0.8:
                    yield from flow.sources(other)
            yield from flow.trading()
            if flow.chance() < 0.1:
                yield build.contract_state(contract, flow.one(*MarketState))
            if flow.chance() < 0.1:
                yield build.directive(CommandKind.DEPOSIT, account_slot=3, index=flow.one(1, 2), amount_micros=1000)
            yield build.time(time_ns=flow.now_ns + flow.one(1, 2, 3) * SECOND)
        if live > count:
            break
    yield build.contract_state(contract, MarketState.OPEN)


def dusty(flow: Any) -> Iterator[Rows]:
    """Positions of the smallest size, money of a few micros, prices of one tick more or less."""
    contract, account = flow.contract(), flow.gambler()
    free = flow.sight.figures(account)[3]
    if free > 0:
        yield build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=free)
    yield build.deposit(account, round(flow.lot_micros(contract) * flow.lots(contract, 1) * 0.11) + flow.below(9))
    yield from meet(flow, account, MAKERS[0], contract, flow.lots(contract, 1))
    for factor in (1.01, 0.96, 0.9):
        yield flow.taking(account, contract, Side.SELL, flow.lots(contract, 1), flags=ExecInst.REDUCE_ONLY)
        yield from tick(flow, contract, flow.price(contract) * factor)


def lone_isolated(flow: Any) -> Iterator[Rows]:
    """An isolated position beside cross ones falls, and with it a short on the other side that is isolated too."""
    contract = flow.contract()
    flats = flow.flat(contract)
    if len(flats) < 2:
        return
    first, second = flow.one(flats[:2], flats[-2:])
    for account in (first, second):
        yield build.mass_cancel(account)
        yield deposit(flow, account, flow.one(400, 2500))
        yield build.directive(
            CommandKind.SET_MARGIN_MODE, account_slot=account, contract_slot=contract, value=flow.one(1, 1, 0)
        )
    yield from emptied(flow, contract)
    yield from meet(flow, first, second, contract, carried(flow, first, contract, 0.4))
    if flow.chance() < 0.5:
        amount = flow.one(50, -20, 300) * UNIT
        yield build.directive(CommandKind.TRANSFER, account_slot=first, contract_slot=contract, amount_micros=amount)
    for _ in range(3):
        yield from tick(flow, contract, flow.price(contract) * flow.one(0.93, 0.97, 0.88, 1.06))
        if flow.chance() < 0.5:
            yield flow.closing(flow.one(first, second), contract)
        if flow.chance() < 0.3:
            yield flow.quote(contract)
        held = flow.sight.size(first, contract)
        if held and flow.chance() < 0.6:
            yield deposit(flow, first, 5_000)
            side, other = (Side.SELL, Side.BUY) if held > 0 else (Side.BUY, Side.SELL)
            lots, price = flow.lots(contract, 1.4 * abs(held)), max(round(flow.price(contract)), 1)
            yield flow.order(MAKERS[0], contract, other, lots, price)
            yield flow.order(first, contract, side, lots, price, tif=TimeInForce.IOC)


def turned(flow: Any) -> Iterator[Rows]:
    """An isolated position grows, shrinks and turns to the other side."""
    contract, account = flow.contract(), flow.one(*SPARE)
    yield from bare(flow, account)
    yield build.directive(CommandKind.SET_MARGIN_MODE, account_slot=account, contract_slot=contract, value=1)
    yield deposit(flow, account, 9_000)
    yield from emptied(flow, contract)
    lots = flow.lots(contract, 1_500 * UNIT / flow.lot_micros(contract))
    for side, times in ((Side.BUY, 1), (Side.BUY, 1), (Side.SELL, 1), (Side.SELL, 3), (Side.BUY, 4)):
        price, other = max(round(flow.price(contract)), 1), Side.SELL if side == Side.BUY else Side.BUY
        yield flow.order(MAKERS[0], contract, other, times * lots, price)
        yield flow.order(account, contract, side, times * lots, price, tif=TimeInForce.IOC)
        if flow.chance() < 0.4:
            yield from tick(flow, contract, flow.levels[contract] * flow.one(0.995, 1.005))


def settlement(flow: Any) -> Iterator[Rows]:
    """The last contract is settled: a window of half an hour in larger steps, accounts under water at its end."""
    left = [contract for contract in range(len(flow.markets)) if contract not in flow.settled]
    contract = left[-1]
    for asset in (1, 2):
        if int(flow.sight.state["collateral"][asset - 1]["contract_slot"]) == contract:
            yield build.directive(CommandKind.VENUE_SET, code=V.COLLATERAL_HAIRCUT_PPB, index=asset, value=10**9)
    for account in SPARE:
        yield from bare(flow, account)
        yield build.directive(
            CommandKind.SET_MARGIN_MODE, account_slot=account, contract_slot=contract, value=flow.one(0, 1)
        )
        yield deposit(flow, account, flow.one(300, 3_000))
    yield from tick(flow, contract, flow.levels[contract])
    for account in (*SPARE, *SPARE):
        yield from meet(flow, account, MAKERS[0], contract, carried(flow, account, contract, 0.4))
    silent = flow.chance() < 0.3
    if silent:
        yield build.time(time_ns=flow.now_ns + 61 * SECOND)
    yield build.contract_state(contract, MarketState.SETTLED)
    flow.settled.add(contract)
    end = int(flow.sight.contracts[contract]["delivery_ns"])
    if not end:
        return
    yield build.contract_state(contract, flow.one(MarketState.OPEN, MarketState.HALTED, MarketState.SETTLED))
    yield build.contract_set(contract, P.LIQUIDATION_ENABLED, flow.one(0, 0, 1))
    if flow.chance() < 0.7:
        yield build.directive(CommandKind.VENUE_SET, code=V.INDEX_STALE_NS, value=60 * SECOND)
        flow.restore(build.directive(CommandKind.VENUE_SET, code=V.INDEX_STALE_NS, value=10 * SECOND), 1800)
    fall = flow.one(1.0, 0.85, 0.7)
    level = flow.levels[contract] * fall
    while flow.now_ns < end:
        for other in range(len(flow.markets)):
            if other != contract:
                yield from flow.sources(other)
            elif not silent:
                yield from tick(flow, contract, level * (1 + 0.01 * flow.chance()))
        for _ in range(flow.below(3)):
            yield from flow.trading()
        yield build.time(time_ns=min(flow.now_ns + flow.one(30, 45, 90, 200) * SECOND, end + SECOND))
    for _ in range(4):
        yield from flow.trading()
        yield next_tick(flow)
    yield build.directive(CommandKind.FUND_DEPOSIT, amount_micros=flow.one(10, 10_000, 1_000_000) * UNIT)
    yield next_tick(flow)


EPISODES = (
    crash_of_many,
    twins,
    exact,
    long_queue,
    owing,
    exhausted,
    ruin,
    brink,
    outage,
    exact,
    dusty,
    twins,
    lone_isolated,
    turned,
    owing,
    exhausted,
    edge,
)
"""In the order in which they come, from a place that the seed gives."""
