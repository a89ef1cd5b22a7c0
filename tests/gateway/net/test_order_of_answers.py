"""Answers on a connection come in the order of its requests, and its close comes behind them, over real sockets."""

import asyncio
import json

from bench.gateway_load import client_frame
from tests.gateway.live import BTC, market, play, request, until
from tests.gateway.net.test_flow_control import opened
from tests.gateway.socketless_venue import frame_at

TEXT, CLOSE = 0x81, 0x88
ORDER = {"instrument_name": BTC, "amount": 0.01, "price": 18_000, "type": "limit"}


class Link:
    """A websocket without a library, logged in as another client is."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self._data, self._at = b"", 0

    @classmethod
    async def of(cls, server, client):
        link = cls(*await opened(server))
        login = {"grant_type": "client_credentials", "client_id": client.key_id, "client_secret": client._secret}
        link.send(request(0, "public/auth", **login))
        assert (await link.told())["id"] == 0
        return link

    def send(self, *messages):
        """All in one write."""
        self.writer.write(b"".join(map(client_frame, messages)))

    async def heard(self):
        """The next frame: (first byte, payload)."""
        async with asyncio.timeout(60):
            while (frame := frame_at(self._data, self._at)) is None:
                more = await self.reader.read(1 << 16)
                assert more, "the connection ended"
                self._data += more
        self._at, first, _, payload = frame
        return first, payload

    async def told(self):
        """The next frame, which is a text."""
        first, payload = await self.heard()
        assert first == TEXT
        return json.loads(payload)


def test_a_refusal_by_the_gateway_keeps_its_place_among_orders(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            link = await Link.of(server, alice)
            asked = [
                request(1, "private/buy", **ORDER),
                request(2, "private/buy", **ORDER | {"instrument_name": "NONE-PERPETUAL"}),
                request(3, "public/test"),
                request(4, "private/buy", **ORDER),
                b'{"jsonrpc":"2.0","id":5,"method":"private/nothing","params":{}}',
                request(6, "private/buy", **ORDER, label="é"),
                request(7, "public/subscribe", channels=[f"book.{BTC}.100ms"]),
            ]
            link.send(*asked)
            answers = [await link.told() for _ in range(8)]
            assert [answer.get("id") for answer in answers] == [1, 2, 3, 4, 5, 6, 7, None]
            assert ["error" in answer for answer in answers[:7]] == [False, True, False, False, True, False, False]
            server.venue.context.shut_down()
            orders = [request(number, "private/buy", **ORDER) for number in (8, 9, 11)]
            link.send(*orders[:2], request(10, "private/cancel_all"), orders[2])
            answers = []
            while len(answers) < 4:
                answer = await link.told()
                answers += [answer] if "id" in answer else []
            assert [answer["id"] for answer in answers] == [8, 9, 10, 11] and answers[2]["result"] == 3
            link.writer.close()

    play(story())


def test_a_close_comes_behind_all_answers_also_those_that_wait_for_the_disk(tmp_path, monkeypatch):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            link = await Link.of(server, alice)
            sequencer = server.venue.sequencer
            durable = type(sequencer.engine).durable_seq
            monkeypatch.setattr(type(sequencer.engine), "durable_seq", property(lambda engine: 0))
            link.send(request(1, "private/buy", **ORDER))
            await until(lambda: sequencer.unsent)
            waits = sequencer.unsent
            goodbye = b"\x88\x82mask" + bytes(one ^ key for one, key in zip((1000).to_bytes(2), b"ma", strict=True))
            link.writer.write(client_frame(request(2, "private/buy", **ORDER)) + goodbye)
            await until(lambda: sequencer.unsent > waits)
            first_seq = sequencer._outbox[0][0]
            monkeypatch.setattr(type(sequencer.engine), "durable_seq", property(lambda engine: first_seq))
            frames = [await link.heard()]
            monkeypatch.setattr(type(sequencer.engine), "durable_seq", durable)
            frames += [await link.heard() for _ in range(2)]
            assert [first for first, _ in frames] == [TEXT, TEXT, CLOSE]
            assert [json.loads(payload)["id"] for _, payload in frames[:2]] == [1, 2]
            assert frames[2][1][:2] == (1000).to_bytes(2) and await link.reader.read() == b""
            link.writer.close()

    play(story())
