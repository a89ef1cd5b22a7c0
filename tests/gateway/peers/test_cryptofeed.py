"""cryptofeed 3.0.1 takes addresses of TLS only. It hears every channel of its Deribit feed."""

import asyncio
import ssl

from gateway.client import Client
from tests.gateway.live import BTC, play
from tests.gateway.net.test_tls import certificate
from tests.gateway.peers.peer import peer, quote, script
from tests.gateway.peers.table import check


def test_every_channel_is_heard(tmp_path, python_peer):
    python = python_peer("cryptofeed", (3, 13))
    told = play(_story(tmp_path, python), 120)
    assert told["symbols"] == ["BTC", "BTC-USDC-PERP", "ETH", "ETH-USDC-PERP"]
    assert told["heard"] == ["funding", "l1_book", "l2_book", "open_interest", "ticker", "trades"]
    assert told["best"] == {"bid": 19_900, "ask": 20_100}


async def _story(folder, python):
    public, private = certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    async with peer(folder, tls) as venue:
        await quote(venue.maker)
        trading = asyncio.ensure_future(_trade(venue))
        [told] = await venue.run(python, script("cryptofeed_feed.py"), SSL_CERT_FILE=str(public))
        trading.cancel()
        check("cryptofeed", venue.calls)
        return told


async def _trade(venue):
    """Small trades all the time, so that there is one to hear whenever the feed begins."""
    account = venue.key
    async with Client(f"ws://127.0.0.1:{venue.server.port}", account.id, account.secret) as taker:
        while True:
            for method in ("private/buy", "private/sell"):
                await taker.call(method, instrument_name=BTC, amount=0.001, type="market")
            await quote(venue.maker, 0.001)
            await asyncio.sleep(0.2)
