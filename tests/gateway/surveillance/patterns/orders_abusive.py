"""Abusive patterns of orders: quantity that is shown in order to be withdrawn."""

from collections.abc import Sequence

from engine.codes import ExecInst
from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.market import BUY, SELL, Market, Script, expiring

Own = Sequence[int]


def _sign(side: int) -> int:
    return 1 if side == BUY else -1


def _wall(market: Market, account: int, side: int, orders: int, lots: int, away: int = 30, **fields: int) -> list[int]:
    """Orders of one side below (above) the price, where nobody gets to them soon."""
    sign = _sign(side)
    prices = [market.fair_ticks - sign * (away + 6 * place) for place in range(orders)]
    return [market.submit(account, side, lots, price, **fields) for price in prices]


def _genuine(market: Market, account: int, side: int, lots: int, **fields: int) -> int:
    """A small order of the other side, better than anybody's."""
    return market.submit(account, 3 - side, lots, market.fair_ticks + 3 * _sign(side), **fields)


def _sides(market: Market, times: int) -> list[int]:
    """A side for each round, in turns."""
    first = int(market.rng.integers(2))
    return [(BUY, SELL)[(first + place) % 2] for place in range(times)]


def one_large_order(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 2):
            genuine = _genuine(market, own[0], side, 10)
            wall = _wall(market, own[0], side, 1, 400)
            yield from market.until_filled(genuine, 5, 15)
            yield market.pause(0.3, 1)
            market.cancel(own[0], *wall, genuine)
            yield market.pause(30, 60)

    return [script()]


def layers(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 5):
            genuine = _genuine(market, own[0], side, 15)
            wall = _wall(market, own[0], side, 5, 60)
            yield from market.until_filled(genuine, 8, 15)
            for order in wall:
                market.cancel(own[0], order)
                yield 0.1
            market.cancel(own[0], genuine)
            yield market.pause(15, 40)

    return [script()]


def iceberg(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 5):
            genuine = _genuine(market, own[0], side, 60, display_lots=5, flags=int(ExecInst.ICEBERG))
            wall = _wall(market, own[0], side, 4, 110)
            yield from market.until_filled(genuine, 20, 18)
            market.cancel(own[0], *wall, genuine)
            yield market.pause(15, 40)

    return [script()]


def repriced(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 2):
            wall = _wall(market, own[0], side, 5, 120)
            for _ in range(40):
                genuine = _genuine(market, own[0], side, 12)
                yield market.pause(0.8, 2)
                market.cancel(own[0], genuine)
                for place, order in enumerate(wall):
                    market.amend(own[0], order, 120, market.fair_ticks - _sign(side) * (36 + 6 * place))
            market.cancel(own[0], *wall)
            yield market.pause(20, 40)

    return [script()]


def kept(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 5):
            genuine = _genuine(market, own[0], side, 15)
            wall = _wall(market, own[0], side, 2, 200)
            yield from market.until_filled(genuine, 10, 6)
            market.cancel(own[0], genuine)
            yield 12
            market.cancel(own[0], *wall)
            yield market.pause(15, 40)

    return [script()]


def flip(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 6):
            wall = _wall(market, own[0], side, 4, 100, away=13)
            yield market.pause(0.8, 2.5)
            market.cancel(own[0], *wall)
            yield 0.01
            market.take(own[0], 3 - side, 60)
            yield market.pause(15, 40)

    return [script()]


def amended(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 5):
            genuine = _genuine(market, own[0], side, 15)
            wall = _wall(market, own[0], side, 4, 100)
            yield from market.until_filled(genuine, 8, 15)
            for order in wall:
                market.amend(own[0], order, 1)
            yield market.pause(8, 15)
            market.cancel(own[0], *wall, genuine)
            yield market.pause(10, 30)

    return [script()]


def expired(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 6):
            genuine = _genuine(market, own[0], side, 15)
            _wall(market, own[0], side, 4, 100, **expiring(market, int(market.rng.integers(5, 10))))
            yield from market.until_filled(genuine, 8, 5)
            yield 8
            market.cancel(own[0], genuine)
            yield market.pause(15, 30)

    return [script()]


def two_accounts(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 5):
            genuine = _genuine(market, own[0], side, 15)
            wall = _wall(market, own[1], side, 3, 120)
            yield from market.until_filled(genuine, 8, 15)
            market.cancel(own[1], *wall)
            market.cancel(own[0], genuine)
            yield market.pause(15, 40)

    return [script()]


def flashing(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 2):
            for _ in range(45):
                wall = _wall(market, own[0], side, 1, 350, away=16)
                yield market.pause(0.2, 0.7)
                market.cancel(own[0], *wall)
                yield market.pause(0.5, 1.5)
            yield 20

    return [script()]


def stuffing(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for side in _sides(market, 2):
            for _ in range(1500):
                order = market.submit(own[0], side, 1, market.fair_ticks - 600 * _sign(side))
                market.cancel(own[0], order)
                yield 0.02
            yield 60

    return [script()]


ORDERS_ABUSIVE = (
    Pattern(
        "one large order against a small trade",
        "One order of 40 times the quantity that is sold on the other side is cancelled when that is filled.",
        "CFTC Docket No. 18-11",
        one_large_order,
        ("spoofing",),
    ),
    Pattern(
        "layers cancelled one by one",
        "Five orders at progressive prices, cancelled as soon as a small order of the other side is filled; in turns.",
        "CFTC Docket No. 13-26 (Panther Energy Trading)",
        layers,
        ("spoofing",),
    ),
    Pattern(
        "iceberg behind shown orders",
        "The order that is to be filled is an iceberg; the ones that are to be cancelled are fully shown.",
        "CFTC Docket No. 20-06 (Tower Research Capital)",
        iceberg,
        ("spoofing",),
    ),
    Pattern(
        "walls that are re-priced",
        "Large orders follow the market by amendments, some levels away; small ones of the other side are filled.",
        "CFTC, No. 15-cv-3398 (N.D. Ill.)",
        repriced,
        ("spoofing",),
    ),
    Pattern(
        "walls that stay for 12 s",
        "Two large orders outlive the fill by 12 s before they are cancelled.",
        "CFTC Docket No. 20-69 (JPMorgan Chase); the 12 s are our variant",
        kept,
        ("spoofing",),
    ),
    Pattern(
        "spoof and flip",
        "Large orders near the best price are cancelled, and at once whoever joined them is traded with.",
        "CFTC v. 3Red Trading, No. 15-cv-9196 (N.D. Ill.)",
        flip,
        ("spoofing",),
    ),
    Pattern(
        "layers amended to one lot",
        "As layering, but the wall is not cancelled: it shrinks to a lot for each order.",
        "FCA v. Da Vinci Invest [2015] EWHC 2401 (Ch), not read; the amendments are our variant",
        amended,
        ("spoofing",),
    ),
    Pattern(
        "layers that expire",
        "As layering, with orders that end by themselves after some seconds.",
        "FSA decision notice of 6 May 2011 (7722656 Canada, Swift Trade); the expiry is our variant",
        expired,
        ("spoofing",),
    ),
    Pattern(
        "wall and trade in two accounts",
        "The wall is one account's, the trade another's of the same client.",
        "NYSE Arca decision 12-ARCA-9 (Hold Brothers On-Line Investment Services)",
        two_accounts,
        ("spoofing",),
        accounts=2,
        one_client=True,
    ),
    Pattern(
        "flashing large orders",
        "A large order near the best price comes and goes in less than a second, 45 times, without any trade.",
        "a CFTC case of September 2018, flashing without a genuine order, as described by Law360 on 25 September 2018",
        flashing,
        ("flashing",),
    ),
    Pattern(
        "quote stuffing",
        "50 orders a second far from the market, each cancelled at once.",
        "Commission Delegated Regulation (EU) 2016/522, Annex II, Section 1: quote stuffing, not read",
        stuffing,
        ("quote_stuffing",),
        seconds=240,
    ),
)
