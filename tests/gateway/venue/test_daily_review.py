"""The venue's daily review: two years after its last trade a qualified corporation loses its class, in the log."""

import sqlite3
from datetime import date

import pytest

from engine import host
from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, InvestorClass
from engine.schema import DIRECTIVE
from gateway.office import assessments
from gateway.registry.registry import BusyError, Record
from gateway.venue.daily_review import DailyReview
from gateway.wire.civil_dates import civil_date, start_ns
from tests.gateway.query_venue import START_NS, QueryVenue

TRADED = civil_date(START_NS)
"""2026-11-30 in Hong Kong."""
DUE = date(2028, 12, 1)
"""The first day on which the last trade is more than two years past."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    return QueryVenue(tmp_path, monkeypatch)


def qualify(world, slot):
    """Both accounts' class, and an assessment of this account's client that would have ended in October 2028."""
    registry = world.venue.registry
    registry.set_attribute(slot, A.INVESTOR_CLASS, InvestorClass.QUALIFIED_CORPORATE, world.clock.now_ns, "")
    client = registry.client_of(slot)
    with registry.transaction():
        number = registry.insert_change(("record_assessment", "{}", "a test", 1, 1, 1, 1, "done"))
        details = {"assessor": "Dora Fung", "document_date": "2026-10-15"}
        registry.add_record(Record("assessment", registry.client_id(client), details=details), number, 1)
    world.venue.submit_intents()


def classes(world):
    return [InvestorClass(int(world.venue.engine.root["accounts"][0][slot]["investor_class"])).name for slot in (0, 1)]


def test_the_class_goes_two_years_after_the_last_trade_and_the_log_has_it(world):
    qualify(world, 0)
    world.trade(0.1, 20_000)
    review = world.venue.daily_review
    review.look(start_ns(date(2028, 11, 30)))
    assert classes(world) == ["QUALIFIED_CORPORATE", "INDIVIDUAL"]
    assert world.venue.registry.all("SELECT * FROM last_trades") == [(0, str(TRADED))]
    review.look(start_ns(DUE) - 1)
    assert classes(world)[0] == "QUALIFIED_CORPORATE"
    review.look(start_ns(DUE))
    assert classes(world) == ["CORPORATE", "INDIVIDUAL"]
    [change] = world.venue.registry.all("SELECT number, actor FROM changes WHERE kind = ?", assessments.ENDED)
    [(intent, result)] = world.venue.registry.intents_of(change[0])
    assert (intent.actor, intent.code, result.reason) == (0, int(A.INVESTOR_CLASS), 0)
    assert replayed(world, result.sequence) == (int(CommandKind.ACCOUNT_SET), int(InvestorClass.CORPORATE), change[0])
    review.look(start_ns(DUE))
    assert len(world.venue.registry.all("SELECT 1 FROM changes WHERE kind = ?", assessments.ENDED)) == 1


def replayed(world, sequence):
    """Kind, value and number of the change of the command with this sequence in the journal."""
    world.venue.engine.journal.sync()
    found = []

    def sink(commands, events):
        found.extend(row for row in commands.view(DIRECTIVE) if row["seq"] == sequence)

    host.replay(host.JournalReader(world.venue.config.journal), _scratch(world), sink=sink)
    [row] = found
    return int(row["kind"]), int(row["value"]), int(row["reason"])


def _scratch(world):
    reader = host.JournalReader(world.venue.config.journal)
    return host.Engine(host.create(reader.capacities, reader.mode))


def test_who_never_traded_is_counted_from_the_assessment_and_a_busy_registry_is_asked_again(world, monkeypatch):
    qualify(world, 1)
    review = DailyReview(world.venue.registry, world.venue.projection, world.venue.submit_intents)
    due = start_ns(date(2028, 10, 16))
    with monkeypatch.context() as patch:
        patch.setattr(assessments, "end_lapsed", busy)
        review.look(due)
    assert classes(world)[1] == "QUALIFIED_CORPORATE"
    review.look(due)
    assert classes(world)[1] == "CORPORATE"
    review.look(due)


def busy(*_):
    raise BusyError(sqlite3.OperationalError("locked"))


def test_a_venue_that_starts_after_the_day_takes_the_class_before_it_trades(world):
    qualify(world, 0)
    world.clock.now_ns = start_ns(DUE)
    world.venue.start()
    assert classes(world)[0] == "CORPORATE"
