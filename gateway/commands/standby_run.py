"""One run of a standby: fill the data folder, follow, lead, stop."""

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import host
from engine.host import BrokenError, JournalError
from gateway.cluster.base_fetch import begin_from_base, present
from gateway.cluster.follower import DivergenceError, Follower
from gateway.cluster.log_stream import LogStream, StreamError
from gateway.cluster.messages import MessageError
from gateway.cluster.rejoin import cut_unreplicated
from gateway.cluster.side_copy import SideCopy, into_database
from gateway.cluster.standby import PLACE, Node, Standby
from gateway.commands.common import FAILED
from gateway.commands.serving import BROKEN, DIVERGED, NOT_LEADING, SWITCH_SECONDS, not_listening, tune
from gateway.config import Config
from gateway.net.server import Server
from gateway.net.standby_server import StandbyServer
from gateway.venue.released import NotLeadingError
from gateway.wire.log_lines import event

CONNECT_SECONDS = 1.0
_CODES: dict[type[Exception], int] = {
    DivergenceError: DIVERGED, MessageError: DIVERGED, NotLeadingError: NOT_LEADING, BrokenError: BROKEN,
}  # fmt: skip
_LOG = logging.getLogger("lionrock.cluster")


async def run_standby(config: Config, as_json: bool) -> int:
    """Follow, and lead when the leader is gone, until a signal or a failure; the exit code."""
    stopped = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _finish, stopped)
    return await stand_by(config, as_json, stopped)


async def stand_by(config: Config, as_json: bool, stopped: "asyncio.Future[None]") -> int:
    """Follow, lead, hand over and follow again, until a signal or a failure; the exit code."""
    while True:
        run = Run(config, as_json)
        try:
            found = await run.whole(stopped)
        except (JournalError, MessageError) as error:
            return _failed(error)
        finally:
            await run.close()
        if not isinstance(found, Config):
            return found
        config = found
        del run
        gc.unfreeze()
        gc.collect()


def say_handed(server: Server, as_json: bool) -> None:
    """Say on the output that another node leads."""
    node, sequence = server.handed.result(), server.venue.engine.last_seq
    facts = {"handed_over": True, "to": node, "sequence": sequence}
    _tell(facts, f"node {node} leads from sequence {sequence} on; this node goes on as its standby", as_json)


def _tell(facts: dict[str, Any], line: str, as_json: bool) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(facts) if as_json else line, flush=True)


def _finish(stopped: "asyncio.Future[None]") -> None:
    if not stopped.done():
        stopped.set_result(None)


def _failed(error: BaseException) -> int:
    """One line that says why the standby stopped, and the exit code."""
    print(f"lionrock standby: {error}", file=sys.stderr)
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAILED)


class Run:
    """A standby from its start to its end. `server` is there once the folder is filled."""

    def __init__(self, config: Config, as_json: bool) -> None:
        self._config, self._as_json = config, as_json
        self._stream = LogStream(config.cluster.server_list, config.cluster.venue)
        self._data = Path(config.data)
        self.server: StandbyServer | None = None
        self.standby: Standby | None = None
        """Once it follows beside a server."""

    async def close(self) -> None:
        """Let go of the servers."""
        await self._stream.close()

    async def whole(self, stopped: "asyncio.Future[None]") -> int | Config:
        """The run from its beginning to its end: the exit code; after a handover the settings to go on with."""
        life = asyncio.ensure_future(self._live())
        await asyncio.wait({life, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server = self.server
        if life.done():
            try:
                life.result()
            except BaseException:
                if server is not None and server.turns.has_started:
                    await server.abandon()
                raise
            assert server is not None
            ends: set[asyncio.Future[Any]] = {stopped, server.failed, server.handed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        else:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
        if server is None or not server.turns.has_started:
            return 0
        failure = server.failed.exception() if server.failed.done() else None
        if failure is not None:
            await server.abandon()
            return _failed(failure)
        if server.handed.done():
            say_handed(server, self._as_json)
            here = replace(self._config, port=server.port, operations_port=server.operations_port)
            await server.leave()
            return here
        await server.stop()
        self._tell({"stopped": True, "sequence": server.venue.engine.last_seq}, "stopped")
        return 0

    async def _live(self) -> None:
        """Everything until this node leads."""
        await self._connect()
        config = self._config
        noted = None
        async with present(self._stream, config.cluster.node_name, lambda: 0):  # nothing is purged that it looks at
            cut = await cut_unreplicated(self._stream, config)
        based = await begin_from_base(self._stream, config)
        if not (host.holds_journal(config.journal) and config.registry.exists()):
            noted = await self._fill()
        server = self.server = StandbyServer(config)
        venue = server.venue
        assert venue.engine.copy is not None
        follower = Follower(config.journal, venue.engine.copy, self._side(self._take_registry))
        follower.apply, follower.digest = venue.take, venue.engine.digest
        if noted is not None:
            follower.stream_seq, follower.leader = noted.restart_seq, noted.leader
        standby = self._standby_of(follower)
        if noted is None:
            standby.begin()
        standby.on_taken = server.turns.touch
        standby.can_lead = lambda: server.why_not_to_lead
        try:
            await server.stand_by(standby.status)
        except OSError as error:
            raise ValueError(not_listening(config, error)) from None
        standby.set_addresses(config.cluster.address_list or [self._address])
        tune(SWITCH_SECONDS)
        self._tell(
            {
                "url": self._address, "port": server.port, "operations_port": server.operations_port,
                "sequence": venue.engine.last_seq, "cut": None if cut is None else cut.facts(),
                "base": None if based is None else based.facts(),
            },
            f"standby of {config.cluster.venue}: listens on {self._address}, from sequence {venue.engine.last_seq}"
            + "".join(f"\n{each.line}" for each in (cut, based) if each is not None),
        )  # fmt: skip
        await self._follow(server, standby)

    async def _follow(self, server: StandbyServer, standby: Standby) -> None:
        self.standby = standby
        following = asyncio.ensure_future(standby.run())
        ends: set[asyncio.Future[Any]] = {following, server.failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if server.failed.done():
                return  # `whole` says why
            led = await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await server.lead(led)
        sequence, epoch = server.venue.engine.last_seq, led.message.epoch
        _LOG.warning("this node leads", extra=event("leading", epoch=epoch, sequence=sequence))
        self._tell(
            {"leads": True, "epoch": epoch, "sequence": led.message.last_seq, "port": server.port},
            f"this node leads, epoch {epoch}, from sequence {led.message.last_seq}",
        )

    async def _connect(self) -> None:
        said = ""
        while True:
            try:
                await self._stream.connect()
                return
            except StreamError as error:
                if str(error) != said:
                    said = str(error)
                    _LOG.error("%s; trying again", error)
                await asyncio.sleep(CONNECT_SECONDS)

    async def _fill(self) -> Follower:
        """Fill a folder that has no venue yet from the stream."""
        config = self._config
        side = self._side(lambda path: into_database(path, config.registry))
        if config.registry.exists() and not side.is_whole and not host.holds_journal(config.journal):
            raise ValueError(
                f"--data {config.data}: it has a registry without a journal, as a venue that never ran, and would lose "
                "it; name an empty folder"
            )
        copy = _copy_of(config.journal) if host.holds_journal(config.journal) else None
        follower = Follower(config.journal, copy, side)
        standby = self._standby_of(follower)
        if copy is not None:
            standby.begin()
        _LOG.info("the data folder is filled from the stream", extra=event("filling"))
        async with present(self._stream, config.cluster.node_name, lambda: follower.stream_seq):
            await standby.catch_up(lambda: follower.copy is not None and config.registry.exists())
        assert follower.copy is not None
        follower.copy.close()
        return follower

    def _standby_of(self, follower: Follower) -> Standby:
        cluster = self._config.cluster
        node = Node(cluster.node_name, cluster.address_list, cluster.standby_silence_ms)
        return Standby(self._stream, follower, node, self._data / PLACE)

    def _side(self, whole: Callable[[Path], None]) -> SideCopy:
        return SideCopy(self._data / "registry.copy", whole)

    def _take_registry(self, copy: Path) -> None:
        assert self.server is not None
        into_database(copy, self._config.registry)
        self.server.venue.take_registry()

    @property
    def _address(self) -> str:
        assert self.server is not None
        scheme = "wss" if self._config.tls_certificate else "ws"
        return f"{scheme}://{self._config.host}:{self.server.port}/ws/api/v2"

    def _tell(self, facts: dict[str, Any], line: str) -> None:
        _tell(facts, line, self._as_json)


def _copy_of(journal: Path) -> host.JournalCopy:
    """A copy that a start before this one has begun."""
    reader = host.JournalReader(journal)
    for _ in reader.batches():
        pass
    return host.JournalCopy(journal, reader.position)
