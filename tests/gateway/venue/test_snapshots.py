"""Snapshots beside a running venue: a crash right after one loses and repeats nothing, and whatever ends the process
that writes them, the pairs before it stay.
"""

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import disk, host
from engine.journal import archive_folder, archived_numbers, snapshot, write_snapshot
from gateway import cli
from gateway.client import Client
from gateway.venue import beside_venue, snapshot_process
from gateway.venue import snapshots as snapshots_module
from gateway.venue.beside_venue import GIVE_WAY
from gateway.venue.health import Health
from gateway.venue.recovery import projection_path
from gateway.venue.snapshot_process import Order, answer, take
from gateway.venue.snapshots import TROUBLE, Snapshots
from gateway.venue.venue import Venue
from tests.gateway.live import BTC, config_of, play, running, set_up, until
from tests.test_archive import crashes
from tests.test_journal import flip

START_SECONDS = 300


async def trade(clients, rounds):
    """Orders that rest, orders that trade, cancels."""
    alice, bob = clients
    await alice.call("private/cancel_all_by_instrument", instrument_name=BTC)
    for place in range(rounds):
        await alice.call("private/buy", instrument_name=BTC, amount=0.01, price=19_000 - place % 50)
        sold = await alice.call("private/sell", instrument_name=BTC, amount=0.01, price=20_500)
        await bob.call("private/buy", instrument_name=BTC, amount=0.01, price=20_500)
        await alice.call("private/sell", instrument_name=BTC, amount=0.01, price=22_000)
        assert sold["order"]["order_id"]


async def told(clients):
    """What clients are told of their orders, trades and money."""
    found = []
    for client in clients:
        for method in ("get_open_orders", "get_order_history_by_instrument", "get_user_trades_by_instrument"):
            found.append(await client.call(f"private/{method}", instrument_name=BTC, **_page(method)))
        summary = await client.call("private/get_account_summary", currency="USDC")
        found.append([summary[name] for name in ("balance", "session_funding") if name in summary])
    return found


def _page(method):
    return {} if method == "get_open_orders" else {"count": 1000}


def order_of(config, until_seq=1 << 60, **settings):
    """What a venue of these settings would ask for."""
    return Order(config.data, until_seq, config.report_rows, config.archive_after_segments, **settings)


@asynccontextmanager
async def joined(server, traders):
    """A logged-in client for each trader."""
    clients = [Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret) for trader in traders]
    for client in clients:
        await client.connect()
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


def ready(folder, **settings):
    """The settings of a venue in a new folder, and its traders."""
    config = config_of(folder, segment_bytes=1 << 16, archive_after_segments=0, **settings)
    config.registry.parent.mkdir(parents=True)
    return config, set_up(config)


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """The settings of a venue that traded, was stopped, traded and was stopped: two pairs, many segments."""
    config, traders = ready(tmp_path_factory.mktemp("traded") / "venue", snapshot_commands=0)

    async def story():
        for rounds in (300, 60):
            async with running(config) as server, joined(server, traders) as clients:
                await trade(clients, rounds)

    play(story())
    return config


@pytest.fixture
def stopped(traded, tmp_path):
    """A copy of it."""
    shutil.copytree(traded.data, tmp_path / "venue")
    return replace(traded, data=str(tmp_path / "venue"))


def unclean(config):
    """Leave the folder as a crash does that came right before the newest pair was written."""
    newest = host.snapshot_seqs(config.journal)[0]
    snapshot.snapshot_path(config.journal, newest).unlink()
    projection_path(Path(config.data), newest).unlink()
    return newest


def test_a_crash_behind_a_snapshot_of_a_running_venue(tmp_path):
    """The start takes the pair that was written beside the venue; clients are told the same, nothing is done twice."""
    config, traders = ready(tmp_path / "venue", snapshot_commands=400)
    after = replace(config, data=str(tmp_path / "copy"))

    async def before_the_crash():
        async with running(config) as server, joined(server, traders) as clients:
            snapshots = server.venue.snapshots
            for _ in range(2):
                await trade(clients, 120)
                newest = snapshots.last_seq
                await until(lambda newest=newest: snapshots.last_seq > newest, START_SECONDS)
            await until(lambda: not snapshots.is_running, START_SECONDS)
            assert snapshots.archived_segments and snapshots.failures == 0 and not server.venue.health.troubles
            await trade(clients, 10)
            server.venue.engine.journal.sync()
            shutil.copytree(config.data, after.data)  # in one turn of the loop: as a crash would leave it
            return await told(clients), server.venue.engine.last_seq

    async def after_the_crash():
        async with running(after) as server, joined(server, traders) as clients:
            return await told(clients), server.venue.engine.recovery

    before, _ = play(before_the_crash(), START_SECONDS)
    pair = host.snapshot_seqs(after.journal)
    assert len(pair) == 2 and all(projection_path(Path(after.data), seq).exists() for seq in pair)
    assert archived_numbers(archive_folder(after.journal))
    same, recovery = play(after_the_crash())
    assert same == before and recovery.snapshot_seq == pair[0] and recovery.replayed > 0
    whole = host.Engine(host.create())
    host.replay(host.JournalReader(after.journal), whole)
    assert whole.digest() == list(host.snapshots(after.journal))[-1].digest.hex()


def test_no_snapshot_is_ahead_of_what_the_registry_has_noted(stopped, monkeypatch):
    """A start replays only what is behind a snapshot: what the registry does not know by then it would do again."""
    newest = unclean(stopped)
    monkeypatch.setattr(snapshot_process, "NOTED_SECONDS", 0.0)
    db = sqlite3.connect(stopped.registry)
    [(reference, seq)] = db.execute("SELECT reference, applied_seq FROM intents ORDER BY reference DESC LIMIT 1")
    older = host.snapshot_seqs(stopped.journal)
    for path in stopped.journal.glob("snapshot-*"):
        path.unlink()
    with db:
        db.execute("UPDATE intents SET applied_seq = NULL WHERE reference = ?", (reference,))
    done = answer(order_of(stopped))
    assert f"changes up to number {reference} is not noted" in done.problem and not done.sequence
    assert host.snapshot_seqs(stopped.journal) == []
    with db:
        db.execute("UPDATE intents SET applied_seq = ? WHERE reference = ?", (seq, reference))
    db.close()
    assert take(order_of(stopped)).sequence == newest > older[0]


def test_a_pair_is_whole_wherever_its_process_ends(stopped):
    """At each end the newest pair is sound, and the next attempt goes on from there."""
    newest = unclean(stopped)
    numbers = host.retention.retired(stopped.journal, host.snapshot_seqs(stopped.journal)[-1])
    config, seqs = replace(stopped, archive_after_segments=len(numbers) - 1), set()
    for _ in crashes(lambda: take(order_of(config, newest), lambda: None)):
        [seq, *_] = host.retention.sound_snapshots(stopped.journal)
        seqs.add(seq)
        assert projection_path(Path(stopped.data), seq).exists()
        for _ in host.JournalReader(stopped.journal).batches():
            pass
    assert len(seqs) == 2 and max(seqs) == newest and archived_numbers(archive_folder(stopped.journal))
    assert not [path for path in Path(stopped.data).rglob("*" + disk.TEMPORARY) if path.parent == stopped.journal]


class MeasuredDisk(disk.SystemDisk):
    """The machine's disk; how many bytes were at most written or freed at once, without a sync between."""

    def __init__(self):
        self.most_bytes, self._unsynced, self._removed = 0, {}, set()

    def pwrite(self, descriptor, parts, offset, flags=0):
        written = super().pwrite(descriptor, parts, offset, flags)
        self._count(descriptor, written)
        return written

    def truncate(self, descriptor, size_bytes):
        self._count(descriptor, self.size_bytes(descriptor) - size_bytes)
        super().truncate(descriptor, size_bytes)

    def unlink(self, path):
        self._removed.add(path.name)
        self.most_bytes = max(self.most_bytes, path.stat().st_size)
        super().unlink(path)

    def sync(self, descriptor):
        self._unsynced[descriptor] = 0
        super().sync(descriptor)

    def _count(self, descriptor, size_bytes):
        self._unsynced[descriptor] = self._unsynced.get(descriptor, 0) + size_bytes
        self.most_bytes = max(self.most_bytes, self._unsynced[descriptor])

    def kinds(self):
        """What was removed: the first words of the names."""
        return {name.partition("-")[0] for name in self._removed}


def test_nothing_is_written_or_removed_in_large_pieces(stopped, monkeypatch):
    """The syncs of the journal wait while the file system writes or frees much at once."""
    monkeypatch.setattr(disk, "PIECE_BYTES", 1 << 12)
    newest, measured = unclean(stopped), MeasuredDisk()
    take(order_of(stopped, newest - 10), lambda: None)
    gc.collect()  # what is garbage may have files mapped, and those are not cut
    with disk.use(measured):
        done = take(order_of(stopped, newest), lambda: None)
    assert done.sequence == newest and done.archived
    assert measured.kinds() == {"snapshot", "projection", "journal"}
    assert measured.most_bytes <= disk.PIECE_BYTES


def test_a_killed_process_is_an_alarm_and_is_tried_again(stopped, monkeypatch):
    newest, health = unclean(stopped), Health()
    config = replace(stopped, snapshot_commands=1)
    snapshots = Snapshots(config, health, 0)
    snapshots.tick(newest)
    assert snapshots.is_running
    snapshots._process.kill()
    snapshots._process.wait()
    snapshots.tick(newest)
    assert snapshots.failures == 1 and not snapshots.is_running
    [trouble] = health.troubles
    assert trouble.name == TROUBLE and "exit code -9" in trouble.cause and "trading goes on" in trouble.remedy
    snapshots.tick(newest)
    assert not snapshots.is_running  # not at once
    monkeypatch.setattr(snapshots, "_retry_seconds", 0)
    snapshots.tick(newest)
    snapshots._process.wait(START_SECONDS)
    snapshots.tick(newest)
    assert snapshots.last_seq == newest and not health.troubles
    assert host.retention.sound_snapshots(stopped.journal)[0] == newest
    snapshots.tick(newest)
    assert not snapshots.is_running  # nothing new
    snapshots.close()


def test_a_process_that_does_not_come_to_an_end_gives_way_no_longer(stopped):
    """What a start replays stays bounded beside a machine that has no time to spare."""
    newest, health = unclean(stopped), Health()
    snapshots = Snapshots(replace(stopped, snapshot_commands=newest), health, 0)
    snapshots.tick(newest)
    idle = snapshots._process
    snapshots.tick(2 * newest - 1)
    assert snapshots._process is idle and GIVE_WAY in idle.args
    snapshots.tick(2 * newest)
    assert snapshots._process is idle  # killed: it may take long to end where it hardly gets a core
    os.waitid(os.P_PID, idle.pid, os.WEXITED | os.WNOWAIT)
    snapshots.tick(2 * newest)
    assert idle.returncode is not None and GIVE_WAY not in snapshots._process.args
    snapshots._process.wait(START_SECONDS)
    snapshots.tick(2 * newest)
    assert snapshots.failures == 0 and not health.troubles
    assert host.retention.sound_snapshots(stopped.journal)[0] == newest
    snapshots.close()


def test_the_loop_never_waits_for_a_process_to_end(stopped, monkeypatch):
    """One that runs only where nobody else wants to may be killed and still not end for seconds."""
    health = Health()
    snapshots = Snapshots(replace(stopped, snapshot_commands=1), health, 0)
    snapshots.tick(10)
    process = snapshots._process
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(process, "kill", lambda: None)
    monkeypatch.setattr(process, "wait", pytest.fail)
    monkeypatch.setattr(snapshots_module, "LONGEST_SECONDS", 0)
    for _ in range(3):
        snapshots.tick(1)
        assert snapshots.is_running and snapshots._process is process and not health.troubles
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    monkeypatch.undo()
    snapshots.tick(1)
    assert not snapshots.is_running and snapshots.failures == 1 and health.troubles


def test_a_process_ends_with_its_venue(stopped):
    unclean(stopped)
    snapshots = Snapshots(replace(stopped, snapshot_commands=1), Health(), 0)
    snapshots.tick(10**9)
    process = snapshots._process
    process.stdin.close()  # as the end of the venue does
    assert process.wait(START_SECONDS) == beside_venue.INPUT_ENDED
    snapshots.close()


def test_a_process_whose_venue_has_ended_says_nothing_to_anybody():
    """The venue may end between the last work of a process and its answer: that is no fault to print."""
    code = "from gateway.venue import beside_venue; input(); beside_venue.tell({'done': 1})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.communicate(b"\n")[1] == b""
        assert process.returncode == beside_venue.INPUT_ENDED


GIVING_WAY = """
import os, threading, time
from gateway.venue import beside_venue as process
looked = threading.Event()

def waited_ns():
    if threading.current_thread() is not threading.main_thread():
        looked.wait()  # on a busy machine its thread may be done before this one looks
    return {waited}

process.STARVED_SECONDS = 0.01
process._waited_ns = waited_ns
process.give_way()
idle, looks = os.sched_getscheduler(0) == os.SCHED_IDLE, 0
looked.set()
while os.sched_getscheduler(0) == os.SCHED_IDLE and looks < {looks}:
    time.sleep(0.01)
    looks += 1
print(idle, os.sched_getscheduler(0) == os.SCHED_IDLE, os.nice(0))
"""


@pytest.mark.parametrize(
    "waited, looks, is_idle", [("time.monotonic_ns()", 2000, "False"), ("0", 10, "True")]
)
def test_it_runs_where_nobody_else_wants_to_unless_that_is_nowhere(waited, looks, is_idle):
    """A process that always waits for a core is merely nice from then on."""
    code = GIVING_WAY.format(waited=waited, looks=looks)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", is_idle, str(min(19, os.nice(0) + beside_venue.NICENESS))]


WITHOUT_THE_RIGHT = """
import os, resource
from gateway.venue import beside_venue as process
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
os.setuid(65534)
process.give_way()
print(os.sched_getscheduler(0) == os.SCHED_IDLE, os.nice(0))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run something as another user")
def test_who_could_not_leave_the_idle_policy_again_does_not_begin_it():
    """As an ordinary user, which a service is, the process would wait for a core for ever beside a busy venue."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_RIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", str(min(19, os.nice(0) + beside_venue.NICENESS))]


def test_a_state_that_the_journal_does_not_lead_to_is_found(stopped):
    """The snapshot of a stop is of the venue's memory. It is compared once with what the journal leads to."""
    newest, older = host.snapshot_seqs(stopped.journal)
    assert take(order_of(stopped, compare_seq=newest)).compared_seq == newest
    state = host.Engine.read(stopped.journal, newest, from_seq=older)
    chain = state._chain
    state.root["accounts"]["cash_micros"][0, 0] += 1
    write_snapshot(stopped.journal, state.root, chain)
    done = answer(order_of(stopped, compare_seq=newest))
    assert "not the state that the journal leads to" in done.problem and done.sequence == 0


def test_a_bad_read_model_is_made_again_from_the_older_pair(stopped, monkeypatch):
    """Without reading the archived part of the journal; and from all of it when both are bad."""
    take(order_of(stopped))
    newest, older = host.snapshot_seqs(stopped.journal)
    numbers = archived_numbers(archive_folder(stopped.journal))
    assert numbers
    away = archive_folder(stopped.journal).rename(Path(stopped.data) / "away")
    flip(projection_path(Path(stopped.data), newest), 3000)
    venue = Venue(stopped)
    assert venue.engine.recovery.snapshot_seq == newest and venue.projection.applied_seq == venue.engine.last_seq
    venue.engine.close()
    venue.registry.close()
    flip(projection_path(Path(stopped.data), older), 3000)
    with pytest.raises(host.JournalError, match="neither in the journal's folder nor archived here"):
        Venue(stopped)
    away.rename(archive_folder(stopped.journal))
    venue = Venue(stopped)
    assert venue.projection.applied_seq == venue.engine.last_seq
    venue.engine.close()
    venue.registry.close()


def test_whoever_reads_all_of_the_log_reads_its_archives(stopped, capsys):
    """The same words from `verify`, `explain` and an audit's export, before and after; a missing archive is named."""
    commands = (
        ["verify", "--audit", stopped.data, "--json"], ["explain", "alice", "--data", stopped.data, "--json"],
        ["funding", "audit", stopped.data],
    )  # fmt: skip

    def said():
        return [(cli.main([*words]), capsys.readouterr().out) for words in commands]

    before = said()
    assert take(order_of(stopped)).archived
    assert said() == before and before[0][0] == 0
    numbers = archived_numbers(archive_folder(stopped.journal))
    lost = archive_folder(stopped.journal) / f"journal-{numbers[0]:08d}.log.zst"
    lost.unlink()
    for words in commands:
        assert cli.main([*words]) == 2
        assert f"{lost}: segment 1 is neither" in capsys.readouterr().err
