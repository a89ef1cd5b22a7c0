"""The workloads of the suite under pytest-benchmark; `extra_info` has workload, seed and digest."""

from pathlib import Path
from typing import Any

import pytest

from bench import cancel, journal, order_flow, single_command
from bench.engine_runner import market, numbered
from bench.measurement import Plan, SkippedError
from bench.startup import start
from bench.suite import SUITE
from engine import host
from engine.codes import Mode
from engine.host import Durability, Engine, JournalOptions, JournalReader

Benchmark = Any
ROUNDS = 5


def tell(benchmark: Benchmark, workload: str, seed: int | None, digest: str) -> None:
    """Say beside the times what was measured."""
    benchmark.extra_info.update(workload=workload, seed=seed, digest=digest)


def apply(benchmark: Benchmark, workload: order_flow.Workload, seed: int | None) -> None:
    """Measure a workload's way through a new state each round."""

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        runner, first_seq = market(workload.spec)
        numbered(workload.commands, first_seq)
        runners.append(runner)
        return (workload.commands,), {}

    runners: list[Any] = []
    benchmark.pedantic(lambda commands: runners[-1].apply(commands), setup=fresh, rounds=ROUNDS)
    tell(benchmark, workload.name, seed, runners[-1].digest())


@pytest.mark.parametrize("place", range(6))
def test_flash1(benchmark: Benchmark, plan: Plan, place: int) -> None:
    try:
        workloads = order_flow.flash1_workloads(plan)
    except SkippedError as reason:
        pytest.skip(str(reason))
    if place >= len(workloads):
        pytest.skip(f"there are {len(workloads)} workloads here")
    workloads[place].prove()
    apply(benchmark, workloads[place], None)


def test_synthetic_flow(benchmark: Benchmark, plan: Plan) -> None:
    apply(benchmark, order_flow.synthetic_workload(plan), plan.seed)


@pytest.mark.parametrize("orders", [1_000, 100_000, 1_000_000, 4_000_000])
def test_cancel(benchmark: Benchmark, plan: Plan, orders: int) -> None:
    if orders > 100_000 and not plan.full:
        pytest.skip("a book of this size belongs to the full size")
    book = cancel.resting_book(orders, plan.seed)
    benchmark.pedantic(book.cancel_some, rounds=plan.size(8, 250))
    what = f"a batch of cancels and its replacements, {orders} resting orders"
    tell(benchmark, what, plan.seed, book.runner.digest())


def test_one_command_call(benchmark: Benchmark) -> None:
    calls = single_command.Calls()
    benchmark.pedantic(calls.kernel, rounds=ROUNDS)
    tell(benchmark, f"{single_command.CALLS} calls of one command", None, calls.runner.digest())


def test_warm_start(benchmark: Benchmark, plan: Plan, tmp_path: Path) -> None:
    start(tmp_path, plan.full)
    _, digest = benchmark.pedantic(start, args=(tmp_path, plan.full), rounds=ROUNDS)
    tell(benchmark, "a new process with the compiled code in place", None, digest)


@pytest.mark.parametrize("way", ["off", "on", "disk"])
def test_journal(benchmark: Benchmark, plan: Plan, tmp_path: Path, way: str) -> None:
    log = journal.make_log(plan, tmp_path, plan.size(4_096, 512_000))
    _, digest = benchmark.pedantic(getattr(log, way), rounds=ROUNDS)
    tell(benchmark, f"journal: {way}", plan.seed, digest)


def test_journal_replay(benchmark: Benchmark, plan: Plan, tmp_path: Path) -> None:
    log = journal.make_log(plan, tmp_path, plan.size(4_096, 1_024_000))
    folder = tmp_path / "written"
    log.run(Engine.create(folder, Mode.RESEARCH, options=JournalOptions(Durability.NONE)))
    engines: list[Engine] = []

    def recover() -> None:
        engines.append(Engine(host.create(mode=Mode.RESEARCH)))
        host.replay(JournalReader(folder), engines[-1])

    benchmark.pedantic(recover, rounds=ROUNDS)
    tell(benchmark, "a journal read, verified and applied", plan.seed, engines[-1].digest())


@pytest.mark.parametrize("name", ["orders", "gate", "ticks", "cascade", "deleveraging"])
def test_risk(plan: Plan, name: str) -> None:
    for figure in SUITE[name][1](plan):
        assert figure.value > 0 and figure.digest, figure
