"""The story whose file operations are recorded: a venue begins, trades, is snapshotted, archives, stops, starts again.

It runs in a process of its own under strace. What clients and operators are told is written to a file beside the data
folder at the moment when they are told, so it stands between the file operations in their order.

    python -m tests.crash.story FOLDER [--again] [--broken NAME]
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from bench.gateway_load import client_frame
from engine import host
from engine.codes import CommandKind
from gateway import clock
from gateway.config import Config
from gateway.net.websocket_input import WebsocketInput
from gateway.read_model import history
from gateway.registry.authentication import new_ed25519_key
from gateway.registry.registry import Intent, KeyOrder
from gateway.sessions.session import Session
from gateway.venue.sequencer import Sequencer
from gateway.venue.snapshot_process import Order, take
from gateway.venue.venue import Venue
from tests.crash.broken import BREAKS
from tests.gateway.live import BTC, config_of, request
from tests.gateway.socketless_venue import Library, Origin, SocketlessVenue, buy, replies_of

SETTINGS = {
    "durability": "fsync", "segment_bytes": 1 << 14, "snapshot_commands": 0, "snapshot_seconds": 0, "scrub_hours": 0,
    "archive_after_segments": 0, "history_rows": 256, "report_rows": 1 << 10, "batch_rows": 256,
}  # fmt: skip
HISTORY_SEGMENT_ROWS = 640
"""In place of 65,536, so that rows go to disk soon."""
TOLD = "told"
"""The file beside the data folder."""
TURNS, ORDERS = 12, 12
LONGEST_SECONDS = 30
DEPOSIT_MICROS = 5_000_000


def config(folder: Path) -> Config:
    """The settings of the venue whose data folder is in this one."""
    return config_of(folder / "venue", **SETTINGS)


@contextlib.contextmanager
def small_segments() -> Iterator[None]:
    """History goes to disk in small segments meanwhile."""
    with mock.patch.object(history, "SEGMENT_ROWS", HISTORY_SEGMENT_ROWS):
        yield


class Client(Origin):
    """A connection that keeps what is sent to it, when it is sent."""

    def __init__(self, sequencer: Sequencer, session: Session) -> None:
        super().__init__(sequencer, session)
        self._staged = b""
        self.sent = b""

    def stage(self, frame: bytes) -> None:
        if not self._staged:
            self.sequencer.dirty.append(self)
        self._staged += bytes(frame)

    answer = stage

    def take_staged(self) -> bytes:
        staged, self._staged = self._staged, b""
        return staged

    def write(self, data: bytes) -> None:
        self.sent += data


class Told:
    """What clients and operators have been told, a line each time."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._seq = 0

    def tell(self, venue: Venue | None, seq: int = 0) -> None:
        """Orders up to a sequence are answered; and this is what whoever changed the registry was told is there."""
        self._seq = max(self._seq, seq)
        what: dict[str, object] = {"seq": self._seq}
        if venue is not None:
            registry = venue.registry
            what["accounts"] = [account.name for account in registry.accounts()]
            what["keys"] = {key.id: key.revoked_ns is not None for key in registry.keys()}  # noqa: SIM118
            what["reference"] = registry.last_reference()
        os.write(self._file, json.dumps(what).encode() + b"\n")


class Story:
    """The venue of the story and those who use it."""

    def __init__(self, folder: Path) -> None:
        self.told = Told(folder)
        self.made = SocketlessVenue(folder, **SETTINGS)
        self._number = 0
        self._started()

    def _started(self) -> None:
        self.made.venue.start()
        self.told.tell(self.made.venue)

    def restart(self) -> None:
        """Stop in order and start again."""
        made = self.made
        seq = made.venue.engine.last_seq
        made.venue.close()
        self.told.tell(None, seq)
        made.venue = Venue(made.venue.config)
        made.sequencer = made.venue.sequencer
        made.sessions = [made._session(trader.key) for trader in made.traders]
        self._started()

    def send(self, messages: list[bytes], who: int) -> None:
        """One turn of one connection: it is told as soon as all its answers are out."""
        venue = self.made.venue
        client = Client(venue.sequencer, self.made.sessions[who])
        reader = WebsocketInput(venue, self.made, client, Library(client))
        reader.take(b"".join(map(client_frame, messages)))
        venue.sequencer.settle()
        venue.sequencer.close_turn()
        seq = venue.engine.last_seq
        self._release_until(lambda: len(replies_of(client.sent)) >= len(messages))
        self.told.tell(None, seq)

    def refuse(self) -> None:
        """An order that is refused before it gets into the log: the gateway's log has it."""
        self.made.send([buy(1, amount=-1)])

    def _release_until(self, condition: Callable[[], bool]) -> None:
        """Do what the venue's loop does when the journal's thread has made more durable."""
        until = time.monotonic() + LONGEST_SECONDS
        while not condition():
            assert time.monotonic() < until, "what is waited for never comes"
            self.made.sequencer.release()
            time.sleep(0.0005)

    def trade(self, turns: int) -> None:
        """Orders that rest, orders that trade, cancels, a refusal; and what the venue does about every second."""
        for turn in range(turns):
            self._number += 1
            who, price = turn % 2, 19_500 + self._number % 40
            self.send([buy(n, price=price) for n in range(ORDERS)], who)
            self.send([buy(n, "private/sell", price=price, amount=0.01) for n in range(ORDERS - turn % 3)], 1 - who)
            if turn % 4 == 3:
                self.send([request(1, "private/cancel_all_by_instrument", instrument_name=BTC)], who)
                self.refuse()
                self.made.venue.tick()

    def change(self, name: str) -> None:
        """An operator opens an account, pays in, makes a key and revokes it, while the venue runs."""
        venue, registry = self.made.venue, self.made.venue.registry
        account = registry.create_account(name, clock.wall_ns())
        person = registry.person(name, clock.wall_ns())
        self.told.tell(venue)
        intent = Intent(CommandKind.DEPOSIT, account_slot=account.slot, amount_micros=DEPOSIT_MICROS, note="wire")
        registry.add_intents([intent], clock.wall_ns())
        key = new_ed25519_key()
        order = KeyOrder(key.id, account.slot, person, "ed25519", key.verifier, ("read", "trade"), name)
        registry.add_key(order, clock.wall_ns())
        self.told.tell(venue)
        venue.submit_intents()
        registry.revoke_key(key.id, clock.wall_ns())
        self.told.tell(venue)
        venue.submit_intents()
        venue.tick()

    def snapshot(self) -> None:
        """What the process beside a running venue does: a pair, then archives."""
        venue = self.made.venue
        self._release_until(lambda: not venue._unmarked and venue.engine.durable_seq == venue.engine.last_seq)
        venue.tick()  # the registry notes the sweeps that have ended
        settings = venue.config
        take(Order(settings.data, venue.engine.durable_seq, settings.report_rows, 0, settings.history_rows),
             lambda: None)  # fmt: skip

    def wait_for_history(self) -> None:
        """Until what is offered to the history on disk is there."""
        store = self.made.venue.history.store
        assert store is not None
        self._release_until(lambda: not store.figures.segments_waiting)


def tell(folder: Path) -> None:
    """The whole story, from an empty folder on."""
    story = Story(folder)
    story.trade(TURNS)
    story.change("carol")
    story.snapshot()
    story.trade(TURNS)
    story.snapshot()
    story.change("dave")
    story.trade(TURNS)
    story.snapshot()
    story.wait_for_history()
    story.restart()
    story.trade(4)
    story.told.tell(story.made.venue, story.made.venue.engine.last_seq)
    story.made.venue.close()


def again(folder: Path) -> None:
    """A start on what a crash left, and a clean stop."""
    told = Told(folder)
    venue = Venue(config(folder))
    venue.start()
    told.tell(venue, venue.engine.durable_seq)
    venue.close()


def main() -> None:
    """Run the story, or a start on what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--again", action="store_true", help="start on what is there, and stop")
    parser.add_argument("--broken", choices=sorted(BREAKS), help="a build that is broken on purpose")
    wanted = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stack.enter_context(small_segments())
        if wanted.broken:
            stack.enter_context(BREAKS[wanted.broken].in_place())
        host.warm_up()
        (again if wanted.again else tell)(wanted.folder)


if __name__ == "__main__":
    main()
