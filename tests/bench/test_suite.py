"""Every benchmark's small size: it runs, and says the same digest each time. Nothing here judges a time."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import order_flow
from bench.against import Pair
from bench.arrivals import Arrivals, nothing
from bench.cancel import SPEC
from bench.engine_runner import EngineRunner, market, numbered
from bench.figure_chart import CURVES, chart_of, ratio_chart
from bench.measurement import BenchError, Measurement, Plan, SkippedError, one_digest
from bench.suite import SUITE
from engine import host, step
from engine.codes import CommandKind, EventKind
from engine.recordings import draw, open_recording
from engine.recordings.charts import Bar, Bars, Panel
from engine.recordings.source import RecordingError
from engine.recordings.synthetic import BLOCK_ORDERS, SyntheticReader
from gateway.commands import bench
from tests.recordings.data import compiled, needs_data

Capture = pytest.CaptureFixture[str]


def lionrock(*arguments: str) -> int:
    """The exit code of a command line."""
    parser = argparse.ArgumentParser(prog="lionrock")
    bench.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["bench", *arguments])
    return int(args.run(args))


def figures(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    """What a run of the command prints as JSON."""
    assert lionrock(*arguments, "--size", "small", "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@compiled
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_data if name == "flash1" else ()) for name in SUITE])
def test_small_size_prints_a_stable_digest(name: str, capsys: Capture) -> None:
    first, second = figures(capsys, name), figures(capsys, name)
    assert first
    for figure in first:
        assert {"name", "value", "unit", "workload", "seed", "digest", "machine"} <= figure.keys()
        assert figure["value"] >= 0
        assert len(figure["digest"]) == 64
    told = [[(figure["name"], figure["digest"]) for figure in run] for run in (first, second)]
    assert told[0] == told[1]


@compiled
@pytest.mark.parametrize("name", ["synthetic", "cancel", "journal-replay"])
def test_another_seed_is_another_digest(name: str, capsys: Capture) -> None:
    first, second = figures(capsys, name, "--seed", "1"), figures(capsys, name, "--seed", "2")
    assert {figure["digest"] for figure in first}.isdisjoint({figure["digest"] for figure in second})
    assert {figure["seed"] for figure in second} == {2}


@compiled
def test_a_person_sees_a_table_and_a_chart(capsys: Capture) -> None:
    assert lionrock("cancel", "--size", "small") == 0
    said = capsys.readouterr().out
    for part in ("cancel-1000", "cancel-10000", "sparse-cancel", "ns", "p99", "resting orders", "█", "best of"):
        assert part in said


def test_list_and_a_wrong_name(capsys: Capture) -> None:
    assert lionrock("--list") == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(SUITE)
    assert lionrock("fast") == bench.USAGE_ERROR
    assert capsys.readouterr().err.startswith("lionrock bench: no benchmark 'fast'; one of flash1, ")


def test_recordings_that_are_not_there_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setattr(order_flow, "DATA", tmp_path / "nowhere")
    assert lionrock("flash1", "--size", "small", "--json") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "lionrock bench: flash1 left out: not in " in said.err


@pytest.mark.parametrize(("size", "remedy"), [("full", "./generator NAME NAME.bin"), ("small", "use --size full")])
def test_who_lacks_the_recordings_is_told_where_they_are_from(
    size: str, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(order_flow, "DATA", tmp_path)
    folder = tmp_path / ("flash1" if size == "full" else "flash1_small")
    folder.mkdir()
    (folder / "reports.sha256").write_text("".join(f"{0:064}  {name}_reports.txt\n" for name in order_flow.FULL))
    with pytest.raises(SkippedError) as caught:
        order_flow.flash1_workloads(Plan(size == "full"))
    said = str(caught.value)
    assert str(folder) in said and "github.com/flash1-dev/matching-engine-benchmark (MIT License)" in said
    assert remedy in said and "\n" not in said
    full = "static.bin.xz, normal.bin.xz, swing-25.bin.xz, swing-40.bin.xz, flash-crash.bin.xz. "
    first = full if size == "full" else "normal_seed1_count5000.csv, "
    assert f"not in {folder}: {first}" in said


@needs_data
def test_the_workloads_that_are_there_are_measured_and_the_others_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    small = order_flow.DATA / "flash1_small"
    (tmp_path / "flash1_small").mkdir()
    for file in small.glob("static_seed2_*"):
        (tmp_path / "flash1_small" / file.name).symlink_to(file)
    monkeypatch.setattr(order_flow, "DATA", tmp_path)
    assert lionrock("flash1", "--size", "small", "--json") == 0
    said = capsys.readouterr()
    assert [json.loads(line)["name"] for line in said.out.splitlines()] == ["flash1-static_seed2_count5000"]
    assert said.err.startswith("lionrock bench: flash1: partly left out: not in ") and said.err.count("\n") == 1
    assert "normal_seed1_count5000.csv" in said.err and "static_seed2_count5000" not in said.err


def test_a_workload_whose_hash_is_not_published_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(order_flow, "DATA", tmp_path)
    (tmp_path / "flash1").mkdir()
    (tmp_path / "flash1" / "static.bin.xz").touch()
    (tmp_path / "flash1" / "reports.sha256").write_text(f"{0:064}  normal_seed23_count1000000_reports.txt\n")
    with pytest.raises(SkippedError, match=r"static in reports\.sha256, normal\.bin\.xz, swing-25"):
        order_flow.flash1_workloads(Plan(True))


@needs_data
def test_wrong_reports_fail_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = order_flow.flash1_workloads(Plan())[0]
    workload.prove()
    workload.commands["qty_lots"][0] += 1
    with pytest.raises(BenchError, match="the report stream's SHA-256 is"):
        workload.prove()


def test_states_that_differ_fail_the_benchmark() -> None:
    assert one_digest("x", ["a", "a"]) == "a"
    with pytest.raises(BenchError, match="x: runs of the same commands ended in different states: a, b"):
        one_digest("x", ["a", "b"])


def synthetic_commands(seed: int, count: int) -> Any:
    """The commands of a generated stream."""
    return np.concatenate([batch.commands for batch in SyntheticReader(seed, count).batches()])


def test_generated_flow_is_a_function_of_its_seed() -> None:
    long, short = synthetic_commands(3, 3 * BLOCK_ORDERS), synthetic_commands(3, 1000)
    assert len(long) == 3 * BLOCK_ORDERS
    assert (long[:1000] == short).all()
    assert (synthetic_commands(4, 1000) != short).any()
    assert (np.diff(long["time_ns"]) >= 0).all()
    assert len(np.unique(long["cl_ord_id"][long["kind"] == CommandKind.NEW])) == (long["kind"] == CommandKind.NEW).sum()


@compiled
def test_generated_flow_is_what_it_says() -> None:
    reader = SyntheticReader(1, 12 * BLOCK_ORDERS)
    runner, first_seq = market(reader.contract)
    commands = numbered(synthetic_commands(1, 12 * BLOCK_ORDERS), first_seq)
    counts: dict[int, int] = dict.fromkeys(EventKind, 0)
    refused_cancels = 0

    def count(place: int, events: Any) -> None:
        nonlocal refused_cancels
        for kind, number in zip(*np.unique(events["kind"], return_counts=True), strict=True):
            counts[int(kind)] += int(number)
        refused = events[events["kind"] == EventKind.REJECTED]["seq"] - first_seq
        refused_cancels += int((commands["kind"][refused] == CommandKind.CANCEL).sum())

    runner.apply(commands, count)
    cancels = int((commands["kind"] == CommandKind.CANCEL).sum())
    assert 0.92 < 1 - refused_cancels / cancels < 0.98
    assert counts[EventKind.FILL] > 0.02 * len(commands)
    assert counts[EventKind.AMENDED] > 0.02 * len(commands)
    assert int(runner.root["levels_used"][0]) > 500


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("synthetic:1", "synthetic:1: a generated stream is named synthetic:SEED:COUNT, such as synthetic:1:1000000"),
        ("synthetic:-1:5", "synthetic:-1:5: SEED '-1' is not a whole number within 0 to 9223372036854775807"),
        ("synthetic:1:0", "synthetic:1:0: COUNT '0' is not a whole number within 1 to 1000000000000"),
        ("synthetic:1:1e6", "synthetic:1:1e6: COUNT '1e6' is not a whole number within 1 to 1000000000000"),
    ],
)
def test_a_wrong_name_of_generated_flow_says_what_is_wrong(name: str, text: str) -> None:
    with pytest.raises(RecordingError) as raised:
        open_recording(Path(name))
    assert str(raised.value) == text


def test_a_name_of_generated_flow_opens_as_a_recording() -> None:
    reader = open_recording(Path("synthetic:7:2500"))
    assert (reader.format, reader.total) == ("synthetic", 2500)
    assert sum(len(batch.commands) for batch in reader.batches()) == 2500


def test_a_full_ring_is_never_measured_as_if_it_were_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "RING_ROWS", 128)
    runner, first_seq = market(SPEC)
    commands = synthetic_commands(1, 512)
    with pytest.raises(BenchError, match="more events than the ring"):
        EngineRunner(runner.root).apply(numbered(commands, first_seq))


@compiled
def test_arrivals_are_answered_in_order_and_end_in_the_state_of_any_other_batches() -> None:
    """A queue that is served in turns: who came later is never done earlier, and at any rate all are done."""
    reader = SyntheticReader(1, 4_000)
    digests = []
    for rate in (100_000.0, 1e9):
        runner, first_seq = market(reader.contract)
        commands = numbered(synthetic_commands(1, 4_000), first_seq)
        delays_ns = Arrivals(step.apply_rows, runner).run(commands, rate)
        assert delays_ns.min() > 0
        ended_ns = delays_ns + np.arange(len(commands)) * round(1e9 / rate)
        assert (np.diff(ended_ns) >= 0).all()
        digests.append(runner.digest())
    runner, first_seq = market(reader.contract)
    runner.apply(numbered(synthetic_commands(1, 4_000), first_seq))
    assert set(digests) == {runner.digest()}


@compiled
def test_the_empty_entry_changes_nothing_and_the_ring_of_another_is_seen_to_be_full() -> None:
    reader = SyntheticReader(1, 1_000)
    runner, first_seq = market(reader.contract)
    commands, before = numbered(synthetic_commands(1, 1_000), first_seq), runner.digest()
    assert len(Arrivals(nothing, runner).run(commands, 1e6)) == 1_000 and runner.digest() == before
    runner.ring = runner.ring[:128]
    with pytest.raises(BenchError, match="wrote more events than the ring has rows"):
        Arrivals(step.apply_rows, runner).run(commands, 1e9)


def test_figures_become_curves_over_their_size_and_bars_of_one_unit(tmp_path: Path) -> None:
    def figure(name: str, value: float, unit: str = "ns", **more: Any) -> Measurement:
        return Measurement(name, value, unit, "work", 1, "", **more)

    sized = [figure(f"{curve}-{size}", 40.0 + size) for curve in CURVES for size in (100, 1)]
    spread = {"p50_ns": 25.0, "p99_ns": 90.0}
    others = [figure("flash1-normal", 3e7, "messages/s", percentiles=spread), figure("x-1", 7)]
    chart = chart_of({"scale": sized, "flash1": others}, {"scale": "cost", "flash1": "recorded workloads"})
    assert [(panel.label, panel.x) for panel in chart.panels if isinstance(panel, Panel)] == [
        (f"{curve}, ns", size) for curve, size in CURVES.items()
    ]
    for panel in chart.panels[: len(CURVES)]:
        assert isinstance(panel, Panel) and panel.has_log_x
        assert (list(panel.curves[0].xs), list(panel.curves[0].ys)) == ([1, 100], [41.0, 140.0])
    assert chart.panels[len(CURVES) :] == (
        Bars("flash1: recorded workloads, messages/s", (Bar("flash1-normal", 3e7),)),
        Bars("flash1: recorded workloads, ns", (Bar("x-1", 7),)),
        Bars(
            "flash1: recorded workloads: percentiles, ns", (Bar("flash1-normal p50", 25), Bar("flash1-normal p99", 90))
        ),
    )
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib (the extra `plots`)")
    draw(chart, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_two_builds_are_drawn_as_the_ratio_and_its_range() -> None:
    same = Pair("orders", "orders/s", "work", {"aa"}, [10, 30, 20], [10, 10, 10])
    chart = ratio_chart({"orders": [same, Pair("other", "ns", "work", {"aa", "bb"}, [1], [2])]}, "before")
    assert [panel.bars for panel in chart.panels if isinstance(panel, Bars)] == [(Bar("orders, orders/s", 2, 1, 3),)]


@compiled
def test_the_command_draws_what_it_measured(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "cancel.html"
    measured = {figure["name"]: figure for figure in figures(capsys, "cancel", "--plot", str(page))}
    found = re.search(r"^const D = (.*);$", page.read_text(), re.MULTILINE)
    assert found
    panels = {panel["label"]: panel for panel in json.loads(found[1])["panels"]}
    [curve] = panels["cancel, ns"]["curves"]
    assert curve["ys"] == [measured[f"cancel-{size}"]["value"] for size in curve["xs"]]
    assert panels["cancel, ns"]["x"] == "resting orders"
    bars = {name: value for label, panel in panels.items() if "percentiles" not in label
            for name, value, _, _ in panel.get("bars", [])}  # fmt: skip
    assert bars and all(measured[name]["value"] == value for name, value in bars.items())
    assert {*bars, *(f"cancel-{size}" for size in curve["xs"])} == measured.keys()


def test_what_cannot_be_drawn_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lionrock("cancel", "--plot", str(tmp_path / "a.pdf")) == bench.USAGE_ERROR
    out = capsys.readouterr()
    assert out.out == "" and out.err.endswith("a.pdf: a picture is a .png or an .html; name one\n")

    def left_out(plan: Plan) -> list[Measurement]:
        raise SkippedError("no data here")

    monkeypatch.setitem(SUITE, "cancel", ("a cancel", left_out))
    assert lionrock("cancel", "--plot", str(tmp_path / "a.html")) == 0
    assert "a.html: not drawn, as nothing was measured" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()
