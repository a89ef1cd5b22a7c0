"""Live index feeds: recorded captures with every checksum, documented messages, and a local server that replays."""

import asyncio
import lzma
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import picows
import pytest

from engine.codes import CommandKind
from engine.schema import DIRECTIVE
from gateway.index_feeds.adapter import Adapter, Book, DesyncError, Quote
from gateway.index_feeds.coinbase import Coinbase
from gateway.index_feeds.index_publisher import FeedScriptError, IndexPublisher, parse_routes
from gateway.index_feeds.kraken import Kraken
from gateway.index_feeds.okx import Okx
from gateway.index_feeds.source_connection import OutlierFilter, Source
from gateway.wire.decimals import Contract, Unit

CAPTURES = Path(__file__).parents[4] / "shared" / "data" / "ws_captures"
needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="the captures are not there: ../shared/data")
KRAKEN_PAIRS = ["WAVES/EUR", "XMR/USD", "KSM/XBT", "GRT/ETH", "SC/EUR", "ETH/CHF", "OCEAN/XBT", "OMG/USD"]
KRAKEN_PAIRS += ["XBT/CHF", "ADA/XBT"]


def messages(name: str) -> Iterator[bytes]:
    """What a venue sent, in order."""
    with lzma.open(CAPTURES / name, "rb") as file:
        for line in file:
            stamp, _, text = line.rstrip(b"\n").partition(b": ")
            if stamp[:1].isdigit():
                yield text


@needs_captures
def test_kraken_capture_with_every_checksum() -> None:
    adapter = Kraken(KRAKEN_PAIRS, depth=1000)
    quotes = [quote for message in messages("KRAKEN.ws.50.0.xz") for quote in adapter.receive(message)]
    assert {quote.pair for quote in quotes} == set(KRAKEN_PAIRS)
    assert len(quotes) > 3000
    bitcoin = [quote for quote in quotes if quote.pair == "XBT/CHF"]
    assert all(Decimal(55_000) < quote.price < Decimal(58_000) for quote in bitcoin)
    assert bitcoin[-1].time_ns // 10**9 >= 1_618_678_133


@needs_captures
def test_okx_capture_with_every_checksum() -> None:
    adapter = Okx(["BTC-USDT"])
    quotes = [quote for message in messages("OKX.ws.1.0.xz") for quote in adapter.receive(message)]
    spot = [quote for quote in quotes if quote.pair == "BTC-USDT"]
    assert len(spot) > 50
    assert all(Decimal(30_200) < quote.price < Decimal(30_300) for quote in spot)
    assert spot[0].time_ns == 1_652_459_225_381_000_000


@needs_captures
@pytest.mark.parametrize("name", ["KRAKEN.ws.50.0.xz", "OKX.ws.1.0.xz"])
def test_a_lost_update_is_noticed(name: str) -> None:
    adapter: Adapter = Kraken(KRAKEN_PAIRS, depth=1000) if "KRAKEN" in name else Okx(["BTC-USDT"])
    updates = 0
    with pytest.raises(DesyncError, match="checksum"):
        for message in messages(name):
            best = b'"c":"' in message or b'"action":"update"' in message
            updates += best
            if best and updates == 30:
                continue
            adapter.receive(message)


SNAPSHOT = b'{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45"]],"asks":[["10102.55","0.57"]]}'
UPDATE = (
    b'{"type":"l2update","product_id":"BTC-USD","time":"2022-08-04T15:25:05.010758Z",'
    b'"changes":[["buy","10101.80000000","0.162567"],["sell","10102.55","0"],["sell","10102.60","1"]]}'
)


def test_coinbase_messages() -> None:
    adapter = Coinbase(["BTC-USD"])
    assert b"level2_batch" in adapter.subscribe()[0] and b"BTC-USD" in adapter.subscribe()[0]
    assert adapter.receive(b'{"type":"subscriptions","channels":[]}') == []
    assert adapter.receive(SNAPSHOT) == [Quote("BTC-USD", Decimal("10101.825"), 0)]
    assert adapter.receive(UPDATE) == [Quote("BTC-USD", Decimal("10102.2"), 1_659_626_705_010_758_000)]
    assert adapter.receive(b'{"type":"heartbeat","sequence":90,"product_id":"BTC-USD"}') == []


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (Coinbase(["BTC-USD"]), UPDATE),
        (Coinbase(["BTC-USD"]), b'{"type":"error","message":"Failed to subscribe"}'),
        (Coinbase(["BTC-USD"]), b"not json"),
        (Coinbase(["BTC-USD"]), SNAPSHOT.replace(b"10101.10", b"NaN")),
        (Coinbase(["BTC-USD"]), SNAPSHOT.replace(b"0.45", b"-1")),
        (Okx(["BTC-USDT"]), b'{"event":"error","msg":"wrong channel"}'),
        (Okx(["BTC-USDT"]), b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[]}'),
        (Okx(["BTC-USDT"]), b"[1]"),
        (Kraken(["XBT/USD"]), b'{"event":"subscriptionStatus","status":"error","errorMessage":"no such pair"}'),
        (Kraken(["XBT/USD"]), b'[1,{"as":[["1"]]},"book-10","XBT/USD"]'),
    ],
)
def test_what_cannot_be_trusted_is_an_error(adapter: Adapter, message: bytes) -> None:
    with pytest.raises(DesyncError):
        adapter.receive(message)


def test_crossed_and_wide_books_say_nothing() -> None:
    book = Book()
    book.put([("100", "1")], [("101", "1")])
    assert book.middle() == Decimal("100.5")
    book.put([("101.5", "1")], [])
    assert book.middle() is None, "crossed"
    book.put([("101.5", "0"), ("100", "0"), ("90", "1")], [])
    assert book.middle() is None, "wide"


def test_an_outlier_counts_when_it_is_repeated() -> None:
    outliers = OutlierFilter()
    prices = ["100", "101", "150", "100.5", "150", "151", "152"]
    taken = [price for price in prices if outliers.accepts(Quote("X", Decimal(price), 0))]
    assert taken == ["100", "101", "100.5", "151", "152"]


def test_routes() -> None:
    routes = parse_routes("BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD")
    assert [(route.source, route.venue, route.pair) for route in routes] == [
        (0, "kraken", "XBT/USD"),
        (1, "okx", "BTC-USDT"),
        (2, "coinbase", "BTC-USD"),
    ]
    for wrong in ("BTC", "BTC=nowhere:X", "BTC=kraken", "=kraken:X"):
        with pytest.raises(FeedScriptError, match="index_feeds"):
            parse_routes(wrong)


class _Peer(picows.WSListener):
    """A venue that sends its script to whoever subscribes, then hangs up or goes silent."""

    def __init__(self, venue: "_Venue") -> None:
        super().__init__()
        self._venue = venue

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT and b"subscribe" in frame.get_payload_as_bytes():
            self._venue.subscriptions += 1
            for message in self._venue.script:
                transport.send(picows.WSMsgType.TEXT, message)
            if self._venue.hangs_up:
                transport.disconnect()


class _Venue:
    """A local server that replays a script."""

    def __init__(self, script: list[bytes], hangs_up: bool = False) -> None:
        self.script, self.hangs_up, self.subscriptions = script, hangs_up, 0

    async def __aenter__(self) -> "_Venue":
        self._server = await picows.ws_create_server(lambda request: _Peer(self), "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()


async def _collect(script: list[bytes], hangs_up: bool, seconds: float, silence_s: float = 5) -> tuple[Any, Any, Any]:
    async with _Venue(script, hangs_up) as venue:
        adapter = Coinbase(["BTC-USD"])
        adapter.url = venue.url
        quotes: list[Quote] = []
        source = Source(adapter, lambda _, quote: quotes.append(quote), silence_s)
        task = asyncio.create_task(source.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return venue, source, quotes


def test_a_local_venue_is_followed() -> None:
    venue, source, quotes = asyncio.run(_collect([SNAPSHOT, UPDATE], False, 0.4))
    assert [quote.price for quote in quotes] == [Decimal("10101.825"), Decimal("10102.2")]
    assert venue.subscriptions == 1 and source.is_alive


def test_a_hung_up_connection_is_made_again() -> None:
    venue, source, quotes = asyncio.run(_collect([SNAPSHOT], True, 1.8))
    assert venue.subscriptions >= 2
    assert len(quotes) == venue.subscriptions == source.connections


def test_a_broken_book_is_subscribed_to_again() -> None:
    venue, source, _ = asyncio.run(_collect([SNAPSHOT, b'{"type":"l2update"}'], False, 1.8))
    assert venue.subscriptions >= 2
    assert not source.is_alive


def test_a_silent_venue_is_left() -> None:
    venue, source, _ = asyncio.run(_collect([SNAPSHOT], False, 2.6, silence_s=0.6))
    assert venue.subscriptions >= 2
    assert "silent" in source.state or source.connections >= 2


def test_the_pump_makes_index_rows_while_the_venue_lives() -> None:
    contract = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.001"))
    routes = parse_routes("BTC_USDC-PERPETUAL=okx:BTC-USDT,coinbase:BTC-USD")

    async def pumped() -> list[list[bytes]]:
        async with _Venue([SNAPSHOT, UPDATE]) as venue, _Venue([]) as silent:
            pump = IndexPublisher(routes, lambda name: contract, {"coinbase": venue.url, "okx": silent.url})
            tasks = [asyncio.create_task(source.run()) for source in pump.sources]
            before = pump.rows(5)
            await asyncio.sleep(0.4)
            alive = pump.rows(6)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for source in pump.sources:
                source.state = "lost"
            return [before, alive, pump.rows(7)]

    before, alive, after = asyncio.run(pumped())
    assert before == after == []
    row = np.frombuffer(alive[0], DIRECTIVE)[0]
    assert len(alive) == 1
    assert (row["kind"], row["code"], row["price_subticks"]) == (CommandKind.INDEX_PRICE, 1, 20_204_400)
    assert row["source_time_ns"] == 6
