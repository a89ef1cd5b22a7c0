"""What lapses when, of many accounts: each page is a part of the whole list, and no step of it looks at all of them."""

from datetime import date, timedelta

import pytest

from engine.codes import AccountAttribute, CommandKind, Reason
from gateway.office import assessments, lapse_list
from gateway.office.lapse_list import BEGINNING, lapse_rows, lapses
from gateway.registry.registry import Intent, KeyOrder, Registry
from gateway.registry.required_attributes import DATED
from gateway.wire.civil_dates import civil_date, lapse_ns

NOW = 1_780_000_000_000_000_000
TODAY = civil_date(NOW)
DAYS = 60


def given(registry, slot, attribute, days, value=None):
    """Ask for an attribute that lapses in so many days; the intent's reference."""
    until = lapse_ns(TODAY + timedelta(days)) if value is None else value
    registry.add_intents([Intent(CommandKind.ACCOUNT_SET, int(attribute), slot, value=until)], NOW)
    return registry.last_reference()


@pytest.fixture
def registry(tmp_path):
    """Forty clients of two accounts, on few days; some renewed, some refused, some never given; some persons."""
    registry = Registry(tmp_path / "registry.db")
    for place in range(40):
        name = f"client-{place:02}"
        slots = [registry.create_account(name, NOW).slot, registry.create_account(f"{name}/b", NOW, client=name).slot]
        for attribute in DATED:
            for slot in slots:
                given(registry, slot, attribute, place % 7 - 3)
        if place % 5 == 0:  # renewed beyond what is asked for
            given(registry, slots[0], AccountAttribute.KYC_UNTIL_NS, 400)
        if place % 5 == 1:  # a renewal that the engine refused does not count
            refused = given(registry, slots[0], AccountAttribute.KYC_UNTIL_NS, 401)
            registry.mark_applied([(refused, 5, int(Reason.CAPACITY))])
        if place % 5 == 2:  # asked for twice, and taken away
            given(registry, slots[1], AccountAttribute.SCREENING_UNTIL_NS, place % 7 - 3)
            given(registry, slots[0], AccountAttribute.EVIDENCE_UNTIL_NS, 0, value=0)
        person = registry.person(f"person {place}", NOW)
        if place % 2:
            registry.add_key(KeyOrder(f"key{place}", slots[0], person, "hmac", b"", ("read",), ""), NOW)
        until = lapse_ns(TODAY + timedelta(place % 3))
        registry.add_intents([Intent(CommandKind.PERSON_SET, person=person, value=until)], NOW)
    yield registry
    registry.close()


def naive(registry):
    """The same from every account and person, one by one."""
    found = set()
    for slot in range(registry.next_account_slot()):
        for attribute in DATED:
            until = registry.attribute(slot, attribute) or 0
            if 0 < until <= lapse_ns(TODAY + timedelta(DAYS)):
                topic = attribute.name.lower().removesuffix("_until_ns")
                found.add((civil_date(until - 1), registry.client_of(slot), topic))
    for key in registry.keys(None):
        until = registry.known_value(Intent(CommandKind.PERSON_SET, person=key.person)) or 0
        found.add((civil_date(until - 1), registry.person_name(key.person), "derivatives_knowledge"))
    return sorted(found)


def told(rows):
    return [(date.fromisoformat(row["valid_through"]), row["client"], row["topic"]) for row in rows]


def test_the_whole_list_is_what_every_account_and_person_says(registry, monkeypatch):
    assessed = (TODAY + timedelta(1), "client-03")
    monkeypatch.setattr(assessments, "held", lambda registry, count: iter([[assessed]]))
    rows = lapses(registry, DAYS, NOW)
    assert told(rows) == sorted([*naive(registry), (*assessed, "assessment")])
    assert [row["days_left"] for row in rows] == [(day - TODAY).days for day, _, _ in told(rows)]
    assert min(row["days_left"] for row in rows) == -3


@pytest.mark.parametrize(("count", "scanned"), [(1, 1), (7, 3), (1000, 100)])
def test_pages_are_the_whole_list_in_order_of_the_last_day(registry, monkeypatch, count, scanned):
    monkeypatch.setattr(lapse_list, "SCANNED", scanned)
    found, after, most = [], BEGINNING, 1000
    while most:
        page = [row for row in lapse_rows(registry, DAYS, NOW, after, count) if row is not None]
        assert len(page) <= count
        if not page:
            break
        found += page
        after, most = page[-1][0], most - 1
    places = [place for place, _ in found]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert sorted(told(row for _, row in found)) == naive(registry)
    days = [row["valid_through"] for _, row in found]
    assert days == sorted(days)


def test_no_step_looks_at_all_rows(registry, monkeypatch):
    """Between two pauses so many rows are read at most, for each of the dates that are merged."""
    monkeypatch.setattr(lapse_list, "SCANNED", 2)
    read = []
    real = registry.all
    monkeypatch.setattr(registry, "all", lambda query, *values: read.append(query) or real(query, *values))
    steps = []
    for row in lapse_rows(registry, DAYS, NOW, BEGINNING, 5):
        steps.append((row, len(read)))
        read.clear()
    assert sum(row is None for row, _ in steps) >= 10
    assert max(count for _, count in steps) < 40
    assert len([row for row, _ in steps if row is not None]) == 5


def test_an_assessment_counts_once_for_a_client_and_not_for_closed_accounts(registry, monkeypatch):
    code, qualified = AccountAttribute.INVESTOR_CLASS, assessments._QUALIFIED
    for slot in (0, 1, 2, 3, 4):
        given(registry, slot, code, 0, value=qualified)
    given(registry, 4, AccountAttribute.RESTRICTION, 0, value=4)
    given(registry, 2, code, 0, value=1)
    monkeypatch.setattr(assessments, "last_day", lambda registry, client: TODAY if client != "client-01" else None)
    assert [*assessments.held(registry, 2)] == [[(TODAY, "client-00")], [], []]
