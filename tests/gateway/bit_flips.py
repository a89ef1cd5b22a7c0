"""Flips bits in every file of a venue's data folder, starts the venue on each, and says what became of it.

A start must refuse the folder in one line that names the file, or make the file again, or not depend on the bit: then
the state's digest and the answers to a fixed set of questions are those of the untouched folder, or a question is
refused. What a start does not read must be found by who does: the gateway's log and the seals by `lionrock audit
verify`, archives and the history on disk by the check of the files beside trading.

    python -m tests.gateway.bit_flips --flips 200          (of each file; --json; --seed; --file registry.db)
"""

import argparse
import contextlib
import io
import json
import logging
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from unittest import mock

from engine import host
from gateway import cli, clock
from gateway.audit_trail.seals import make_key, read_key, seal_days
from gateway.commands.common import reason_of
from gateway.read_model import history
from gateway.read_model.history_file import BLOCK_ROWS
from gateway.registry.registry import Registry
from gateway.sessions.actions import LargeReply, Reply
from gateway.sessions.session import Session
from gateway.surveillance.activity import Alert, Evidence
from gateway.surveillance.store import AlertStore, file_of
from gateway.venue.scrub_process import faults
from gateway.venue.venue import Venue
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue, buy
from tests.many_starts import STARTS_PER_PROCESS, in_child, prepare_process, quick_starts

DAYS_NS = 3 * 86_400 * 10**9
SETTINGS = {"segment_bytes": 1 << 16, "history_rows": 256, "report_rows": 1 << 10}
HISTORY_SEGMENT_ROWS = 640
"""In place of 65,536, so that rows go to disk soon."""
HEAD_BYTES = 192
"""Of each file so many first bytes are flipped as often as all others together: headers are short and matter."""
REFUSED, REBUILT, HARMLESS, AUDITED = "refused", "rebuilt", "harmless", "found by the audit"
ASKED, SCRUBBED = "a question refused", "found by the check"
UNNAMED, SERVED, BROKEN = "refused without its name", "SERVED WRONG", "TRACEBACK"
BAD = (UNNAMED, SERVED, BROKEN)
_PUBLIC = [
    ("public/get_instruments", {}), ("public/get_order_book", {"instrument_name": BTC, "depth": 20}),
    ("public/get_last_trades_by_instrument", {"instrument_name": BTC, "count": 1000}),
]  # fmt: skip
_PRIVATE = [
    ("private/get_open_orders", {}), ("private/get_positions", {"currency": "USDC"}),
    ("private/get_account_summary", {"currency": "USDC"}),
    ("private/get_user_trades_by_instrument", {"instrument_name": BTC, "count": 1000}),
    ("private/get_order_history_by_instrument", {"instrument_name": BTC, "count": 1000, "include_unfilled": True,
                                                 "include_old": True}),
]  # fmt: skip


class DataFolder:
    """A small venue that has everything: segments, archives, snapshots, history in memory and on disk, officers'
    records, alerts, log and seals."""

    def __init__(self, folder):
        with (
            mock.patch.object(clock, "wall_ns", lambda wall=clock.wall_ns: wall() - DAYS_NS),
            mock.patch.object(history, "SEGMENT_ROWS", HISTORY_SEGMENT_ROWS),
        ):
            made = SocketlessVenue(folder, **SETTINGS)
            self.config, self.traders = made.venue.config, made.traders
            self._trade(made)
            made.venue.start()
            made.venue.close()
        key = folder / "seal.key"
        make_key(key)
        self.public = key.with_name("seal.key.pub")
        seal_days(self.config.journal, self.seals, read_key(key), clock.wall_ns(), None, lambda done, total: None)
        self._note_others()
        venue = Venue(self.config)
        venue.start()
        venue.close()
        assert venue.history.store.on_disk >= 2 * BLOCK_ROWS
        self._archive()
        self.expected = self.start()
        assert self.start() == self.expected, "an untouched folder answers differently each time"

    @property
    def data(self):
        """The folder."""
        return Path(self.config.data)

    @property
    def seals(self):
        """Where its seals are."""
        return self.data / "seals"

    def _trade(self, made):
        for number in range(1400):
            price = 19_500 + number % 90
            made.send([buy(number, price=price)], who=number % 2)
            if number % 7 == 0:
                made.send([buy(number, "private/sell", price=price, amount=0.02)], who=(number + 1) % 2)
            if number % 200 == 150:
                for who in range(2):
                    made.send([request(1, "private/cancel_all_by_instrument", instrument_name=BTC)], who=who)
        for session in made.sessions:
            session.receive(buy(amount=-1), clock.steady_ns())

    def _note_others(self):
        registry = Registry(self.config.registry)
        registry.use_once(b"0123456789abcdef", clock.wall_ns() + DAYS_NS, clock.steady_ns())
        registry.close()
        store = AlertStore(file_of(self.data))
        store.add([Alert("wash_trade", "two accounts of one owner", 1, 0, (0, 1), Evidence([1, 2], [], {}))])
        store.close()

    def _archive(self):
        """What the process that writes snapshots does with segments that no start needs."""
        retention, journal = host.retention, self.config.journal
        with retention.retention_lock(journal):
            for number in retention.retired(journal, retention.sound_snapshots(journal)[-1]):
                retention.archive_segment(journal, number)

    def files(self):
        """Every file of the folder, by its name in it."""
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file())

    def start(self):
        """The state's digest and the answers of a venue that starts on the folder; nothing is written on purpose."""
        venue = Venue(self.config)
        try:
            digest, found = venue.engine.digest(), []
            for questions, trader in ((_PUBLIC, None), *((_PRIVATE, trader) for trader in self.traders)):
                session = Session(venue.context, venue.projection, False, "test", clock.steady_ns())
                if trader is not None:
                    login = {"client_id": trader.key.id, "client_secret": trader.key.secret}
                    _ask(session, "public/auth", {"grant_type": "client_credentials"} | login)
                found += [_ask(session, method, params) for method, params in questions]
            found.append(venue.registry.is_used(b"0123456789abcdef"))
            return digest, found
        finally:
            venue.abandon()

    def check_files(self):
        """What the check beside trading says is wrong, a line each."""
        return [fault.text for fault in faults(self.data, lambda size_bytes: None)]

    def audit(self):
        """Whether the audit finds that the gateway's log or the seals were altered."""
        said = io.StringIO()
        words = ["audit", "verify", "--journal", str(self.data), "--public-key", str(self.public)]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                return cli.main(words) != 0
            except SystemExit as end:
                return end.code != 0


def _ask(session, method, params):
    """The result of a question, or its error."""
    for action in session.receive(request(1, method, **params), clock.steady_ns()):
        if isinstance(action, Reply | LargeReply):
            answer = json.loads(bytes(action.data))
            return answer.get("result", answer.get("error"))
    raise AssertionError(f"{method}: no answer")


class Flips:
    """What becomes of a folder with one bit flipped, each time in a copy of it."""

    def __init__(self, made):
        self.made = made
        self.table = {}
        self.bad = []

    def run(self, flips, seed, only=""):
        """Flip bits in every file; yields its name and how its flips ended."""
        kept = self.made.data.with_name("kept")
        shutil.copytree(self.made.data, kept)
        for name in self.made.files():
            if only and only not in name:
                continue
            whole = (kept / name).read_bytes()
            chance, found = random.Random(f"{seed} {name}"), Counter()
            flipped = [(place, 1 << chance.randrange(8)) for place in _places(len(whole), flips, chance)]
            for first in range(0, len(flipped), STARTS_PER_PROCESS):
                some = flipped[first : first + STARTS_PER_PROCESS]
                for (place, bit), (end, told) in zip(some, self._ends(kept, name, whole, some), strict=True):
                    found[end] += 1
                    if end in BAD:
                        self.bad.append(f"{name}, byte {place}, bit {bit}: {end}: {told}")
            self.table[name] = found
            yield name, found
        shutil.rmtree(self.made.data)
        kept.rename(self.made.data)

    def _ends(self, kept, name, whole, flipped):
        """What becomes of each of these flips."""
        with quick_starts():
            return in_child(lambda: self._each_end(kept, name, whole, flipped), len(flipped))

    def _each_end(self, kept, name, whole, flipped):
        for place, bit in flipped:
            shutil.rmtree(self.made.data)
            shutil.copytree(kept, self.made.data)
            damaged = bytearray(whole)
            damaged[place] ^= bit
            (self.made.data / name).write_bytes(damaged)
            yield self._end(name)

    def _end(self, name):
        told = _Told()
        try:
            with told.listening():
                answers = self.made.start()
        except Exception as error:
            text = reason_of(error)
            if type(error).__module__ == "builtins" and not isinstance(error, OSError | ValueError):
                return BROKEN, traceback.format_exc()
            return (REFUSED if _names(text, name) and "\n" not in text else UNNAMED), text
        asked = [answer for answer in answers[1] if _is_unreadable(answer)]
        if answers[0] != self.made.expected[0] or _others(answers[1], self.made.expected[1]):
            return SERVED, _first_difference(answers, self.made.expected)
        if asked:
            return ASKED, ""
        if _names(" ".join(told.lines), name):
            return REBUILT, ""
        if name.startswith(("gateway-log", "seals")) and self.made.audit():
            return AUDITED, ""
        if _names(" ".join(self.made.check_files()), name):
            return SCRUBBED, ""
        return HARMLESS, ""


class _Told(logging.Handler):
    """What the venue says while it starts."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    @contextlib.contextmanager
    def listening(self):
        logger = logging.getLogger("lionrock")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)


def _is_unreadable(answer):
    return isinstance(answer, dict) and "HISTORY_UNREADABLE" in str(answer.get("data"))


def _others(answers, expected):
    """Whether an answer is neither what it was nor a refusal because the history cannot be read."""
    return any(got != wanted and not _is_unreadable(got) for got, wanted in zip(answers, expected, strict=True))


def _names(text, name):
    """Whether a line names the file, or at least its folder or what it holds."""
    path = Path(name)
    return path.name in text or (path.parent.name in text and path.parent.name != "")


def _first_difference(answers, expected):
    if answers[0] != expected[0]:
        return f"digest {answers[0]} instead of {expected[0]}"
    pairs = [pair for pair in zip(answers[1], expected[1], strict=True) if pair[0] != pair[1]]
    for got, wanted in pairs:
        if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
            got, wanted = next(pair for pair in zip(got, wanted, strict=True) if pair[0] != pair[1])
        return f"{got!r:.300} instead of {wanted!r:.300}"
    return ""


def _places(size, flips, chance):
    """Which bytes are flipped: all of a small file, else as many of its head as of the rest."""
    if size <= flips:
        return range(size)
    head = min(HEAD_BYTES, size)
    places = {chance.randrange(head) for _ in range(flips // 2)}
    return sorted(places | {chance.randrange(size) for _ in range(flips - flips // 2)})


def main():
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=200, help="of each file (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", default="", help="only files whose name has this in it")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    args = parser.parse_args()
    prepare_process()
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="lionrock-flips-", dir=shared if shared.is_dir() else None) as folder:
        flips = Flips(DataFolder(Path(folder)))
        for name, found in flips.run(args.flips, args.seed, args.file):
            told = ", ".join(f"{end} {count}" for end, count in found.most_common())
            print(json.dumps({"file": name, **found}) if args.json else f"{name:50} {told}", flush=True)
        for line in flips.bad:
            print(line, file=sys.stderr)
    return 1 if flips.bad else 0


if __name__ == "__main__":
    sys.exit(main())
