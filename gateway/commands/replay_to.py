"""`lionrock replay --to`: a recorded order stream through real connections to a running venue.

Every key has a connection of the binary sub-protocol; orders are spread over them by their recorded id. A connection
sends one frame at a time. The venue serves or refuses a frame as a whole, so each connection keeps the order of the
recording, and a rate limit only makes it wait. Refusals are counted by reason: recordings know no margin and no band.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from engine.code_values import COMMAND_AMEND, COMMAND_CANCEL, COMMAND_MASS_CANCEL, COMMAND_NEW
from engine.codes import EventKind, Reason
from engine.recordings.batches import Batch, Reader
from engine.recordings.lives_reader import choose_contract, refuse_other_contracts
from engine.recordings.lost_orders import lost_orders
from engine.recordings.source import share_read
from gateway.client import Client, RpcError
from gateway.commands.common import progress_bar, tell_lost
from gateway.commands.connection import NO_KEY, credentials, key_and_secret, run_client
from gateway.commands.pace import Pace

FRAME_ROWS = 512
PACE_SLICE_NS = 10_000_000
"""At a given speed, orders within this recorded time of each other go in together."""
_SENT = (COMMAND_NEW, COMMAND_AMEND, COMMAND_CANCEL, COMMAND_MASS_CANCEL)
_TOO_MANY = 10028


def run(args: argparse.Namespace, reader: Reader) -> int:
    """Send the recording to the venue; 0, or one line of error and 2, or 3 when the venue's limits refused orders."""
    return run_client("replay", _replay(args, reader), args.to, "--to")


class Stream:
    """One connection: sends frames one by one and counts their results."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.kinds: Counter[int] = Counter()
        self.reasons: Counter[int] = Counter()
        self.waits = 0
        self._refusal: RpcError | None = None
        client.on_rows = self._count
        client.on_refusal = self._refuse

    def _count(self, events: Any) -> None:
        kinds = events["kind"]
        self.kinds.update(kinds.tolist())
        self.reasons.update(events["reason"][kinds == EventKind.REJECTED].tolist())

    def _refuse(self, refusal: RpcError) -> None:
        self._refusal = refusal

    async def send(self, rows: Any) -> None:
        """Send rows and wait until they are served; after a rate limit, wait and retry; raise any other refusal."""
        for start in range(0, len(rows), FRAME_ROWS):
            while True:
                self._refusal = None
                self.client.send_rows(rows[start : start + FRAME_ROWS])
                await self.client.call("public/test")
                if self._refusal is None:
                    break
                if self._refusal.code != _TOO_MANY:
                    raise self._refusal
                self.waits += 1
                await asyncio.sleep(self._refusal.wait_ms / 1000)


@asynccontextmanager
async def _streams(args: argparse.Namespace) -> AsyncIterator[list[Stream]]:
    keys = list(_keys(args))
    async with AsyncExitStack() as stack:
        yield [
            Stream(await stack.enter_async_context(Client(args.to, key, secret, binary=True, reconnect=False)))
            for key, secret in keys
        ]


def _keys(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Each key with its secret, from files or from the environment."""
    files, keys = args.secret_file or [], args.key or []
    if not files:
        key, secret = credentials(argparse.Namespace(key=keys[0] if keys else "", secret_file=""))
        if not key:
            raise ValueError(NO_KEY)
        yield key, secret
        return
    if keys and len(keys) != len(files):
        raise ValueError(f"--key and --secret-file: {len(keys)} and {len(files)} given; each key needs its file")
    for file, key in zip(files, keys or [""] * len(files), strict=True):
        yield key_and_secret(file, "--secret-file", key)


async def _contract_slot(client: Client, name: str) -> int:
    """The slot of the contract to trade, the first one when no name is given."""
    listed = await client.call("public/get_instruments")
    slots = {entry["instrument_name"]: int(entry["instrument_id"]) - 1 for entry in listed}
    if name and name not in slots:
        raise ValueError(f"--instrument {name}: the venue lists {', '.join(slots) or 'nothing'}")
    if not slots:
        raise ValueError("the venue lists no contract; create one first")
    return slots[name] if name else min(slots.values())


async def _replay(args: argparse.Namespace, reader: Reader) -> int:
    if reader.is_log:
        raise ValueError("--to: a journal's commands name its own accounts and orders; give a recording of orders")
    if args.speed and not reader.has_clock:
        raise ValueError(f"--speed: a {reader.format} recording has no clock")
    choose_contract(reader, "--to")
    async with _streams(args) as streams:
        contract_slot = await _contract_slot(streams[0].client, args.instrument)
        begun, sent, read = time.perf_counter(), 0, 0
        pace = Pace(args.speed) if args.speed else None
        with progress_bar("messages", lambda: share_read(args.path)) as show_progress:
            for batch in reader.batches():
                refuse_other_contracts(batch.commands, "--to")
                rows, read, ended = _wanted(batch, args.until)
                rows["contract_slot"] = contract_slot
                for piece in _pieces(rows, pace is not None):
                    if pace is not None:
                        await asyncio.sleep(pace.left_s(int(piece["time_ns"][-1])))
                    shares = _shares(piece, len(streams))
                    await asyncio.gather(*(stream.send(share) for stream, share in zip(streams, shares, strict=True)))
                    sent += len(piece)
                show_progress(read, reader.total)
                if ended:
                    break
        await asyncio.gather(*(stream.client.call("public/test") for stream in streams))
        summary = _summary(streams, (read, sent, reader.bad), time.perf_counter() - begun)
        _say(args.json, summary)
    return tell_lost("replay", args, lost_orders(summary["rejects"], summary["repeated"]), sent)


def _wanted(batch: Batch, until: Any) -> tuple[Any, int, bool]:
    """The rows of a batch that a client may send, up to where the replay ends; messages so far; whether it ends."""
    end, read, ended = batch.until(until.message, until.time_ns)
    rows = batch.commands[:end]
    return rows[np.isin(rows["kind"], _SENT)].copy(), read, ended


def _shares(piece: Any, streams: int) -> list[Any]:
    """Each connection's rows: orders by their recorded id; a mass cancel is of all orders, so it goes to each."""
    is_of_all = piece["kind"] == COMMAND_MASS_CANCEL
    return [piece[is_of_all | (piece["cl_ord_id"] % streams == place)] for place in range(streams)]


def _pieces(rows: Any, is_paced: bool) -> Iterator[Any]:
    """Pieces that are sent together: frames for all connections, or what was recorded at one time."""
    start = 0
    while start < len(rows):
        end = start + FRAME_ROWS
        if is_paced:
            until_ns = int(rows["time_ns"][start]) + PACE_SLICE_NS
            end = min(end, max(start + 1, int(np.searchsorted(rows["time_ns"], until_ns, "left"))))
        yield rows[start:end]
        start = min(end, len(rows))


def _summary(streams: list[Stream], counts: tuple[int, int, int], seconds: float) -> dict[str, Any]:
    kinds: Counter[int] = sum((stream.kinds for stream in streams), Counter())
    reasons: Counter[int] = sum((stream.reasons for stream in streams), Counter())
    read, sent, bad = counts
    return {
        "messages": read, "commands": sent, "bad_lines": bad, "connections": len(streams), "seconds": round(seconds, 3),
        "commands_per_s": round(sent / seconds) if seconds else 0, "accepted": kinds[EventKind.ACCEPTED],
        "amended": kinds[EventKind.AMENDED], "cancelled": kinds[EventKind.CANCELLED], "fills": kinds[EventKind.FILL],
        "repeated": kinds[EventKind.REPEATED],
        "rejects": {Reason(reason).name: count for reason, count in sorted(reasons.items())},
        "rate_limit_waits": sum(stream.waits for stream in streams),
    }  # fmt: skip


def _say(as_json: bool, summary: dict[str, Any]) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    table = Table(title="sent to the venue", show_header=False, title_justify="left")
    for name, value in summary.items():
        if name != "rejects":
            table.add_row(name.replace("_", " "), f"{value:,}")
    for reason, count in summary["rejects"].items():
        table.add_row(f"refused {reason}", f"{count:,}")
    Console(highlight=False).print(table)
