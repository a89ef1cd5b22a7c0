"""Abusive patterns of trades and prices."""

from collections.abc import Sequence

from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.market import BUY, SELL, Market, Script

Own = Sequence[int]


def _pass(market: Market, seller: int, buyer: int, lots: int, price: int) -> Script:
    """One sells to another: an order inside the spread, and soon one of the same size against it."""
    market.submit(seller, SELL, lots, price)
    yield market.pause(0.05, 0.4)
    market.submit(buyer, BUY, lots, price)
    yield 0.1


def wash(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for place in range(8):
            seller, buyer = own if place % 2 else own[::-1]
            yield from _pass(market, seller, buyer, int(market.rng.integers(10, 40)), market.fair_ticks)
            yield market.pause(10, 40)

    return [script()]


def round_trips(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for _ in range(3):
            lots, price = int(market.rng.integers(30, 90)), market.fair_ticks
            yield from _pass(market, own[0], own[1], lots, price)
            yield market.pause(20, 60)
            yield from _pass(market, own[1], own[0], lots, market.fair_ticks)
            yield market.pause(10, 30)

    return [script()]


def one_round_trip(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        price = market.fair_ticks
        yield from _pass(market, own[0], own[1], 500, price)
        yield 180
        market.index_ticks = float(price)
        yield 3
        yield from _pass(market, own[1], own[0], 500, market.fair_ticks)

    return [script()]


def ring(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for _ in range(3):
            lots = int(market.rng.integers(20, 60))
            for place, seller in enumerate(own):
                yield from _pass(market, seller, own[(place + 1) % len(own)], lots, market.fair_ticks)
                yield market.pause(5, 20)

    return [script()]


def close(market: Market, own: Own) -> list[Script]:
    """Long 600 lots from before; 450 are sold at once in the last half minute before funding."""

    def script() -> Script:
        for _ in range(30):
            market.take(own[0], BUY, 20)
            yield market.pause(4, 6)
        yield (market.begin_ns + 570 * 10**9 - market.now_ns) / 1e9
        for _ in range(6):
            market.take(own[0], SELL, 75, reach_ticks=250)
            yield market.pause(3, 4.5)

    return [script()]


def quotes_at_samples(market: Market, own: Own) -> list[Script]:
    """Short, in a thin market; for the last two minutes a bid stands far above everybody's, and goes after funding."""

    def script() -> Script:
        for _ in range(20):
            market.take(own[0], SELL, 20, reach_ticks=250)
            yield market.pause(8, 12)
        yield (market.begin_ns + 470 * 10**9 - market.now_ns) / 1e9
        bid = market.submit(own[0], BUY, 500, market.fair_ticks + 70)
        while market.now_ns < market.begin_ns + 602 * 10**9:
            market.amend(own[0], bid, 500, market.fair_ticks + 70)
            yield market.pause(4, 8)
        market.cancel(own[0], bid)

    return [script()]


def _followers(market: Market, accounts: Sequence[int]) -> list[Script]:
    """Traders who buy what has risen."""

    def follower(account: int) -> Script:
        before = market.fair_ticks
        while True:
            yield market.pause(1, 3)
            if market.fair_ticks > before + 250:
                market.take(account, BUY, int(market.rng.integers(30, 60)), reach_ticks=120)
            before += (market.fair_ticks - before) // 10

    return [follower(account) for account in accounts]


def ignition(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        yield 60
        for _ in range(16):
            market.take(own[0], BUY, 90, reach_ticks=300)
            yield market.pause(1, 2)
        market.submit(own[0], SELL, 1400, market.fair_ticks - 10)
        yield 60

    return [script(), *_followers(market, own[1:])]


def push_of_a_source(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        for _ in range(30):
            market.take(own[0], BUY, 20)
            yield market.pause(4, 6)
        for _ in range(10):
            market.pushed_ticks[2] += 180.0
            yield 1
        yield 20
        for _ in range(15):
            market.take(own[0], SELL, 40)
            yield market.pause(1, 2)
        market.pushed_ticks[2] = 0.0
        yield 30

    return [script()]


def corner(market: Market, own: Own) -> list[Script]:
    def script() -> Script:
        while market.size(own[0]) < 14_000:
            market.take(own[0], BUY, 60, reach_ticks=60)
            yield 0.5

    def sellers() -> Script:
        while True:
            market.submit(own[1], SELL, 50, market.fair_ticks + 5)
            yield 0.5

    return [script(), sellers()]


TRADES_ABUSIVE = (
    Pattern(
        "wash trades of one client",
        "Two accounts of one client trade with each other.",
        "CFTC Docket No. 21-03 (Coinbase)",
        wash,
        ("wash_trades",),
        accounts=2,
        one_client=True,
    ),
    Pattern(
        "pre-arranged round trips",
        "Two clients sell each other one quantity back and forth, with orders that wait for a blink inside the spread.",
        "CFTC complaint on at least 33 pre-arranged trades in CBOT futures, as described by RegTrail",
        round_trips,
        ("round_trips",),
        accounts=2,
    ),
    Pattern(
        "one round trip, same price in and out",
        "A single trade of 500 lots between two clients and the same trade back three minutes later.",
        "CFTC Docket No. 15-33 (TeraExchange)",
        one_round_trip,
        ("round_trips",),
        accounts=2,
    ),
    Pattern(
        "ring of four clients",
        "A quantity goes around four clients, three times.",
        "indictment of September 2024 (D. Mass.), CLS Global: self-trades from many wallets",
        ring,
        ("ring_trades",),
        accounts=4,
    ),
    Pattern(
        "banging the close",
        "A long of 600 lots; 450 are sold hard in the last half minute before funding.",
        "CFTC v. Optiver US, No. 08-cv-6560 (S.D.N.Y.), not read; CFTC release 5521-08",
        close,
        ("marking",),
        seconds=630,
        market={"start": "15:50"},
    ),
    Pattern(
        "quotes at premium samples",
        "A short with a large bid above everybody else while the last samples before funding are taken.",
        "CFTC Dockets No. 15-25 (Barclays) and 17-03 (Goldman Sachs), USD ISDAFIX",
        quotes_at_samples,
        ("marking_by_quotes",),
        seconds=630,
        market={"start": "15:50", "spread_ticks": 140, "pace": 0.15},
    ),
    Pattern(
        "momentum ignition",
        "Taking drives the price up, others follow, and what was bought is sold to them.",
        "Commission Delegated Regulation (EU) 2016/522, Annex II, Section 1, 4 (e)",
        ignition,
        ("momentum_ignition",),
        accounts=5,
    ),
    Pattern(
        "push of a thin index source",
        "A long is built; then one of three index sources runs away by 1.5 %, and the long is sold.",
        "CFTC, No. 23-cv-00173 (S.D.N.Y.) (Mango Markets), not read",
        push_of_a_source,
        ("index_push",),
    ),
    Pattern(
        "a dominant position",
        "One client buys until it holds half of all open interest.",
        "CFTC v. Parnon Energy, No. 11-cv-3543 (S.D.N.Y.): a dominant position",
        corner,
        ("open_interest",),
        accounts=2,
        seconds=300,
    ),
)
