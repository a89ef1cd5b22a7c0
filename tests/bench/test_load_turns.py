"""`lionrock load --rate`: what is due is sent and counted, turns are compared as they say, nonsense is refused."""

import asyncio
import json
import os
import threading
import time
from pathlib import Path

import picows
import pytest

from bench import builds, load_turns
from bench.gateway_load import Connection, EvenStream, Result, Target, connect, disconnect, json_script, open_loop
from bench.load_servers import Cores, Plan, chosen_cores
from bench.load_turns import ECHO, OTHER, VENUE, Side, Spread, Turns, loads_of
from bench.placement import REAL_TIME, _session_nice, on_cores, real_time
from gateway.cli import main
from tests.recordings.data import compiled

ROOT = Path(__file__).parents[2]
RATE, SECONDS = 2000.0, 0.4
PLAN = Plan("none", 1, 1, 1, 0.1, 0, 0, 1, Cores((0,), (0,), (0,)))


class Noted(Connection):
    """A connection without a socket: it notes when it was told to send what."""

    def __init__(self):
        super().__init__(json_script("X", ["1"], 1, 1))
        self.sends = []

    def send_due(self, due_ns):
        self.sends.append((time.perf_counter_ns(), due_ns))


def test_each_request_is_sent_once_on_its_connection_and_never_before_it_is_due():
    async def story():
        connections = [Noted() for _ in range(3)]
        stream = EvenStream(connections, time.perf_counter_ns(), 100_000.0)
        return connections, stream, await stream.send(0, 100) + await stream.send(100, 250)

    connections, stream, turns = asyncio.run(story())
    for place, connection in enumerate(connections):
        due = [instant for _, instants in connection.sends for instant in instants]
        assert due == [stream.begun_ns + number * 100_000 for number in range(place, 250, 3)]
        assert all(sent_ns >= max(instants) for sent_ns, instants in connection.sends)
    lateness = stream.lateness_ns(turns)
    assert len(lateness) == 250 and lateness.min() >= 0
    assert lateness[0] == turns[0][0]


class Stalls(picows.WSListener):
    """An echo that stands still once, when it has answered so many messages."""

    STALL_SECONDS, AFTER = 0.3, 1500

    answered = 0

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
            return
        Stalls.answered += 1
        if Stalls.answered == self.AFTER:
            time.sleep(self.STALL_SECONDS)
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


def test_requests_that_were_due_during_a_stall_count_from_when_they_were_due():
    """The load and the server share a loop here, so a stall holds up the sender too: what was due meanwhile counts."""

    async def story():
        server = await picows.ws_create_server(lambda request: Stalls(), "127.0.0.1", 0)
        target = Target(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", is_echo=True)
        connections = await connect(target, [json_script("X", ["1"], 1, 1)] * 2)
        result = Result("echo", 2)
        await open_loop(result, connections, RATE, SECONDS)
        disconnect(connections)
        server.close()
        return result

    Stalls.answered = 0
    result = asyncio.run(story())
    assert (result.orders, result.late, result.errors) == (RATE * SECONDS, 0, 0)
    waited = sum(result.histogram.percentile(percent) >= Stalls.STALL_SECONDS / 2 * 1e9 for percent in range(100))
    assert waited >= 25, "300 of the 800 were due during the stall, half of them before its middle"
    assert result.sender.count == RATE * SECONDS
    assert result.sender.percentile(99) >= Stalls.STALL_SECONDS / 2 * 1e9, "the load says that it was late itself"


def side(name, *turns):
    """A side whose turns had these (orders, delays in microseconds)."""
    found = Side(name, Target(""), [])
    for orders, delays_us in turns:
        result = Result(name, 1, seconds=1.0, orders=orders, cpu_seconds=orders * 2e-6)
        result.histogram.add([1000 * delay for delay in delays_us])
        found.results.append(result)
    return found


@pytest.mark.parametrize(("is_durable", "p50"), [(True, (1.5, 1.0, 2.0)), (False, (3.0, 2.0, 4.0))])
def test_ratios_are_taken_turn_by_turn_and_their_median_counts(is_durable, p50):
    echo = side(ECHO, *[(100, [100] * 3)] * 3)
    venue = side(VENUE, (50, [200] * 3), (90, [400] * 3), (60, [300] * 3))
    other = side(OTHER, (25, [400] * 3), (90, [400] * 3), (120, [150] * 3))
    turns = Turns("x", 1.0, {ECHO: echo, VENUE: venue, OTHER: other}, [100.0] * 3, [100.0] * 9, is_durable)
    ratios, against = turns.ratios(), turns.against()
    assert vars(ratios["p50"]) == pytest.approx(dict(zip(("median", "low", "high"), p50, strict=True)), rel=0.02)
    assert vars(ratios["p99"]) == pytest.approx({"median": 3.0, "low": 2.0, "high": 4.0}, rel=0.02)
    assert ratios["rate"] == Spread(0.6, 0.5, 0.9)
    assert vars(against["p50"]) == pytest.approx({"median": 1.0, "low": 0.5, "high": 2.0}, rel=0.02)
    assert against["rate"] == Spread(1.0, 0.5, 2.0)
    assert vars(against["cpu"]) == pytest.approx({"median": 1.0, "low": 1.0, "high": 1.0})
    assert Turns("x", 1.0, {ECHO: echo, VENUE: venue}, [100.0] * 3, [100.0], True).against() == {}


def test_a_load_leaves_cores_and_priorities_as_they_were():
    def placed():
        return os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), _session_nice()

    before = placed()
    with on_cores((min(before[0]),)):
        assert os.sched_getaffinity(0) == {min(before[0])}
        assert placed()[1] <= before[1] and placed()[2] <= before[2]
    assert placed() == before


def test_real_time_priorities_last_for_a_turn_and_keep_the_order_of_threads():
    def now(thread):
        return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority

    ordinary, journal = (os.SCHED_OTHER, 0), (os.SCHED_RR | os.SCHED_RESET_ON_FORK, 1)
    wanted = {"worker": ordinary, "journal": journal, "idle": (os.SCHED_IDLE, 0)}
    told, over, ready = {}, threading.Event(), threading.Barrier(len(wanted) + 1)

    def live(name):
        policy, priority = wanted[name]
        told[name] = threading.get_native_id()
        try:
            os.sched_setscheduler(0, policy, os.sched_param(priority))
        except PermissionError:
            told["is_refused"] = True
        ready.wait()
        over.wait()

    threads = [threading.Thread(target=live, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    ready.wait()
    try:
        if told.get("is_refused"):
            pytest.skip("the system does not permit real-time priorities: run as root")
        before = {thread: now(thread) for thread in (os.getpid(), *told.values())}
        with real_time((os.getpid(),)):
            ranks = {name: now(thread)[1] for name, thread in told.items()}
            assert now(os.getpid()) == (os.SCHED_RR | os.SCHED_RESET_ON_FORK, REAL_TIME)
            assert ranks == {"worker": REAL_TIME - 1, "journal": REAL_TIME + 1, "idle": 0}
        assert {thread: now(thread) for thread in before} == before
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_rates_and_words_are_read():
    assert loads_of("30000,half, 5e4,closed,one") == [30000.0, "half", 50000.0, "closed", "one"]
    assert loads_of("") == []


def test_cores_are_chosen_among_those_that_are_allowed():
    allowed = sorted(os.sched_getaffinity(0))
    cores = chosen_cores("", "", "")
    assert cores.venue == cores.surveillance == (allowed[0],)
    assert cores.load == tuple(allowed[1:] or allowed)
    last = str(allowed[-1])
    assert chosen_cores("", last, last).surveillance == (allowed[-1],)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--rate 0", "--rate '0': neither orders a second from 1 to 10000000 nor half, closed or one"),
        ("--rate 100,fast", "--rate 'fast': neither orders a second from 1 to 10000000 nor half, closed or one"),
        ("--rate nan", "--rate 'nan': neither orders a second"),
        ("--venue-core 9999", "--venue-core 9999: not among the cores that this process may use; some of 0"),
        ("--load-core x", "--load-core x: not among the cores"),
        ("--real-time --durability none --seconds 0.4", "--real-time: needs --rate, --durability none and --seconds"),
        ("--real-time --rate 9 --seconds 0.4", "--real-time: needs --rate, --durability none and --seconds"),
        ("--real-time --rate 9 --durability none", "--real-time: needs --rate, --durability none and --seconds of at"),
        ("--only json --rate 5", "--only and --rate (or --against) measure different things; give one of them"),
        ("--against tests", "--against tests: no checkout of Lionrock, pyproject.toml is missing; name the folder"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(flags, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["load", *flags.split()])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.count("\n") == 1
    assert told.startswith(f"lionrock load: {said}")


@pytest.mark.parametrize(
    ("dependencies", "said"),
    [
        ('["numba==0.1"]', "it needs numba==0.1, and here is 0."),
        ('["a-package-that-nobody-has>=2"]', "it needs a-package-that-nobody-has>=2, and it is not installed here"),
        ("", "pyproject.toml does not say which packages it needs"),
    ],
)
def test_a_build_that_needs_other_packages_is_refused(dependencies, said, tmp_path):
    for name in ("engine/__init__.py", "gateway/cli.py", "bench/suite.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pyproject.toml").write_text(f"[project]\n{f'dependencies = {dependencies}' if dependencies else ''}\n")
    with pytest.raises(ValueError, match=r"^--against") as caught:
        builds.other_build(str(tmp_path))
    assert said in str(caught.value)


def test_another_build_has_its_own_modules_and_its_own_compiled_code(tmp_path):
    for name in ("engine/__init__.py", "gateway/cli.py", "bench/suite.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["numpy>=1"]\n')
    this, other = builds.other_build(str(ROOT)), builds.other_build(str(tmp_path))
    assert this == builds.this_build()
    assert other.environment()["PYTHONPATH"] == str(tmp_path)
    assert other.cache != this.cache and "NUMBA_CACHE_DIR" not in other.environment()


@compiled
def test_a_venue_takes_turns_with_an_echo_and_with_another_build(capsys):
    """The other build is this checkout once more, in a process of its own."""
    flags = f"--rate 2000,half,closed,one --turns 2 --seconds 0.1 --connections 2 --window 4 --against {ROOT} --json"
    assert main(["load", "--durability", "os", *flags.split()]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["load"] for line in found] == ["2,000/s", "half", "closed", "one"]
    for line in found:
        assert line["turns"] == 2 and line["durability"] == "os"
        assert line["sync"]["p99_us"] >= line["sync"]["p50_us"] > 0
        for spread in (*line["ratios"].values(), *line["against"].values()):
            assert spread["high"] >= spread["median"] >= spread["low"] >= 0
        assert set(line["against"]) == {"p50", "p99", "rate", "cpu"}
    stream = found[0]  # however busy the machine is, its orders are waited for
    assert stream["rate"] == 2000 and stream["ratios"]["p50"]["low"] > 0 and stream["against"]["p50"]["low"] > 0
    for name in ("echo", "venue", "other"):
        assert stream[name]["orders_per_s"] > 0 and stream[name]["p99_us"] >= stream[name]["p50_us"] > 0


def test_a_load_that_is_not_answered_is_no_figure(monkeypatch):
    async def unanswered(result, *rest):
        result.late = 7

    monkeypatch.setattr(load_turns, "open_loop", unanswered)
    with pytest.raises(ValueError, match=r"the venue left 7 orders of 5,000/s unanswered; give a lower --rate"):
        asyncio.run(Side(VENUE, Target(""), []).turn(5000.0, PLAN))
