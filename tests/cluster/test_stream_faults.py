"""What is wrong with a stream or its servers ends in one line, and nobody waits for ever in silence."""

import asyncio
import select
import socket
import subprocess
import sys

import msgspec
import pytest

from engine import host
from gateway.cluster.answers import SetupError
from gateway.cluster.beginning import epoch_message
from gateway.cluster.messages import Author, MessageError, log_subject, stream_name
from gateway.cluster.pipe import Settings
from tests.cluster.servers import free_port, need_servers, one_server

need_servers()
log_stream = pytest.importorskip("gateway.cluster.log_stream", reason="nats-py is not installed")
Stream = pytest.importorskip("gateway.cluster.stream", reason="nats-py is not installed").Stream
EPOCHS = [epoch_message(Author(epoch, "a"), host.LogEnd(0, 0, 0, bytes(32)), "start", []) for epoch in (1, 2, 3)]


def test_servers_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setattr(log_stream, "CONNECT_SECONDS", 1.0)
    address = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(log_stream.StreamError, match=f"{address}: no server answers"):
        asyncio.run(log_stream.LogStream([address], "t").connect())


def test_a_stream_that_is_not_as_it_should_be_is_said(tmp_path):
    async def story(address):
        stream, follows = Stream([address], "t"), log_stream.LogStream([address], "t")
        await stream.connect()
        await follows.connect()
        with pytest.raises(SetupError, match=r"alone, and cluster\.replicas is 3"):
            await stream.ensure(3)
        await stream.ensure(1)
        for place, message in enumerate(EPOCHS):
            assert await follows.publish(message, place) == place + 1
        taken = []
        await follows.connection.publish(log_subject("t"), b"not a venue's")
        with pytest.raises(MessageError, match="stream sequence 4: Lionrock-Kind"):
            await follows.follow(1, taken.append)
        assert [stored.message for stored in taken] == EPOCHS
        await follows.connection.jetstream().purge_stream(stream_name("t"), seq=3)
        with pytest.raises(log_stream.PurgedError, match="begins with message 3, and this node needs 1"):
            await follows.follow(1, taken.append)
        await follows.close()
        stream.drop()

    with one_server(tmp_path / "n1") as server:
        asyncio.run(story(server.address))


def test_a_publisher_ends_without_a_word_when_its_venue_was_killed():
    """With something in the socket that the venue had not read."""
    settings = Settings(servers=[f"nats://127.0.0.1:{free_port()}"], venue="t", node="a", replicas=1)
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cluster.publisher_process", msgspec.json.encode(settings).decode()],
        stdin=theirs.fileno(), stderr=subprocess.PIPE,
    )  # fmt: skip
    theirs.close()
    select.select([ours], [], [])
    ours.close()
    assert process.communicate()[1] == b"" and process.returncode == 0
