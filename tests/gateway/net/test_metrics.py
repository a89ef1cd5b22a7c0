"""The page of metrics, read by Prometheus' own parser, against what has happened."""

import os
import re
from importlib.metadata import version

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.gateway_load import client_frame
from gateway.client import Client, RpcError
from gateway.venue import sequencer
from gateway.venue.health import Effect
from gateway.venue.stage_times import BUCKETS, FIRST_BOUND_NS, KEPT_TURNS, Histogram, StageTimes
from tests.gateway.live import BTC, config_of, market, play, running, until
from tests.gateway.socketless_venue import SocketlessVenue, buy

STAGES = ("received_to_applied", "applied_to_durable", "durable_to_sent")


class Page:
    """A page of metrics: a figure by its name and labels."""

    def __init__(self, text):
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __call__(self, figure, /, **labels):
        return self.samples.get((f"lionrock_{figure}", *sorted(labels.items())), 0.0)


async def scraped(http, server):
    async with http.get(f"http://127.0.0.1:{server.operations_port}/metrics") as answer:
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return Page(await answer.text())


def test_the_figures_are_those_of_what_happened(tmp_path, monkeypatch):
    monkeypatch.setattr(sequencer, "TIMED_MASK", 0)  # every batch is timed

    async def story():
        async with market(tmp_path, durability="fsync") as (server, (alice, bob)), aiohttp.ClientSession() as http:
            before = await scraped(http, server)
            for price in ("19900", "19901", "19902"):
                await alice.buy(BTC, "0.1", price=price)
            await bob.sell(BTC, "0.1", price="19902")
            await alice.call("private/cancel_all")
            with pytest.raises(RpcError):
                await bob.buy(BTC, "0.1", price="1000000")  # outside the band
            for _ in range(2):
                with pytest.raises(RpcError):
                    await bob.call("private/cancel", order_id="no-such-order")
            with pytest.raises(RpcError):
                await bob.call("private/get_order_state", order_id="77")
            after = await scraped(http, server)

            def grown(figure, /, **labels):
                return after(figure, **labels) - before(figure, **labels)

            assert grown("commands_total", kind="new") == 5 and grown("commands_total", kind="mass_cancel") == 1
            assert grown("refusals_total", reason="PRICE_OUT_OF_BAND") == 1
            assert grown("requests_total", method="private/get_order_state") == 1
            assert grown("request_refusals_total", code="ORDER_NOT_FOUND") >= 1
            assert grown("trades_total", contract=BTC) == 1
            for stage in STAGES:
                count = grown("stage_seconds_count", stage=stage)
                assert count >= 6 and grown("stage_seconds_sum", stage=stage) > 0
                buckets = [after("stage_seconds_bucket", stage=stage, le=bound) for bound in bounds(after)]
                assert buckets == sorted(buckets)
                assert buckets[-1] == after("stage_seconds_count", stage=stage)
            state = server.venue.engine.root[0]
            assert after("capacity_used", what="orders") == state["orders_live"] == 0
            assert after("capacity_used", what="accounts") == state["accounts_used"]
            assert after("capacity_limit", what="orders") == state["orders_capacity"]
            assert after("open_interest", contract=BTC) == 0.1
            assert after("market_state", contract=BTC, state="open") == 1
            assert after("market_state", contract=BTC, state="halted") == 0
            assert after("mark_price", contract=BTC) == pytest.approx(20_000, rel=0.05)
            assert after("insurance_fund") == int(state["fund_micros"]) / 1_000_000 > 0
            assert [after("index_staleness_seconds", contract=BTC, place=place, source="scripted:20000") < 60
                    for place in "012"] == [True] * 3
            assert after("log_durable_sequence_total") <= after("log_sequence_total") <= server.venue.engine.last_seq
            assert after("journal_sync_seconds") > 0 and after("disk_free_bytes") > 0 and after("ready") == 1
            assert after.samples[("process_resident_memory_bytes",)] > 10**7
            assert after("loop_lag_seconds_count", what="timers") > 0

    def bounds(page):
        found = {dict(key[1:])["le"] for key in page.samples if key[0] == "lionrock_stage_seconds_bucket"}
        return sorted(found, key=float)

    play(story())


def test_who_is_connected_what_is_wrong_and_what_is_not_public(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, _)), aiohttp.ClientSession() as http:
            async with Client(f"ws://127.0.0.1:{server.port}"):
                page = await scraped(http, server)
            kinds = ("logged_in", "anonymous")
            assert [page("connections", port="public", kind=kind) for kind in kinds] == [2, 1]
            assert page("connections", port="operations", kind="http") == 1
            told = (await alice.call("public/hello"))["version"]
            assert page("build_info", version=version("lionrock"), api_version=told) == 1
            assert page("connections_limit", port="public") == server.connections.limit > 0
            assert page("connections_turned_away_total", port="public") == 0
            assert (page("health_state", state="serving"), page("health_state", state="read_only")) == (1, 0)
            server.venue.health.report("DISK_FAILED", Effect.READ_ONLY, "it failed", "replace it")
            page = await scraped(http, server)
            assert page("trouble", name="DISK_FAILED", effect="read_only") == 1 and page("ready") == 0
            assert (page("health_state", state="serving"), page("health_state", state="read_only")) == (0, 1)
            async with http.get(f"http://127.0.0.1:{server.port}/metrics") as answer:
                assert answer.status == 404
            await alice.close()
            await until(lambda: len(server.connections.websockets) == 1)
            assert (await scraped(http, server))("connections", port="public", kind="logged_in") == 1

    play(story())


def test_what_looks_after_the_folder_shows_how_far_it_has_come(tmp_path):
    async def story():
        live = market(tmp_path, history_rows=1024, scrub_hours=0)
        async with live as (server, (alice, _)), aiohttp.ClientSession() as http:
            venue = server.venue
            page = await scraped(http, server)
            assert page("snapshot_lag_commands") > 0 and "lionrock_scrub_age_seconds" not in page.families
            assert page("disk_reserve_bytes") == venue.config.disk_reserve_bytes > 0
            assert abs(page("clock_away_seconds")) < 1 and page("clock_lead_seconds") == 0
            for _ in range(2):
                order = await alice.buy(BTC, "0.1", price="19900")
                await alice.cancel(order.order.order_id)
            venue.snapshots.failures, venue.snapshots.last_seconds, venue.snapshots.archived_segments = 3, 1.5, 7
            venue.time.lead_ns, venue.history.store.figures.fault = 2 * 10**9, "the disk is full"
            venue.scrub._found = {"journal": ["a file"]}
            venue.scrub.begin()
            page = await scraped(http, server)
            assert page("scrub_running") == 1 and page("scrub_faults") == 1
            await until(lambda: not venue.scrub.is_running)
            page = await scraped(http, server)
        assert page("history_rows_total") == page("history_memory_rows") == venue.history.end > 2
        assert page("report_memory_rows") == 4  # each order was open, then cancelled
        assert page("history_disk_rows") == 0 and page("history_fault") == 1 and page("history_waiting_segments") == 0
        assert page("snapshot_failures_total") == 3 and page("archived_segments_total") == 7
        assert page("snapshot_duration_seconds") == 1.5 and page("snapshot_running") == 0
        assert page("clock_lead_seconds") == pytest.approx(2, abs=0.5)
        assert page("scrub_faults") == 0 and page("scrub_checked_bytes") >= 0 and page("scrub_age_seconds") >= 0

    play(story())


def test_what_recovery_replays_is_not_counted_and_names_follow_the_conventions(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, _)):
            await alice.buy(BTC, "0.1", price="19900")
        async with running(config_of(tmp_path)) as server, aiohttp.ClientSession() as http:
            page = await scraped(http, server)
            assert page("commands_total", kind="new") == 0 and page("commands_total", kind="deposit") == 0
            assert page("capacity_used", what="orders") == 1 and page("snapshot_age_seconds") >= 0
            for path in server.venue.config.journal.glob("snapshot-*"):
                os.utime(path, (0, 0))  # a restored copy has other file times
            assert (await scraped(http, server))("snapshot_age_seconds") < 3600
        ours = [family for name, family in page.families.items() if name.startswith("lionrock_")]
        assert len(ours) > 35
        for family in ours:
            assert re.fullmatch(r"[a-z][a-z_]*", family.name), family.name
            assert family.documentation, family.name
            assert ("second" in family.documentation.lower()) == family.name.endswith("_seconds"), family.name

    play(story())


def test_a_histogram_counts_each_duration_once_in_its_bucket():
    histogram = Histogram()
    histogram.add([-5, 0, FIRST_BOUND_NS - 1, FIRST_BOUND_NS, 3 * FIRST_BOUND_NS, 1 << 60])
    histogram.add([])
    assert histogram.counts[:3].tolist() == [3, 1, 1] and histogram.counts[-1] == 1 and histogram.counts.sum() == 6
    assert len(histogram.counts) == BUCKETS and histogram.sum_ns == 5 * FIRST_BOUND_NS - 1 + (1 << 60)


@pytest.mark.parametrize(("told_ns", "durable"), [(0, 50), (50, 50), (120, 20), (200, 50)])
def test_a_batch_is_durable_when_the_journal_told_it_and_not_outside_its_own_time(told_ns, durable):
    """Before the batch was applied, or after sending began, what the journal's thread told is of another batch."""
    times = StageTimes()
    times.durable_ns = told_ns
    for _ in range(KEPT_TURNS + 1):
        times.sent((90, 100), begun_ns=150, now_ns=175)
    sums = [histogram.sum_ns // (KEPT_TURNS + 1) for histogram in times.histograms().values()]
    assert sums == [10, durable, 75 - durable]
    assert all(histogram.counts.sum() == KEPT_TURNS + 1 for histogram in times.histograms().values())


def test_a_turn_that_only_answers_questions_is_in_no_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(sequencer, "TIMED_MASK", 0)
    made = SocketlessVenue(tmp_path)
    stages, (_, origin, _) = made.sequencer.stage_times, made.reader()

    def answered():
        made.sequencer.dirty.append(origin)
        made.sequencer.close_turn()
        return int(stages.histograms()["received_to_applied"].counts.sum())

    before = answered()
    made.feed(client_frame(buy()), 1000)
    assert answered() == answered() == before + 1
    made.venue.close()


def test_the_sequencer_has_few_enough_attributes_for_the_quick_way_to_them(tmp_path):
    """Python shares the keys of a class's objects up to 30 attributes: with more each look-up takes longer."""
    made = SocketlessVenue(tmp_path)
    assert len(vars(made.sequencer)) <= 30
    made.venue.close()
