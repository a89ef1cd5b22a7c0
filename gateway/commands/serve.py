"""`lionrock serve`: run the exchange."""

import argparse
import asyncio
import gc
import json
import logging
import signal
import sqlite3
import sys
from dataclasses import replace
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import Progress

from engine.host import BrokenError, End, JournalError, Recovery
from gateway import clock
from gateway import config as settings
from gateway.clock import Accepted
from gateway.commands.common import (
    FAILED,
    MAX_ID,
    compile_engine,
    make_data_folder,
    need_nats,
    readable_errors,
    whole,
)
from gateway.commands.serving import BROKEN, DISK_FAILED, NOT_LEADING, SWITCH_SECONDS, not_listening, tune
from gateway.net.server import Server
from gateway.registry.registry import RegistryError
from gateway.venue.losses import LEAVE, REPEAT, AcceptedLoss
from gateway.venue.read_only import DiskFailure, disk_failure, stop_failure
from gateway.venue.released import NotLeadingError
from gateway.venue.start_phases import StartPhases
from gateway.wire import log_lines
from gateway.wire.log_lines import event
from gateway.wire.versions import RELEASE

_EXAMPLES = """examples:
  lionrock serve
  lionrock serve --data /var/lib/lionrock --port 8765 --durability fsync
  lionrock serve --config lionrock.toml --print-config
  LIONROCK_PORT=9000 lionrock serve
  lionrock serve --data /var/lib/lionrock --accept-time wall
  lionrock serve --cluster nats://10.0.0.1:4222,nats://10.0.0.2:4222,nats://10.0.0.3:4222 --venue hk --node a
  lionrock serve --accept-loss 81234 --reason "disk lost, no copy, decided by A. Lee and B. Wong" --lost-payments leave

Settings come from the defaults, the file, the environment (LIONROCK_...), the flags; the last one wins.
SIGTERM or Ctrl-C: refuse new orders, answer what is under way, write a snapshot, stop.
exit codes: 0 stopped by a signal, 2 refused or failed: a setting, a port, servers that are not as a cluster needs
them, another node of this name; 3 an invariant does not hold: nothing after it was answered,
4 the disk failed: questions were answered until the signal, nothing else was taken,
5 another node of the cluster leads, or the stream has more than this node: start it as a standby (lionrock standby)
"""
_LOG = logging.getLogger("lionrock.server")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "serve",
        help="run the exchange",
        description="Run the exchange on a data folder: websocket and HTTP on one port.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    settings.add_flags(parser)
    parser.add_argument(
        "--accept-time",
        choices=("wall", "log"),
        default="",
        help="confirm, for this start alone, a wall clock far ahead of the log (wall), or a log that is ahead of the "
        "wall clock (log: time goes on from its last command)",
    )
    parser.add_argument(
        "--accept-loss",
        type=whole(0, MAX_ID),
        metavar="SEQ",
        help="go on although the journal, which ends at this sequence, is shorter than what is proven of it",
    )
    parser.add_argument("--reason", metavar="TEXT", help="with --accept-loss: why, kept in the log and the registry")
    parser.add_argument(
        "--lost-payments",
        choices=(REPEAT, LEAVE),
        default="",
        help="with --accept-loss: enter payments of the missing part again, or leave them out",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object when it listens, and one at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; 0, or one line of error and 2, or 3 when an invariant does not hold."""
    with readable_errors("serve"):
        config = settings.from_args(args)
        if args.print_config:
            print(settings.to_toml(config))
            return 0
        if config.cluster.is_on:
            need_nats()
        if config.cluster.follows_only:
            raise ValueError(
                "cluster.follows_only: this node is a mirror that only follows; start it with lionrock standby, or set "
                "it to false once all other nodes are gone for good"
            )
        log_lines.configure(config.log_format, config.log_level)
        accepted = _accepted(args)
        make_data_folder(config.data)
        phases = StartPhases(clock.process_begun_ns())
        phases.end("interpreter and imports")
        gc.disable()  # nothing that a start makes is garbage; `tune` turns it on
        try:
            compile_engine()
            phases.end("compiled engine")
            return uvloop.run(serve(config, args.json, phases, accepted, args.accept_time))
        except JournalError as error:
            return _failed(error)
        finally:
            gc.enable()


def _accepted(args: argparse.Namespace) -> AcceptedLoss | None:
    """The loss that the arguments accept. ValueError when they do not say all of it."""
    if args.accept_loss is None:
        if args.reason is not None or args.lost_payments:
            raise ValueError("--reason and --lost-payments: they belong to --accept-loss SEQ; add it or leave them out")
        return None
    if not (args.reason or "").strip():
        raise ValueError("--accept-loss: say why with --reason TEXT; the log and the registry keep it")
    return AcceptedLoss(args.accept_loss, args.reason.strip(), args.lost_payments)


async def serve(
    config: settings.Config, as_json: bool, phases: StartPhases, accepted: AcceptedLoss | None = None,
    accepted_time: Accepted = "",
) -> int:  # fmt: skip
    """Run a server until SIGTERM, SIGINT or a failure of its own."""
    server = _recovered(config, accepted, accepted_time)
    phases.end("the rest", server.venue.phases.seconds)
    try:
        await server.start()
    except OSError as error:
        raise ValueError(not_listening(config, error)) from None
    tune(SWITCH_SECONDS)
    phases.end("listen")
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _finish, stopped)
    _say(server, as_json, phases)
    _LOG.info("the venue serves from sequence %d on", server.venue.engine.last_seq, extra=_started(server))
    await asyncio.wait({stopped, server.failed, server.handed}, return_when=asyncio.FIRST_COMPLETED)
    if server.handed.done() and not server.failed.done():
        return await _stand_by(server, as_json, stopped)
    failure = server.failed.exception() if server.failed.done() else None
    if failure is not None:
        disk = disk_failure(server.venue)
        if disk is None:
            return _failed(failure)
        here = replace(config, port=server.port, operations_port=server.operations_port)
        await server.abandon()
        del server, failure
        return await _answer_only(here, disk, stopped)
    _LOG.info("the venue stops", extra=event("stopping"))
    try:
        await server.stop()
    except (BrokenError, NotLeadingError):
        raise
    except (JournalError, OSError, sqlite3.Error) as error:
        print(f"lionrock serve: stopped by a disk error: {stop_failure(server.venue, error)}", file=sys.stderr)
        return DISK_FAILED
    last_seq = server.venue.engine.last_seq
    _LOG.info("the venue has stopped at sequence %d", last_seq, extra=event("stopped", sequence=last_seq))
    print(json.dumps({"stopped": True, "sequence": last_seq}) if as_json else f"stopped at sequence {last_seq}")
    return 0


async def _stand_by(server: Server, as_json: bool, stopped: "asyncio.Future[None]") -> int:
    """Another node leads, as it was asked to: go on as its standby, in the same place, until a signal."""
    from gateway.commands.standby_run import say_handed, stand_by  # a machine alone needs nothing of it

    here = replace(server.venue.config, port=server.port, operations_port=server.operations_port)
    say_handed(server, as_json)
    await server.leave()
    del server
    gc.unfreeze()
    gc.collect()
    return await stand_by(here, as_json, stopped)


def _started(server: Server) -> dict[str, Any]:
    """Where a server listens, and what its start has recovered."""
    engine, recovery = server.venue.engine, server.venue.engine.recovery
    return event(
        "started", port=server.port, operations_port=server.operations_port, sequence=engine.last_seq,
        snapshot=recovery.snapshot_seq, replayed=recovery.replayed, cut_bytes=recovery.cut_bytes,
        release=RELEASE,
    )  # fmt: skip


async def _answer_only(config: settings.Config, disk: DiskFailure, stopped: "asyncio.Future[None]") -> int:
    """Answer questions from what is durable until a signal; nothing is taken. Always DISK_FAILED."""
    print(f"lionrock serve: read-only: {disk.line}", file=sys.stderr, flush=True)
    gc.unfreeze()
    gc.collect()
    try:
        server = Server(config, failure=disk)
        await server.start()
    except (JournalError, RegistryError, OSError, sqlite3.Error) as error:
        print(f"lionrock serve: it cannot even be read ({error}); the venue stops", file=sys.stderr)
        return DISK_FAILED
    await asyncio.wait({stopped, server.failed}, return_when=asyncio.FIRST_COMPLETED)
    await server.stop()
    print(f"lionrock serve: stopped after a disk error: {disk.line}", file=sys.stderr)
    return DISK_FAILED


def _failed(error: BaseException) -> int:
    """One line that says why the venue stopped, and the exit code."""
    print(f"lionrock serve: {error}", file=sys.stderr)
    if isinstance(error, NotLeadingError):
        return NOT_LEADING
    return BROKEN if isinstance(error, BrokenError) else FAILED


def _finish(stopped: "asyncio.Future[None]") -> None:
    if not stopped.done():
        stopped.set_result(None)


def _recovered(config: settings.Config, accepted: AcceptedLoss | None, accepted_time: Accepted) -> Server:
    """The server, its journal replayed; progress is shown to a person."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("recovering", total=None)
        return Server(
            config, lambda done, total: progress.update(task, completed=done, total=total), accepted, accepted_time
        )


def _previous(recovery: Recovery) -> str:
    """How the run before this one ended: closed, killed, disk_failed; empty when nothing says so."""
    words = {End.OPEN: "killed", End.CLOSED: "closed", End.FAILED: "disk_failed"}
    return "" if recovery.previous_end is None else words[recovery.previous_end]


def _say(server: Server, as_json: bool, phases: StartPhases) -> None:
    config, venue = server.venue.config, server.venue
    scheme = "wss" if config.tls_certificate else "ws"
    address = f"{scheme}://{config.host}:{server.port}/ws/api/v2"
    recovery = venue.engine.recovery
    if as_json:
        facts = {
            "url": address, "port": server.port, "operations_port": server.operations_port,
            "sequence": venue.engine.last_seq, "replayed": recovery.replayed, "cut_bytes": recovery.cut_bytes,
            "durability": config.durability, "previous_end": _previous(recovery), "snapshots_skipped": recovery.ignored,
            "accepted_loss": venue.accepted,
            "seconds": {name: round(spent, 3) for name, spent in phases.seconds.items()},
        }  # fmt: skip
        print(json.dumps(facts), flush=True)
        return
    console = Console()
    console.print(f"lionrock listens on [bold]{address}[/], durability {config.durability}")
    console.print(f"officers, metrics and health: {venue.context.operations_place.replace('ws', 'http', 1)}")
    console.print(f"pages and HTTP: {address.replace('ws', 'http', 1).removesuffix('/ws/api/v2')}")
    if recovery.replayed or recovery.snapshot_seq:
        console.print(
            f"recovered: snapshot at {recovery.snapshot_seq}, {recovery.replayed} commands replayed, "
            f"{recovery.cut_bytes} bytes of torn tail cut"
        )
    console.print(phases.line)
    if recovery.previous_end is End.FAILED:
        console.print("the last run ended because the disk failed: look at it; what the venue goes on from is on it")
    for skipped in recovery.ignored:
        console.print(f"a snapshot was not used: {skipped}", soft_wrap=True)
    for line in venue.accepted:
        console.print(f"lost with a part of the log, {line}", soft_wrap=True)
    if not venue.projection.contracts():
        console.print("no contract is listed yet; `lionrock admin list-contract`, or `lionrock demo` shows two")
    if not venue.registry.is_governed:
        console.print("no officers are named yet: this host changes what it likes; `lionrock admin init` ends that")
