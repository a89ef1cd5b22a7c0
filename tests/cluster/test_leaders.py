"""Which node a client goes to, when one of them stands still. The nodes are sockets that say what a status says."""

import asyncio
import json
from contextlib import asynccontextmanager

import picows

from gateway.client import leaders
from gateway.client.leaders import find_leader


class Says(picows.WSListener):
    """Answers every question with one status; without one it never answers, as a node that stands still."""

    def __init__(self, status):
        super().__init__()
        self.status = status

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.TEXT and self.status:
            answer = {"jsonrpc": "2.0", "id": 1, "result": {"cluster": self.status}}
            transport.send(picows.WSMsgType.TEXT, json.dumps(answer).encode())


@asynccontextmanager
async def nodes(*statuses):
    servers = [
        await picows.ws_create_server(lambda _, status=status: Says(status), "127.0.0.1", 0) for status in statuses
    ]
    try:
        yield [f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    finally:
        for server in servers:
            server.close()


def test_a_newer_leader_is_gone_to_without_waiting_for_a_node_that_stands_still(monkeypatch):
    monkeypatch.setattr(leaders, "ASK_SECONDS", 3600.0)

    async def story():
        async with nodes(None, {"role": "standby", "epoch": 3}, {"role": "leader", "epoch": 3}) as urls:
            assert (await find_leader(urls, known_epoch=2))[:2] == (3, urls[2])

    asyncio.run(story())


def test_the_highest_epoch_leads(monkeypatch):
    monkeypatch.setattr(leaders, "ASK_SECONDS", 3600.0)

    async def story():
        async with nodes({"role": "leader", "epoch": 3}, {"role": "leader", "epoch": 2}) as urls:
            assert (await find_leader(urls))[:2] == (3, urls[0])
            assert (await find_leader(urls, known_epoch=3))[:2] == (3, urls[0])

    asyncio.run(story())


def test_a_node_that_stands_still_does_not_lead(monkeypatch):
    monkeypatch.setattr(leaders, "ASK_SECONDS", 0.1)

    async def story():
        async with nodes(None) as urls:
            assert await find_leader(urls, known_epoch=2) is None

    asyncio.run(story())
