"""A real server whose index comes over real sockets from three local venues."""

from contextlib import AsyncExitStack

from gateway.index_feeds.adapters import ADAPTERS
from gateway.registry.registry import Registry
from tests.gateway.index_feeds.feeds import FEEDS, LocalVenue
from tests.gateway.live import BTC, config_of, play, running, set_up, until

ROUTES = f"{BTC}=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD"


def test_a_server_takes_its_index_from_live_books(tmp_path, monkeypatch):
    feeds = {feed.name: feed() for feed in FEEDS}

    async def story():
        async with AsyncExitStack() as stack:
            for name, feed in feeds.items():
                script = [feed.status(), feed.snapshot(feed.pair, [(20_000, 1)], [(20_001, 1)]), feed.heartbeat()]
                venue = await stack.enter_async_context(LocalVenue(script))
                monkeypatch.setattr(ADAPTERS[name], "url", venue.url)
            config = config_of(tmp_path, scripted_index="", index_feeds=ROUTES)
            config.registry.parent.mkdir(parents=True, exist_ok=True)
            Registry(config.registry).close()
            set_up(config)
            server = await stack.enter_async_context(running(config))
            state = server.venue.engine.root[0]["contracts"][0]
            await until(lambda: state["source"]["time_ns"][:3].all())
            return [int(price) for price in state["source"]["price_subticks"][:3]], int(state["index_subticks"])

    assert play(story()) == ([40_001_000] * 3, 40_001_000)
