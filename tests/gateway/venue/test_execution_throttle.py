"""Surveillance beside a real server: alerts are filed, whoever trades too often is stopped, and nobody waits for it."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host
from engine.codes import EventKind
from engine.schema import EVENT, SMALL
from gateway import cli
from gateway.client import RpcError
from gateway.registry.registry import Registry
from gateway.surveillance import supervisor as service_module
from gateway.surveillance.activity import Alert, Evidence, Owners
from gateway.surveillance.from_journal import clients_of
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.store import AlertError, AlertStore, Review, file_of
from gateway.surveillance.supervisor import Supervisor
from gateway.surveillance.worker import BEGIN, EVENTS, FRAME, Worker
from tests.gateway.identified import officer_words
from tests.gateway.live import BTC, market, play, until
from tests.gateway.socketless_venue import SocketlessVenue

ALICE, BOB = 0, 1


def test_the_throttle_stops_an_account_until_a_person_lifts_it(tmp_path: Path) -> None:
    limits = Parameters(throttle_executions=5, throttle_seconds=60)

    async def story() -> None:
        async with market(tmp_path, surveillance=limits) as (server, (alice, bob)):
            resting = {"instrument_name": BTC, "amount": 0.01, "type": "limit"}
            price = float((await alice.call("public/ticker", instrument_name=BTC))["mark_price"])
            far = await alice.call("private/buy", **resting, price=round(price * 0.5))
            for _ in range(5):
                await alice.call("private/sell", **resting, price=round(price))
                await bob.call("private/buy", **resting, price=round(price))
            accounts = server.venue.engine.root[0]["accounts"]
            await until(lambda: accounts[ALICE]["killed"] and accounts[BOB]["killed"])
            with pytest.raises(RpcError) as refused:
                await alice.call("private/sell", **resting, price=round(price))
            assert refused.value.reason == "ACCOUNT_SUSPENDED"
            order = await alice.call("private/get_order_state", order_id=far["order"]["order_id"])
            assert order["order_state"] == "cancelled"

    play(story())
    store = AlertStore(file_of(tmp_path))
    assert [(row.rule, row.accounts) for row in store.alerts()] == [
        ("execution_throttle", [ALICE]), ("execution_throttle", [BOB]),
    ]  # fmt: skip
    store.close()


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_the_rules_end_with_a_venue_that_has_no_server(tmp_path: Path, end: str) -> None:
    """A process of rules and its threads, left behind, would keep the whole venue in memory."""
    venue = SocketlessVenue(tmp_path, surveillance=Parameters(throttle_executions=5, throttle_seconds=60)).venue
    venue.start()
    process = venue.execution_throttle.supervisor._process
    assert process is not None and process.exit_code is None
    getattr(venue, end)()
    assert process.exit_code is not None and not any(thread.is_alive() for thread in process._threads)


def test_who_cannot_be_stopped_now_is_stopped_as_soon_as_the_registry_can_be_written(tmp_path: Path) -> None:
    limits = Parameters(throttle_executions=2, throttle_seconds=60)

    async def story() -> None:
        async with market(tmp_path, surveillance=limits) as (server, (alice, bob)):
            resting = {"instrument_name": BTC, "amount": 0.01, "type": "limit"}
            price = round(float((await alice.call("public/ticker", instrument_name=BTC))["mark_price"]))
            other = sqlite3.connect(server.venue.config.registry, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                await alice.call("private/sell", **resting, price=price)
                await bob.call("private/buy", **resting, price=price)
            await until(lambda: server.venue.execution_throttle._waiting == {ALICE, BOB})
            accounts = server.venue.engine.root[0]["accounts"]
            assert not accounts[ALICE]["killed"] and not server.failed.done()
            other.execute("ROLLBACK")
            other.close()
            await until(lambda: accounts[ALICE]["killed"] and accounts[BOB]["killed"])

    play(story())


def test_alerts_of_a_server_and_of_its_journal_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = Parameters(step_s=1, interest_share_percent=0, stuffing_messages=20, stuffing_per_trade=10)

    async def story() -> None:
        async with market(tmp_path, surveillance=limits) as (_, (alice, _bob)):
            for _ in range(12):
                order = await alice.call("private/buy", instrument_name=BTC, amount=0.01, type="limit", price=9000)
                await alice.call("private/cancel", order_id=order["order"]["order_id"])

    play(story())
    config = tmp_path / "lionrock.toml"
    config.write_text(
        "[surveillance]\nstep_s = 1\ninterest_share_percent = 0\nstuffing_messages = 20\nstuffing_per_trade = 10\n"
    )
    capsys.readouterr()
    words = ["alerts", "list", "--json"]
    assert cli.main([*words, "--data", str(tmp_path)]) == 0
    filed = json.loads(capsys.readouterr().out)
    assert cli.main([*words, "--replay", str(tmp_path), "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == filed
    assert [row["rule"] for row in filed][:1] == ["quote_stuffing"]
    assert cli.main(["alerts", "show", "1", "--data", str(tmp_path)]) == 0
    assert "quote_stuffing" in capsys.readouterr().out


def test_accounts_of_one_client_have_one_owner(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry.db")
    for name, client in (("desk a", "fund"), ("alone", ""), ("desk b", "fund")):
        registry.create_account(name, 1, client)
    owners = Owners()
    owners.add_clients(clients_of(registry))
    assert clients_of(registry, 2).keys() == {2}
    owners.add_clients(clients_of(registry, 2))
    registry.close()
    first, alone, second, unknown = owners.of(np.arange(4)).tolist()
    assert first == second and len({first, alone, unknown}) == 3


def filed(folder: Path) -> AlertStore:
    """A store with one alert, filed twice."""
    store = AlertStore(file_of(folder))
    alert = Alert("wash_trades", "text", 5, 0, (1, 2), Evidence([7, 9], [3], {"lots": 4}))
    store.add([alert, alert])
    store.add([alert])
    return store


def test_reviews_stay_and_name_who_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(tmp_path / "registry.db")
    for name in ("desk", "fund"):
        registry.create_account(name, 1)
    registry.close()
    store = filed(tmp_path)
    assert cli.main(["alerts", "list", "--data", str(tmp_path)]) == 0
    assert "contract 0, accounts 1 (fund), 2: text" in capsys.readouterr().out
    assert [(row.number, row.state) for row in store.alerts()] == [(1, "open")]
    words = ["alerts", "review", "1", "--data", str(tmp_path), "--reviewer", "Ann"]
    assert cli.main([*words, "--state", "escalated", "--note", "ask the desk"]) == 0
    assert cli.main([*words, "--state", "dismissed", "--note", "one fund, two mandates"]) == 0
    assert [(review.state, review.reviewer) for review in store.reviews(1)] == [
        ("escalated", "Ann"), ("dismissed", "Ann"),
    ]  # fmt: skip
    assert [row.state for row in store.alerts()] == ["dismissed"] and store.alerts("open") == []
    for review, text in (
        (Review("open ", "Ann", "x", 1), "state"), (Review("reviewed", " ", "x", 1), "reviewer"),
        (Review("reviewed", "Ann", "", 1), "note"),
    ):  # fmt: skip
        with pytest.raises(AlertError, match=text):
            store.review(1, review)
    with pytest.raises(AlertError, match="alert 2"):
        store.review(2, Review("reviewed", "Ann", "x", 1))
    store.close()


def test_an_alert_grows_until_somebody_has_reviewed_it(tmp_path: Path) -> None:
    store = AlertStore(file_of(tmp_path))

    def state(last_seq: int, lots: int) -> Alert:
        proof = Evidence([7, last_seq], [3], {"traded_lots": lots})
        return Alert("wash_trades", f"{lots} lots", last_seq, 0, (1, 2), proof, (7, 1, 2))

    store.add([state(9, 4)])
    store.add([state(12, 6), state(12, 6), state(9, 4)])
    assert [(row.number, row.text, row.last_seq) for row in store.alerts()] == [(1, "6 lots", 12)]
    store.review(1, Review("dismissed", "Ann", "known", 1))
    store.add([state(12, 6)])
    assert len(store.alerts()) == 1
    store.add([state(15, 8), state(20, 9)])
    told = [(row.number, row.text, row.first_seq, row.last_seq, row.state) for row in store.alerts()]
    assert told == [(1, "6 lots", 7, 12, "dismissed"), (2, "9 lots", 13, 20, "open")]
    store.close()


def test_once_there_are_officers_a_review_is_proved_by_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filed(tmp_path).close()
    ann, ben = str(tmp_path / "ann.key"), str(tmp_path / "ben.key")
    data = ["--data", str(tmp_path)]
    assert cli.main(["admin", "init", *officer_words(("Ann Lee", ann), ("Ben Wong", ben)), *data]) == 0
    words = ["alerts", "review", "1", "--state", "dismissed", "--note", "known strategy", *data]
    with pytest.raises(SystemExit) as refused:
        cli.main([*words, "--reviewer", "Ann Lee"])
    assert refused.value.code == 2 and "--as" in capsys.readouterr().err
    assert cli.main([*words, "--reviewer", "somebody else", "--as", ben]) == 0
    assert "by Ben Wong" in capsys.readouterr().out


def later(seq: int) -> Any:
    """An event that no rule looks at, when the step of what came before is over."""
    rows = np.zeros(1, EVENT)
    rows["seq"], rows["time_ns"], rows["kind"] = seq, seq * 10**10, EventKind.REFILLED
    return rows


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something is so; a minute is far more than it takes."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


class Held:
    """A journal that makes nothing safe before it is told to."""

    def __init__(self) -> None:
        self.seq = 0

    def __call__(self) -> int:
        return self.seq


def fills(seq: int, account: int) -> Any:
    rows = np.zeros(2, EVENT)
    rows["seq"], rows["time_ns"], rows["kind"] = seq, seq, EventKind.FILL
    rows["account_slot"], rows["trade_id"] = account, seq
    return rows


def test_only_what_is_durable_is_looked_at_and_too_much_is_skipped_with_an_alert(tmp_path: Path) -> None:
    durable, stopped, seen = Held(), [], threading.Event()

    def stop(account: int) -> None:
        stopped.append(account)
        seen.set()

    p = Parameters(throttle_executions=2, queue_rows=4, interest_share_percent=0)
    service = Supervisor(p, file_of(tmp_path), durable, stop)
    service.start(host.create(SMALL)[0], {})
    for seq in range(1, 6):
        service.offer(fills(seq, seq), seq)
    assert not seen.wait(0.3)
    assert service._process is not None and len(service._process._gaps) <= 1  # however long too much waits
    durable.seq = 1
    assert seen.wait(10) and stopped == [1]
    durable.seq = 5
    service.close()
    assert stopped == [1, 2]
    store = AlertStore(file_of(tmp_path))
    gap = store.alerts(rule="surveillance_gap")
    assert [(row.first_seq, row.last_seq) for row in gap] == [(3, 5)]
    store.close()


def test_a_rule_that_fails_is_filed_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = {"parameters": {"throttle_executions": 2}, "path": str(file_of(tmp_path)), "positions": [], "groups": []}
    worker = Worker(begin)
    monkeypatch.setattr(worker.rules, "take", lambda events: 1 // 0)
    assert worker.take(EVENTS, fills(1, 6).tobytes()) == [6]
    assert worker.take(EVENTS, fills(2, 7).tobytes()) == [7]
    found = [row.rule for row in worker.store.alerts()]
    assert found == ["execution_throttle", "surveillance_fault"] * 2
    worker.close()


def test_the_rules_end_quietly_when_their_venue_was_killed(tmp_path: Path) -> None:
    """What was handed over whole is on file, though nobody hears the answers and the last frame is a part of one."""
    begin = {"parameters": {"throttle_executions": 2}, "path": str(file_of(tmp_path)), "positions": [], "groups": []}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.surveillance.worker"], cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    for kind, data in ((BEGIN, json.dumps(begin).encode()), *((EVENTS, fills(seq, seq).tobytes()) for seq in (1, 2))):
        process.stdin.write(FRAME.pack(kind, len(data)) + data)
    process.stdin.write(FRAME.pack(EVENTS, 1000) + bytes(100))
    process.stdin.close()
    assert process.stderr.read() == b"" and process.wait(20) == 0
    process.stderr.close()
    store = AlertStore(file_of(tmp_path))
    assert len(store.alerts(rule="execution_throttle")) == 2
    store.close()


@pytest.mark.parametrize("is_there_at_first", [True, False])
def test_the_rules_end_in_one_line_when_the_data_folder_is_gone(tmp_path: Path, is_there_at_first: bool) -> None:
    folder = tmp_path / "data"
    if is_there_at_first:
        folder.mkdir()
    begin = {"parameters": {"throttle_executions": 2}, "path": str(file_of(folder)), "positions": [], "groups": []}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.surveillance.worker"], cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    for kind, data in ((BEGIN, json.dumps(begin).encode()), (EVENTS, fills(1, 1).tobytes())):
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(FRAME.pack(kind, len(data)) + data)
    if is_there_at_first:
        process.stdout.readline()
        store = AlertStore(file_of(folder))
        store._db.executescript("DROP TABLE alerts")  # SQLite goes on in files whose names are gone
        store.close()
        data = fills(2, 2).tobytes()
        process.stdin.write(FRAME.pack(EVENTS, len(data)) + data)
    process.stdin.close()
    lines = process.stderr.read().decode().splitlines()
    assert len(lines) == 1 and "alerts cannot be filed" in lines[0] and "see what became of the data folder" in lines[0]
    assert process.wait(20) == 1
    process.stdout.close()
    process.stderr.close()


def killed(service: Supervisor) -> None:
    """End the process of the rules from outside."""
    process = service._process
    assert process is not None
    process._popen.kill()
    process._popen.wait()


def test_a_process_that_ends_takes_nothing_with_it(tmp_path: Path) -> None:
    service = Supervisor(Parameters(), file_of(tmp_path), lambda: 1 << 60, lambda account: None)
    service.start(host.create(SMALL)[0], {})
    threads = [*service._process._threads] if service._process else []
    killed(service)
    for seq in range(1, 200):
        service.offer(fills(seq, seq), seq)
        time.sleep(0.002)
    service.close()
    assert threads and not any(thread.is_alive() for thread in threads)


def test_an_end_of_all_processes_at_once_leaves_the_rules_their_last_events(tmp_path: Path) -> None:
    stopped: list[int] = []
    service = Supervisor(Parameters(throttle_executions=2), file_of(tmp_path), lambda: 1 << 60, stopped.append)
    service.start(host.create(SMALL)[0], {})
    service.offer(fills(1, 1), 1)
    wait_for(lambda: stopped == [1])
    process = service._process
    assert process is not None
    process._popen.terminate()
    service.offer(fills(2, 2), 2)
    service.close()
    assert stopped == [1, 2]


def test_another_process_takes_over_and_what_lies_between_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service_module, "FIRST_DELAY_SECONDS", 0.0)
    stopped: list[int] = []
    p = Parameters(throttle_executions=2, interest_share_percent=0)
    service = Supervisor(p, file_of(tmp_path), lambda: 1 << 60, stopped.append)
    state = host.create(SMALL)[0]
    service.start(state, {})
    service.offer(fills(1, 1), 1)
    service.offer(later(2), 2)
    wait_for(lambda: stopped == [1] and service._process is not None and service._process.seen_seq == 2)
    assert not service.is_due()
    killed(service)
    service.offer(later(3), 3)
    assert service.is_due()
    service.offer(later(4), 4)
    service.start(state, {})
    service.offer(fills(5, 5), 5)
    wait_for(lambda: stopped == [1, 5])
    service.close()
    assert not service.is_due()
    store = AlertStore(file_of(tmp_path))
    wait_for(lambda: len(store.alerts(rule="surveillance_down")) == 1)
    told = {row.rule: (row.first_seq, row.last_seq) for row in store.alerts() if row.rule.startswith("surveillance")}
    store.close()
    assert told == {"surveillance_down": (2, 3), "surveillance_gap": (3, 4)}
    assert "exit code -9" in caplog.text and "run again from sequence 4" in caplog.text


def test_what_dies_again_and_again_is_waited_for_longer_up_to_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, begun = [0.0], []

    class Dead:
        exit_code, seen_seq = 1, 0

        def __init__(self, *args: Any) -> None:
            begun.append(now[0])

        def abandon(self) -> None:
            """There is nothing to end."""

    monkeypatch.setattr(service_module, "Process", Dead)
    monkeypatch.setattr(service_module, "monotonic", lambda: now[0])
    service = Supervisor(Parameters(), file_of(tmp_path), lambda: 0, lambda account: None)
    state = host.create(SMALL)[0]
    service.start(state, {})
    for second in range(1, 401):
        now[0] = second
        if service.is_due():
            service.start(state, {})
    assert [after - before for before, after in pairwise(begun)][:9] == [2, 3, 5, 9, 17, 33, 61, 61, 61]
    now[0] += service_module.LONGEST_DELAY_SECONDS
    assert service.is_due()
    service.start(state, {})
    now[0] += service_module.STEADY_SECONDS
    assert not service.is_due() and service._next_at == now[0] + 1


def test_a_venue_replaces_the_process_of_its_rules(tmp_path: Path) -> None:
    async def story() -> None:
        async with market(tmp_path, surveillance=Parameters()) as (server, _):
            service = server.venue.execution_throttle.supervisor
            first = service._process
            killed(service)
            await until(lambda: service._process not in (None, first))

    play(story())
    store = AlertStore(file_of(tmp_path))
    assert {"surveillance_down", "surveillance_gap"} <= {row.rule for row in store.alerts("open")}
    store.close()
