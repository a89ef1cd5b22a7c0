"""Innocent patterns: nobody who does this may be alarmed about."""

from collections.abc import Sequence

from engine.codes import ExecInst, OrdType, PriceSource, TimeInForce
from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.market import BUY, POST_ONLY, SELL, Market, Script, cash

Own = Sequence[int]


def skewed_maker(market: Market, own: Own) -> list[Script]:
    """Five levels on the side that brings the inventory down, one small order on the other; anew after each fill."""

    def script() -> Script:
        orders: list[int] = []
        while True:
            market.cancel(own[0], *orders)
            heavy = SELL if market.size(own[0]) > 0 else BUY
            orders = []
            for side, sign in ((BUY, -1), (SELL, 1)):
                levels, lots = (5, 60) if side == heavy else (1, 12)
                orders += [
                    market.submit(own[0], side, lots, market.fair_ticks + sign * (6 + 8 * level), flags=POST_ONLY)
                    for level in range(levels)
                ]
            before = market.size(own[0])
            for _ in range(10):
                yield market.pause(0.1, 0.3)
                if market.size(own[0]) != before:
                    break

    return [script()]


def quiet_maker(market: Market, own: Own) -> list[Script]:
    """One order a side, a little behind the others, made anew ten times a second: 40 messages, hardly a trade."""

    def script() -> Script:
        orders: list[int] = []
        while True:
            market.cancel(own[0], *orders)
            orders = [
                market.submit(own[0], side, 20, market.fair_ticks + sign * 60, flags=POST_ONLY)
                for side, sign in ((BUY, -1), (SELL, 1))
            ]
            yield 0.1

    return [script()]


def maker_in_a_fast_market(market: Market, own: Own) -> list[Script]:
    """Three levels a side, five times a second; after a jump the side that is run over is pulled for some seconds."""

    def script() -> Script:
        market.volatility_ticks = 25.0
        orders: dict[int, list[int]] = {BUY: [], SELL: []}
        before, pulled, until_ns = market.fair_ticks, 0, 0
        while True:
            market.cancel(own[0], *orders[BUY], *orders[SELL])
            if abs(market.fair_ticks - before) > 60:
                pulled, until_ns = (SELL if market.fair_ticks > before else BUY), market.now_ns + 4 * 10**9
            before += (market.fair_ticks - before) // 4
            for side, sign in ((BUY, -1), (SELL, 1)):
                levels = 0 if side == pulled and market.now_ns < until_ns else 3
                orders[side] = [
                    market.submit(own[0], side, 60, market.fair_ticks + sign * (9 + 9 * level), flags=POST_ONLY)
                    for level in range(levels)
                ]
            yield market.pause(0.15, 0.3)

    return [script()]


def hedger(market: Market, own: Own) -> list[Script]:
    """Sells 1,500 lots in equal parts over six minutes."""

    def script() -> Script:
        for _ in range(50):
            market.take(own[0], SELL, 30)
            yield market.pause(6.5, 7.5)

    return [script()]


def honest_iceberg(market: Market, own: Own) -> list[Script]:
    """Buys 900 lots with an iceberg that follows the price each half minute, and gives the rest up at the end."""

    def script() -> Script:
        fields = {"display_lots": 20, "flags": int(ExecInst.ICEBERG)}
        order = market.submit(own[0], BUY, 900, market.fair_ticks - 2, **fields)
        for _ in range(11):
            yield 30
            market.amend(own[0], order, 900, market.fair_ticks - 2)
        market.cancel(own[0], order)

    return [script()]


def stop_losses(market: Market, own: Own) -> list[Script]:
    """Longs with stops one below the other; the index falls by 1.5 %, and one stop sets off the next."""

    def script() -> Script:
        for account in own:
            for _ in range(4):
                market.take(account, BUY, 30)
                yield 1.5
        top = market.fair_ticks - 300
        for place, account in enumerate(own):
            market.submit(
                account, SELL, 120, ord_type=OrdType.STOP_MARKET, trigger_price_ticks=top - 90 * place,
                trigger_source=PriceSource.LAST, flags=int(ExecInst.REDUCE_ONLY), tif=TimeInForce.GTC,
            )  # fmt: skip
        yield 60
        market.drift_ticks = -30.0
        yield 60
        market.drift_ticks = 0.0

    return [script()]


def arbitrageur(market: Market, own: Own) -> list[Script]:
    """Trades what differs from the index, in both directions; meanwhile one index source is wrong for a few seconds."""

    def script() -> Script:
        while True:
            yield market.pause(0.5, 1.5)
            away = market.fair_ticks - market.index_ticks
            if abs(away) > 8:
                market.take(own[0], SELL if away > 0 else BUY, min(20, int(abs(away))), reach_ticks=20)

    def glitch() -> Script:
        yield 200
        market.pushed_ticks[1] = 1000.0
        yield 6
        market.pushed_ticks[1] = 0.0

    return [script(), glitch()]


def change_of_mind(market: Market, own: Own) -> list[Script]:
    """Bids for some seconds, thinks better of it and sells instead; later the other way round."""

    def script() -> Script:
        for side in (BUY, SELL):
            sign = 1 if side == BUY else -1
            order = market.submit(own[0], side, 150, market.fair_ticks - 20 * sign)
            yield market.pause(6, 15)
            market.cancel(own[0], order)
            yield market.pause(1, 3)
            market.take(own[0], 3 - side, 60)
            yield 90

    return [script()]


def rebalancer(market: Market, own: Own) -> list[Script]:
    """A long that is brought down by a quarter around the funding instant, a little at a time."""

    def script() -> Script:
        for _ in range(30):
            market.take(own[0], BUY, 20)
            yield market.pause(4, 6)
        yield (market.begin_ns + 480 * 10**9 - market.now_ns) / 1e9
        for _ in range(15):
            market.take(own[0], SELL, 10)
            yield market.pause(9, 11)

    return [script()]


def liquidations(market: Market, own: Own) -> list[Script]:
    """Longs with too little money; the index falls by 2.5 %, and the venue closes them."""

    def script() -> Script:
        for account in own:
            for _ in range(5):
                market.take(account, BUY, 30)
                yield 1.5
            cash(market, account, 1000)
        yield 60
        market.drift_ticks = -75.0
        yield 60
        market.drift_ticks = 0.0

    return [script()]


INNOCENT = (
    Pattern("maker leaning on its inventory", "Five levels on one side, a small order on the other.", "", skewed_maker),
    Pattern("quiet maker, 40 messages a second", "Re-quotes and hardly trades.", "", quiet_maker, seconds=660),
    Pattern("maker in a fast market", "Re-quotes and pulls a side for some seconds.", "", maker_in_a_fast_market),
    Pattern("large hedger", "1,500 lots in equal parts over six minutes.", "", hedger),
    Pattern("iceberg of an institution", "900 lots with 20 shown, re-priced each half minute.", "", honest_iceberg),
    Pattern("cascade of stops", "One stop sets off the next in a falling market.", "", stop_losses, accounts=6),
    Pattern("arbitrageur, and a source that errs", "Trades the difference to the index, both ways.", "", arbitrageur),
    Pattern("client who changes his mind", "Withdraws an order and does the contrary, twice.", "", change_of_mind),
    Pattern(
        "rebalancer at funding", "Sells a quarter of a long in small parts around the instant.", "", rebalancer,
        seconds=630, market={"start": "15:50"},
    ),
    Pattern("liquidations", "Positions that the venue closes.", "", liquidations, accounts=4),
)  # fmt: skip
