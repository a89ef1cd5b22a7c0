"""A stream in memory, with a network that loses, delays and refuses by seed: what the publisher must live with."""

import asyncio
from collections.abc import Callable
from random import Random

from gateway.cluster.answers import Last, Reply, StreamError
from gateway.cluster.messages import Beat, Message


class SmallStream:
    """What it stores is what a JetStream server would: a message behind the sequence that it expects, else nothing."""

    def __init__(self, rolls: Random, faults: float) -> None:
        self._rolls, self.faults = rolls, faults
        self.stored: list[Message] = []
        self._late: list[tuple[int, Message]] = []
        """What an ended connection still has in its buffers."""
        self._connection = 0
        self._is_connected = False
        self.on_lost: Callable[[], None] = lambda: None
        self.on_beat: Callable[[Beat], None] = lambda beat: None

    @property
    def server(self) -> str:
        return "nats://small" if self._is_connected else ""

    async def connect(self) -> None:
        await asyncio.sleep(0)
        if self._fails():
            raise StreamError("no server answers")
        self._connection += 1
        self._is_connected = True

    def drop(self) -> None:
        self._is_connected = False

    def _fails(self) -> bool:
        return self._rolls.random() < self.faults

    def store(self, expected: int, message: Message) -> int:
        """The sequence at which it is stored; 0 when the stream does not end as expected."""
        if expected != len(self.stored):
            return 0
        self.stored.append(message)
        return len(self.stored)

    async def last(self) -> Last:
        await asyncio.sleep(0)
        if self._fails():
            raise StreamError("no answer")
        self._arrive_late()
        return Last(len(self.stored), self.stored[-1] if self.stored else None)

    def _arrive_late(self) -> None:
        """Some of what was under way comes now."""
        while self._late and self._rolls.random() < 0.5:
            self.store(*self._late.pop(0))

    async def publish(self, expected: int, message: Message, answered: Callable[[Reply], None]) -> None:
        await asyncio.sleep(0)
        if not self._is_connected:
            raise StreamError("there is no connection to a server")
        self._arrive_late()
        fault = self._rolls.choice(("lost", "late", "unanswered", "no leader", "ended")) if self._fails() else ""
        if fault == "no leader":
            self._answer(answered, Reply(0, "the stream has no leader now"))
        elif fault == "late":
            self._late.append((expected, message))
        elif fault != "lost":
            sequence = self.store(expected, message)
            if fault == "ended":
                self._is_connected = False
                self.on_lost()
            elif not fault:
                self._answer(answered, Reply(sequence, "" if sequence else "wrong last sequence"))

    def _answer(self, answered: Callable[[Reply], None], reply: Reply) -> None:
        connection = self._connection

        def arrive() -> None:
            if self._is_connected and connection == self._connection:
                answered(reply)

        asyncio.get_running_loop().call_soon(arrive)
