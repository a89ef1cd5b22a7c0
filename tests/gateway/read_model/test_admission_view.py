"""What a client is told of its admission is what the engine refuses for; and what is told ahead of a lapse."""

from dataclasses import replace

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, OrdType, Reason, Side, TimeInForce, VenueState
from engine.codes import ContractParameter as P
from engine.host import create
from engine.schema import SMALL
from engine.units import FOREVER_NS
from gateway import clock
from gateway.config import Config
from gateway.market_data.account_topics import NoticesTopic
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.read_model import render
from gateway.read_model.admission_view import WARNING_DAYS, warnings
from gateway.registry.registry import Intent, Registry
from gateway.registry.vault import Vault
from gateway.sessions.actions import Pending
from gateway.venue.venue import Venue
from gateway.wire.channels import parse
from gateway.wire.civil_dates import add_months, civil_date, lapse_ns, start_ns
from gateway.wire.command_rows import NewRow, Signer, new_row
from gateway.wire.reasons import shown

MILLION = 10**12
SET, STATE = CommandKind.ACCOUNT_SET, CommandKind.CONTRACT_SET


class Asked(Pending):
    """The outcome of one order."""

    reason = None

    def complete(self, outcome, now_ns):
        self.reason = Reason(outcome.reason)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    config = Config(data=str(tmp_path_factory.mktemp("venue")), durability="none")
    registry = Registry(config.registry)
    set_up_venue(registry, clock.wall_ns(), MILLION)
    list_contracts(registry, clock.wall_ns())
    open_trader(registry, Vault(config.vault, registry), "alice", MILLION, clock.wall_ns())
    registry.close()
    venue = Venue(config)
    venue.take_intents()
    venue.person = venue.registry.find_person("alice")
    yield venue
    venue.close()


def give(venue, *intents):
    venue.registry.add_intents(intents, clock.wall_ns())
    assert all(result.reason == 0 for result in venue.submit_intents().values())


def order(venue, person=None):
    """What the engine says to an opening order in the first contract."""
    asked = Asked()
    row = NewRow(0, int(Side.BUY), int(OrdType.LIMIT), int(TimeInForce.GTC), 10, 40_000)
    signer = Signer(0, venue.person if person is None else person, 1)
    venue.sequencer.submit(new_row(signer, row), None, asked)
    venue.sequencer.settle()
    return asked.reason


def first_unmet(venue, person=None):
    """The first rule that is not met as the client is told."""
    rules = venue.projection.admission(0, 0, venue.person if person is None else person)
    return next((rule for rule in rules if not rule.is_met), None)


def attribute(code, value):
    return Intent(SET, int(code), 0, value=value)


BROKEN = [
    (attribute(A.RESTRICTION, 3), attribute(A.RESTRICTION, 0), Reason.ACCOUNT_RESTRICTED, ""),
    (attribute(A.RESTRICTION, 1), attribute(A.RESTRICTION, 0), Reason.ACCOUNT_RESTRICTED, ""),
    (attribute(A.RESTRICTION, 2), attribute(A.RESTRICTION, 0), Reason.ACCOUNT_SUSPENDED, "are accepted"),
    (attribute(A.KILL_SWITCH, 1), attribute(A.KILL_SWITCH, 0), Reason.ACCOUNT_SUSPENDED, "are accepted"),
    (
        Intent(CommandKind.VENUE_STATE, int(VenueState.HALTED)), Intent(CommandKind.VENUE_STATE, int(VenueState.OPEN)),
        Reason.VENUE_HALTED, "",
    ),
    (attribute(A.KYC_UNTIL_NS, 0), attribute(A.KYC_UNTIL_NS, FOREVER_NS), Reason.KYC_NOT_VALID, "never given"),
    (
        attribute(A.SCREENING_UNTIL_NS, lapse_ns(civil_date(1_700_000_000 * 10**9))),
        attribute(A.SCREENING_UNTIL_NS, FOREVER_NS), Reason.SCREENING_STALE, "lapsed after 2023-11-15 (Hong Kong)",
    ),
    (
        attribute(A.JURISDICTION_PERMITTED, 0), attribute(A.JURISDICTION_PERMITTED, 1),
        Reason.JURISDICTION_NOT_PERMITTED, "",
    ),
    (attribute(A.INVESTOR_CLASS, 0), attribute(A.INVESTOR_CLASS, 1), Reason.NOT_PROFESSIONAL_INVESTOR, "none"),
    (attribute(A.PI_WITHDRAWN, 1), attribute(A.PI_WITHDRAWN, 0), Reason.PI_WITHDRAWN, ""),
    (attribute(A.EVIDENCE_UNTIL_NS, 0), attribute(A.EVIDENCE_UNTIL_NS, FOREVER_NS), Reason.PI_EVIDENCE_MISSING, ""),
    (attribute(A.EVIDENCE_UNTIL_NS, 1), attribute(A.EVIDENCE_UNTIL_NS, FOREVER_NS), Reason.PI_EVIDENCE_EXPIRED, "19"),
    (
        attribute(A.CONFIRMATION_UNTIL_NS, 1), attribute(A.CONFIRMATION_UNTIL_NS, FOREVER_NS),
        Reason.PI_CONFIRMATION_OVERDUE, "lapsed after",
    ),
    (attribute(A.VA_KNOWLEDGE, 0), attribute(A.VA_KNOWLEDGE, 1), Reason.VA_KNOWLEDGE_REQUIRED, ""),
    (attribute(A.RISK_PROFILE, 0), attribute(A.RISK_PROFILE, 1), Reason.RISK_PROFILE_MISMATCH, ""),
    (attribute(A.AGREEMENT, 0), attribute(A.AGREEMENT, 1), Reason.AGREEMENT_MISSING, ""),
    (
        Intent(STATE, int(P.DISCLOSURE_LOSS), contract_slot=0, value=4), attribute(A.DISCLOSURE_LOSS, 4),
        Reason.DISCLOSURE_NOT_ACKNOWLEDGED, "BTC_USDC-PERPETUAL: loss version 4 is in force, acknowledged is 1",
    ),
    (attribute(A.AFFILIATION, 2), attribute(A.AFFILIATION, 0), Reason.AFFILIATE_PROHIBITED, ""),
    (
        attribute(A.AFFILIATION, 1), attribute(A.AFFILIATION, 0), Reason.AFFILIATE_NOT_APPROVED,
        "BTC_USDC-PERPETUAL: there is no approval",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "mended", "reason", "detail"), BROKEN, ids=[f"{row[2].name}" for row in BROKEN])
def test_the_first_rule_that_is_not_met_is_what_the_engine_refuses_for(venue, broken, mended, reason, detail):
    give(venue, broken)
    found = first_unmet(venue)
    assert (Reason(found.reason), order(venue)) == (reason, reason)
    assert detail in found.detail
    give(venue, mended)
    assert order(venue) == first_unmet(venue).reason == Reason.REFERENCE_PRICE_UNAVAILABLE


def test_knowledge_is_that_of_the_person_who_asks(venue):
    stranger = venue.registry.person("a stranger", clock.wall_ns())
    found = first_unmet(venue, stranger)
    assert found.reason == order(venue, stranger) == Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    assert found.detail == "the person who holds this key: never given"
    today = civil_date(clock.wall_ns())
    give(venue, Intent(CommandKind.PERSON_SET, person=stranger, value=lapse_ns(today)))
    rules = {rule.reason: rule for rule in venue.projection.admission(0, 0, stranger)}
    detail = rules[Reason.DERIVATIVES_KNOWLEDGE_REQUIRED].detail
    assert detail == f"the person who holds this key: valid through {today} (Hong Kong)"
    give(venue, attribute(A.INVESTOR_CLASS, 4), attribute(A.VA_KNOWLEDGE, 0))
    assert order(venue, 0) == first_unmet(venue, 0).reason
    give(venue, attribute(A.INVESTOR_CLASS, 1), attribute(A.VA_KNOWLEDGE, 1))


def test_an_affiliates_approval_is_told_with_its_days(venue):
    today = civil_date(clock.wall_ns())
    until = add_months(today, 1)
    approval = Intent(
        CommandKind.AFFILIATE_APPROVAL, account_slot=0, contract_slot=0, value=lapse_ns(until),
        source_time_ns=start_ns(today),
    )  # fmt: skip
    give(venue, attribute(A.AFFILIATION, 1), approval)
    rules = {(rule.reason, rule.detail) for rule in venue.projection.admission(0, 0, venue.person)}
    text = f"BTC_USDC-PERPETUAL: approved from {today} through {until}"
    assert (Reason.AFFILIATE_NOT_APPROVED, text) in rules
    style = "only post-only limit orders are taken from this account"
    assert (order(venue), style) in rules and order(venue) == Reason.AFFILIATE_ORDER_STYLE
    give(venue, replace(approval, value=0), attribute(A.AFFILIATION, 0))


# --- warnings -----------------------------------------------------------------------------------------------------

DAY_NS = 86_400 * 10**9
NOW = start_ns(civil_date(1_795_651_200 * 10**9))  # 2026-11-26 00:00 in Hong Kong


def state_with(days, code=A.EVIDENCE_UNTIL_NS, now_ns=NOW):
    """A state in which one date is so many days after the 26th of November, and the others have no end."""
    root = create(SMALL)
    state = root[0]
    state["now_ns"], state["accounts_used"] = now_ns, 1
    values = state["profiles"][0]["values"]
    for name in (A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS):
        values[name] = FOREVER_NS
    values[code] = NOW + (days + 1) * DAY_NS
    return root


@pytest.mark.parametrize(
    ("days", "step"), [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1), (-1, None)]
)
def test_warnings_come_60_30_7_and_1_days_before_the_last_day(days, step):
    found = warnings(state_with(days)[0], 0)
    assert [(row.reason, row.step, row.days_left) for row in found] == (
        [(Reason.PI_EVIDENCE_EXPIRED, step, days)] if step is not None else []
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (A.KYC_UNTIL_NS, Reason.KYC_NOT_VALID),
        (A.SCREENING_UNTIL_NS, Reason.SCREENING_STALE),
        (A.CONFIRMATION_UNTIL_NS, Reason.PI_CONFIRMATION_OVERDUE),
    ],
)
def test_each_dated_thing_is_warned_of(code, reason):
    [found] = warnings(state_with(5, code)[0], 0)
    assert (found.reason, found.last_day) == (reason, "2026-12-01")


class Reader:
    """A connection that keeps what it is sent."""

    def __init__(self):
        self.behind, self.is_slow, self.heard = {}, False, []

    def stage(self, frame):
        self.heard.append(frame)


class Rows:
    """What a notices channel reads of the projection."""

    def __init__(self, root):
        self.root = root

    @property
    def now_ns(self):
        return int(self.root[0]["now_ns"])

    @property
    def durable_seq(self):
        return int(self.root[0]["last_seq"])

    def warnings(self, account_slot):
        return warnings(self.root[0], account_slot)


def test_the_channel_says_each_step_once(tmp_path):
    root = state_with(61)
    reader, topic = Reader(), NoticesTopic(parse("user.notices", lambda name: None, 0), Rows(root))
    topic.join(reader)
    said = []
    for day in range(64):
        for hour in range(0, 24, 6):
            root[0]["now_ns"] = NOW + day * DAY_NS + hour * 3600 * 10**9
            topic.flush()
            said += [day] * len(reader.heard)
            reader.heard.clear()
    assert said == [1, 31, 54, 60] and len(WARNING_DAYS) == 4
    late = Reader()
    root[0]["now_ns"] = NOW + 32 * DAY_NS
    topic.join(late)
    assert len(late.heard) == 1 and b'"days_left":29' in late.heard[0] and b'"step":30' in late.heard[0]


def test_nobody_hears_of_a_freeze():
    assert shown(Reason.SANCTIONS) == Reason.ACCOUNT_RESTRICTED and shown(Reason.EXPIRED) == Reason.EXPIRED
    assert render.CANCEL_REASON[Reason.SANCTIONS] == b"account_restricted"
