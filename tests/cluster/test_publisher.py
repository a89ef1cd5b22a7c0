"""Each message is stored once and in order, whatever the network does; a publisher that is fenced confirms nothing."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from engine import host
from gateway.cluster import publisher
from gateway.cluster.beginning import FencedError, epoch_message
from gateway.cluster.messages import Author, Beat, Message, Place, RecordMessage
from gateway.cluster.publisher import LostError, Publisher
from tests.cluster.small_stream import SmallStream

OWN, OTHER = Author(3, "a"), Author(4, "b")
EPOCH = epoch_message(OWN, host.LogEnd(0, 0, 0, bytes(32)), "start", [])
TAKEN_OVER = epoch_message(OTHER, host.LogEnd(1, 5, 6, bytes(32)), "takeover", [])
SECONDS = 60


def record(number: int) -> RecordMessage:
    return RecordMessage(OWN, Place(1, number + 1), number + 1, number + 1, bytes(32), b"%d" % number)


class Story:
    """A publisher on a small stream; what it has confirmed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seed: int = 1, faults: float = 0.0) -> None:
        monkeypatch.setattr(publisher, "REPLY_MS", 5)
        monkeypatch.setattr(publisher, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(publisher, "LOST_MS", 20)
        self.stream = SmallStream(Random(seed), faults)
        self.stream.store(0, EPOCH)
        self.publisher = Publisher(self.stream, OWN, 1)
        self.confirmed: list[Message] = []
        self.publisher.on_confirmed = self.confirmed.append

    def play(self, story: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(SECONDS):
                await self.stream.connect()
                await story

        asyncio.run(limited())

    async def until_fenced(self) -> None:
        with pytest.raises(FencedError, match="node b leads since epoch 4"):
            await self.publisher.run()


@pytest.mark.parametrize("seed", range(12))
def test_each_message_is_stored_once_and_in_order(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    story = Story(monkeypatch, seed)
    sent = [record(number) for number in range(120)]

    async def play() -> None:
        story.stream.faults = 0.15
        running = asyncio.create_task(story.publisher.run())
        for message in sent:
            story.publisher.put(message)
            assert story.confirmed == [] or story.confirmed[-1] in story.stream.stored
            await asyncio.sleep(0)
        while story.publisher.waiting:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.001)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    story.play(play())
    assert story.stream.stored == [EPOCH, *sent]
    assert story.confirmed[-1] == sent[-1]


def test_one_that_is_fenced_confirms_nothing_behind_the_other_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)

    async def play() -> None:
        story.stream.store(1, TAKEN_OVER)
        story.publisher.put(record(0))
        await story.until_fenced()

    story.play(play())
    assert story.confirmed == [] and story.stream.stored == [EPOCH, TAKEN_OVER]


def test_one_that_has_nothing_to_publish_hears_who_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)

    async def play() -> None:
        fenced = asyncio.create_task(story.until_fenced())
        await asyncio.sleep(0)
        story.stream.on_beat(Beat(epoch=4, node="b", last_seq=1))  # a word alone does not fence
        await asyncio.sleep(0.01)
        assert not fenced.done() and story.publisher.state == "leading"
        story.stream.store(1, TAKEN_OVER)
        story.stream.on_beat(Beat(epoch=4, node="b", last_seq=1))
        await fenced

    story.play(play())


def test_a_stream_that_lacks_what_it_confirmed_or_has_what_was_not_sent_is_not_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for change, named in (
        (lambda stored: stored.pop(), "has lost messages"),
        (lambda stored: stored.append(record(7)), "that this process did not send"),
    ):
        story = Story(monkeypatch)

        async def play(story: Story = story, change: Any = change, named: str = named) -> None:
            running = asyncio.create_task(story.publisher.run())
            story.publisher.put(record(0))
            while story.publisher.waiting:
                await asyncio.sleep(0)
            change(story.stream.stored)
            story.publisher.put(record(1))
            with pytest.raises(LostError, match=named):
                await running

        story.play(play())


def test_one_message_is_under_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(monkeypatch)
    sent: list[int] = []

    async def hold(expected: int, message: Message, answered: Any) -> None:
        sent.append(expected)

    async def play() -> None:
        monkeypatch.setattr(publisher, "REPLY_MS", 600_000)
        monkeypatch.setattr(story.stream, "publish", hold)
        running = asyncio.create_task(story.publisher.run())
        for number in range(10):
            story.publisher.put(record(number))
            await asyncio.sleep(0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    story.play(play())
    assert sent == [1]


def test_what_a_network_held_back_is_not_stored_behind_another_nodes_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut ends: what was under way arrives behind the epoch of the node that took over, which has the place of the
    first. A second one would fit behind it, and its sender would take the first for stored.
    """
    story = Story(monkeypatch)
    held: list[tuple[int, Message]] = []

    async def cut(expected: int, message: Message, answered: Any) -> None:
        held.append((expected, message))

    async def play() -> None:
        publish = story.stream.publish
        monkeypatch.setattr(story.stream, "publish", cut)
        running = asyncio.create_task(story.until_fenced())
        for number in range(3):
            story.publisher.put(record(number))
        while not held:
            await asyncio.sleep(0)
        story.stream.store(1, TAKEN_OVER)
        monkeypatch.setattr(story.stream, "publish", publish)
        for each in held:
            story.stream.store(*each)
        await running

    story.play(play())
    assert story.confirmed == [] and story.stream.stored == [EPOCH, TAKEN_OVER]
