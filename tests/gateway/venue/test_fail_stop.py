"""A venue whose invariants do not hold ends before it answers that batch, with its message and exit code.

What the memory did wrong is right again after a start from the journal. What the release does wrong is not: the start
says so, and `lionrock verify --audit` names the command.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind, EventKind
from gateway import cli
from gateway.client import Client, Disconnected
from gateway.commands import serving, verify
from tests.gateway.live import BTC, INDEX, config_of, play, set_up
from tests.mutation import Mutant, break_copy

ROOT = Path(__file__).parents[3]
START_SECONDS = 600
SEEDED = [
    ("fund_negative", [("", 0, "fund_micros", -(1 << 50))], "order"),
    ("cash_not_conserved", [("accounts", None, "cash_micros", 1)], "order"),
    ("cash_not_conserved", [("", 0, "fees_micros", -1)], "order"),
    ("collateral_not_conserved", [("collateral", 0, "fund_units", 7)], "order"),
    ("positions_do_not_cancel", [("positions", 0, "size_lots", -1)], "order"),
    ("open_interest", [("contracts", 0, "open_interest_lots", 1)], "order"),
    ("reduce_only_excess", [("positions", 0, "reduce_only_lots", 1 << 40)], "order"),
    ("open_sums", [("positions", 0, "buy_lots", 1)], "order"),
    ("pool", [("", 0, "orders_live", 1 << 20)], "order"),
    ("live_orders", [("accounts", None, "open_orders", 1)], "order"),
    ("pool", [("", 0, "nodes_live", 1 << 20)], "order"),
    ("book_crossed", [("ladders", 1, "first_key", -(1 << 20))], "quote"),
]


class Stable:
    """The process that forks venues."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.venue.breakable_venue"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout.readline() == "ready\n"
        self._running = 0

    def start(self, config, faults, folder):
        """Begin to serve: its process number and its address."""
        self._end_left()
        flags = {"data": config.data, "port": 0, "durability": "fsync", "scripted-index": INDEX}
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        order = {"words": words, "faults": faults, "out": str(folder / "out"), "err": str(folder / "err")}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._running = int(self._process.stdout.readline())
        return self._running

    def end(self):
        """The exit code of the venue that was started last, once it has ended."""
        self._running = 0
        return int(self._process.stdout.readline())

    def _end_left(self):
        """End the venue that a test which failed has left behind; it may have ended since."""
        if self._running:
            with suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)
            self.end()

    def close(self):
        """End it, and what a test that failed left behind."""
        self._end_left()
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def stable():
    forks = Stable()
    yield forks
    forks.close()


async def address(path):
    """Where a venue listens, once it says so."""
    async with asyncio.timeout(START_SECONDS):
        while not (path.exists() and path.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
    return json.loads(path.read_text())["url"]


async def marked(client):
    """Wait for a mark price."""
    while (await client.call("public/ticker", instrument_name=BTC))["mark_price"] in (None, 0):
        await asyncio.sleep(0.05)


def order(client, side, price, **terms):
    """Place an order."""
    return client.call(f"private/{side}", instrument_name=BTC, amount="0.001", price=str(price), **terms)


def orders_of(journal):
    """The sequences of all orders in a journal."""
    batches = list(host.JournalReader(journal).batches())
    rows = np.concatenate(batches)
    return rows["seq"][rows["kind"] == CommandKind.NEW].tolist()


async def traded(alice, bob):
    """The two trade with each other, so that both have a position."""
    await marked(alice)
    await order(alice, "buy", 20000)
    answer = await order(bob, "sell", 20000)
    assert answer["trades"]


@pytest.mark.parametrize(("violation", "faults", "then"), SEEDED)
def test_nothing_is_answered_once_an_invariant_fails(stable, tmp_path, violation, faults, then):
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    traders = set_up(config)
    slot = traders[0].account_slot
    faults = [(array, slot if row is None else row, *change) for array, row, *change in faults]
    process = stable.start(config, faults, tmp_path)
    answered = [1, 1]

    async def story():
        url = await address(tmp_path / "out")
        clients = [Client(url, trader.key.id, trader.key.secret) for trader in traders]
        for client in clients:
            await client.connect()
        await traded(*clients)
        if then == "quote":
            await order(clients[0], "buy", 19900)
            await order(clients[0], "sell", 20100)
            answered.extend([1, 1])
        os.kill(process, signal.SIGUSR1)
        with pytest.raises(Disconnected):
            while True:
                await order(*((clients[0], "sell", 20100) if then == "quote" else (clients[0], "buy", 20000)))
                answered.append(1)
                await order(*((clients[1], "buy", 19900) if then == "quote" else (clients[1], "sell", 20000)))
                answered.append(1)
        for client in clients:
            await client.close()

    play(story(), START_SECONDS)
    assert stable.end() == serving.BROKEN
    error = (tmp_path / "err").read_text()
    line = next(text for text in error.splitlines() if text.startswith("lionrock serve:"))
    assert line.startswith(f"lionrock serve: {config.journal}: {violation} after command"), error
    assert "none of this batch was answered" in line and "`lionrock verify --audit`" in line
    assert f"CRITICAL the venue stops: {config.journal}: {violation}" in error and "Traceback" not in error
    first = int(re.search(r"after commands? (\d+)", line)[1])
    assert orders_of(config.journal)[len(answered) - 1] < first, "the last answered order came before that batch"


def test_a_fault_of_the_memory_is_gone_after_a_start(stable, tmp_path, capsys):
    """Every order that was answered is there, and one that was not if the journal has it; the audit finds nothing."""
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    traders = set_up(config)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    process = stable.start(config, [("accounts", traders[0].account_slot, "cash_micros", 1)], first)
    answered = []

    async def broken():
        url = await address(first / "out")
        clients = [Client(url, trader.key.id, trader.key.secret) for trader in traders]
        for client in clients:
            await client.connect()
        await traded(*clients)
        os.kill(process, signal.SIGUSR1)
        with pytest.raises(Disconnected):
            while True:
                await order(clients[0], "buy", 19990)
                answered.append(1)
                await asyncio.sleep(0.01)  # at most 1,000 orders may be open, and a busy machine heeds signals late
        for client in clients:
            await client.close()

    play(broken(), START_SECONDS)
    assert stable.end() == serving.BROKEN
    assert cli.main(["verify", "--audit", config.data, "--every", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["audit"]["sequence"] == 0
    again = stable.start(config, [], second)

    async def sound():
        client = Client(await address(second / "out"), traders[0].key.id, traders[0].key.secret)
        await client.connect()
        resting = await client.call("private/get_open_orders_by_instrument", instrument_name=BTC)
        await client.close()
        os.kill(again, signal.SIGTERM)
        return len(resting)

    assert play(sound(), START_SECONDS) == len(orders_of(config.journal)) - 2 in (len(answered), len(answered) + 1)
    assert stable.end() == 0


# --- a release that is wrong ----------------------------------------------------------------------------------------

WRONG = Mutant("a fee is credited twice", "ledger.py", "    s.fees_micros += fee\n", "    s.fees_micros += 2 * fee\n")


def first_fill(journal):
    """The command of a journal's first trade."""
    reader = host.JournalReader(journal)
    engine, found = host.Engine(host.create(reader.capacities, reader.mode)), []

    def take(commands, events):
        found.extend(events["seq"][events["kind"] == EventKind.FILL])

    host.replay(reader, engine, sink=take)
    return int(found[0])


def wrong_release(folder):
    """The environment in which every Python process has a copy of the engine whose ledger is wrong, as plain Python."""
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    break_copy(WRONG, folder / "engine")
    (folder / "gateway").symlink_to(ROOT / "gateway")
    (folder / "bench").symlink_to(ROOT / "bench")
    here = {"LIONROCK_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)}
    return os.environ | here | {"NUMBA_DISABLE_JIT": "1"}


def lionrock(folder, *words):
    """Run a command of the wrong release."""
    command = [sys.executable, "-m", "gateway.cli", *words]
    return subprocess.run(command, env=wrong_release(folder), cwd=folder, capture_output=True, text=True)


def test_a_release_that_is_wrong_does_not_start_and_the_audit_names_the_command(stable, tmp_path):
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    traders = set_up(config)
    process = stable.start(config, [], tmp_path)

    async def story():
        url = await address(tmp_path / "out")
        clients = [Client(url, trader.key.id, trader.key.secret) for trader in traders]
        for client in clients:
            await client.connect()
        await traded(*clients)
        for client in clients:
            await client.close()
        os.kill(process, signal.SIGKILL)

    play(story(), START_SECONDS)
    assert stable.end() == -signal.SIGKILL
    seq = first_fill(config.journal)
    for number, words in enumerate((["--json"], ["--every", "3"])):
        folder = tmp_path / f"audit{number}"
        folder.mkdir()
        done = lionrock(folder, "verify", "--audit", config.data, *words)
        assert done.returncode == verify.BROKEN, done.stderr
        assert f"after command {seq:,} (NEW of account {traders[1].account_slot} at " in done.stderr
        assert "cash_not_conserved" in done.stderr and len(done.stderr.splitlines()) == 1
        if number == 0:
            audit = json.loads(done.stdout)["audit"]
            assert (audit["sequence"], audit["invariant"]) == (seq, "cash_not_conserved")
            assert audit["held_until"] < seq
    (tmp_path / "serve").mkdir()
    done = lionrock(tmp_path / "serve", "serve", "--data", config.data, "--port", "0")
    assert done.returncode == serving.BROKEN, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("lionrock serve: the log leads to cash_not_conserved after command")
    assert "`lionrock verify --audit` names the command" in line
