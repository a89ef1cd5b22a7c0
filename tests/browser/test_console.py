"""The console in a real browser against a real venue: officers halt a market, decide by two, and cut a connection."""

import re

import pytest

from gateway import clock
from gateway.client import RpcError
from gateway.surveillance.activity import Alert, Evidence
from tests.browser.console_venue import console_venue
from tests.browser.page import MS, Page
from tests.browser.terminal import Terminal
from tests.gateway.live import BTC, until

PLACES = (
    "overview", "markets", "risk", "funding", "sessions", "changes", "clients", "calendar", "affiliates", "alerts",
    "audit",
)  # fmt: skip
WIDTHS = (360, 390, 768, 1440, 1920)
expect = Page.expect


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with console_venue(tmp_path_factory.mktemp("console") / "v") as found:
        yield found


class Officer(Page):
    """An officer before the console, logged in by the form."""

    def __init__(self, chromium, venue, name, scheme="dark"):
        super().__init__(chromium, scheme=scheme)
        self.address = venue.address
        key, secret = venue.officers[name]
        self.page.goto(self.address)
        self.page.get_by_label("Key id").fill(key)
        self.page.get_by_label("Secret").fill(secret)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_text(name, exact=True)).to_be_visible()

    def go(self, place):
        self.page.goto(f"{self.address}/#/{place}")
        return self.page

    def ask(self, reason, button):
        """Give the reason in the open dialog, look at what it does, and confirm; the outcome's words."""
        self.dialog.get_by_label("reason").fill(reason)
        self.dialog.get_by_role("button", name="See what it does").click()
        self.dialog.get_by_role("button", name=button).click()
        outcome = self.dialog.get_by_role("status")
        outcome.wait_for()
        words = outcome.inner_text()
        self.dialog.get_by_role("button", name="Close", exact=True).click()
        return words


@pytest.fixture
def officers(chromium, venue):
    """Ann and Ben, each in a browser of their own."""
    found = [Officer(chromium, venue, name) for name in ("Ann", "Ben")]
    yield found
    assert not [fault for officer in found for fault in officer.end()]


def state_of(venue):
    return venue.run(venue.clients["alice"].call("public/ticker", instrument_name=BTC))["market_state"]


def test_one_officer_halts_a_market_and_two_open_it_again(chromium, venue, officers):
    ann, ben = officers
    alice = venue.clients["alice"]
    trader = Terminal(chromium, f"http://127.0.0.1:{venue.server.port}/")
    expect(trader.state).to_have_attribute("data-market", "open")
    venue.run(alice.buy(BTC, "0.1", price="19000"))
    page = ann.go("markets")
    page.get_by_role("button", name=f"Halt {BTC}").click()
    ann.dialog.get_by_label("reason").fill("the index is wrong")
    ann.dialog.get_by_role("button", name="See what it does").click()
    told = ann.dialog.get_by_role("region", name="what it does")
    expect(told).to_contain_text("no order is taken and nothing is matched")
    expect(told).to_contain_text("1 order is open")
    expect(told).to_contain_text("one officer may do it")
    assert state_of(venue) == "open"  # nothing is done before it is confirmed
    ann.dialog.get_by_role("button", name="Do it now").click()
    expect(ann.dialog.get_by_role("status")).to_contain_text("is done at sequence")
    assert state_of(venue) == "halted"
    expect(trader.state).to_have_attribute("data-market", "halted")
    with pytest.raises(RpcError, match="MARKET_HALTED"):
        venue.run(alice.buy(BTC, "0.1", price="19000"))
    ann.dialog.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_role("row", name=BTC).first).to_contain_text("halted")

    page.get_by_role("button", name=f"Open {BTC}").click()
    assert "waits for a second person" in ann.ask("the index is right again", "Propose it to a second person")
    assert state_of(venue) == "halted"
    page = ann.go("changes")
    page.get_by_role("button", name="Decide change").click()
    expect(ann.dialog).to_contain_text("another person must approve it")
    expect(ann.dialog.get_by_role("button", name="Approve")).to_be_disabled()

    page = ben.go("changes")
    page.get_by_role("button", name="Decide change").click()
    expect(ben.dialog).to_contain_text("the index is right again")
    expect(ben.dialog.get_by_role("region", name="what it does")).to_contain_text("orders are taken and matched")
    ben.dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("No proposal waits.")).to_be_visible()
    assert state_of(venue) == "open"
    expect(trader.state).to_have_attribute("data-market", "open")
    assert trader.end() == []
    venue.run(alice.cancel_all())


def test_a_press_asks_once_however_often_it_is_pressed(venue, officers):
    ann, _ = officers
    page = ann.go("markets")
    page.get_by_role("button", name=f"Another state of {BTC}").click()
    ann.dialog.get_by_label("state", exact=True).select_option("post_only")
    ann.dialog.get_by_label("reason").fill("pressed twice")
    ann.dialog.get_by_role("button", name="See what it does").dblclick()
    ann.dialog.get_by_role("button", name="Do it now").dblclick()
    expect(ann.dialog.get_by_role("status")).to_contain_text("is done")
    registry_rows = venue.run(asked(venue, "SELECT count(*) FROM changes WHERE reason = 'pressed twice'"))
    assert registry_rows == 1
    ann.dialog.get_by_role("button", name="Close", exact=True).click()


async def asked(venue, query):
    return venue.server.venue.registry.one(query)[0]


def test_what_people_write_is_shown_as_text(venue, officers):
    ann, _ = officers
    page = ann.go("sessions")
    expect(page.get_by_text("<i>eve</i>").first).to_be_visible()
    page = ann.go("changes")
    changes = page.get_by_label("Ask for a change")
    for kind in ("withdraw_status", "record_employment"):  # no other place of the console asks for these
        expect(changes.locator(f"option[value={kind}]")).to_have_count(1)
    changes.select_option("set_limits")
    page.get_by_role("button", name="Ask…").click()
    ann.dialog.get_by_label("account (optional)").fill("alice")
    ann.dialog.get_by_label("max leverage (optional)").fill("10")
    markup = "<img src=x onerror=document.title='hurt'>"
    assert "is done" in ann.ask(markup, "Do it now")
    page.get_by_label("Show").select_option("all")
    expect(page.get_by_text(markup).first).to_be_visible()
    assert page.locator("img").count() == 0 and page.title() == "Lionrock console"


def test_a_step_of_onboarding_takes_two_persons(venue, officers):
    ann, ben = officers
    page = ann.go("clients")
    page.get_by_role("button", name="Open an account…").click()
    ann.dialog.get_by_label("account", exact=True).fill("carol")
    assert "is done" in ann.ask("application 33", "Do it now")
    page.get_by_role("button", name="Open carol").click()
    ann.dialog.get_by_role("button", name="Record Identity (KYC)").click()
    ann.dialog.get_by_label("document date").fill("2026-01-05")
    ann.dialog.get_by_label("document hash", exact=True).fill("5e" * 32)
    ann.dialog.get_by_label("valid through").fill("2099-12-31")
    assert "waits for a second person" in ann.ask("application 33", "Propose it to a second person")
    page = ben.go("changes")
    page.get_by_role("button", name="Decide change").click()
    expect(ben.dialog.get_by_role("region", name="what it does")).to_contain_text("kyc until ns")
    ben.dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("No proposal waits.")).to_be_visible()
    page = ben.go("clients")
    page.get_by_role("button", name="Open carol").click()
    expect(ben.dialog.get_by_role("button", name="Renew Identity (KYC)")).to_be_visible()
    expect(ben.dialog.get_by_text("through 2099-12-31").first).to_be_visible()


def test_an_alert_s_orders_are_drawn_and_a_person_reviews_it(venue, officers):
    ann, _ = officers
    alice = venue.clients["alice"]
    placed = venue.run(alice.buy(BTC, "0.1", price="19000", post_only=True))
    venue.run(alice.cancel(placed.order.order_id))
    venue.run(filed(venue, int(placed.order.order_id)))
    page = ann.go("alerts")
    page.get_by_role("button", name="Look at alert").first.click()
    expect(ann.dialog.get_by_role("img")).to_have_accessible_name(
        f"1 order of alice on {BTC}; the table below has them in figures"
    )
    expect(ann.dialog.locator("canvas")).to_be_visible()
    expect(ann.dialog).to_contain_text("<b>shown and withdrawn</b>")
    ann.dialog.get_by_label("What became of it").select_option("dismissed")
    ann.dialog.get_by_label("Why").fill("one desk, two screens")
    ann.dialog.get_by_role("button", name="Review").click()
    expect(page.get_by_text("There is none.")).to_be_visible()


async def filed(venue, order_id):
    """An alert of surveillance about one order of alice."""
    store = venue.server.venue.context.operation.alerts()
    evidence = Evidence([5], [order_id], {"times": 1})
    store.add([Alert("spoofing", "<b>shown and withdrawn</b>", clock.wall_ns(), 0, (0,), evidence)])
    store.close()


def test_an_order_is_found_and_explained(venue, officers):
    ann, _ = officers
    placed = venue.run(venue.clients["alice"].buy(BTC, "0.1", price="18999", post_only=True))
    page = ann.go("audit")
    offered = page.locator("#audited-accounts option")
    page.get_by_label("Account").fill("ALI")
    expect(offered).to_have_count(1)
    expect(offered).to_have_attribute("value", "alice")
    page.get_by_label("Account").fill("alice")
    page.get_by_role("button", name="Its orders").click()
    page.get_by_role("button", name=f"Explain order {placed.order.order_id}", exact=True).click()
    expect(page.get_by_role("region", name="admission ladder").first).to_be_visible(timeout=10 * MS)
    page.get_by_role("button", name="Explain its margin").click()
    expect(ann.dialog).to_contain_text("KYC_NOT_VALID")
    page.keyboard.press("Escape")
    page.get_by_label("Number").fill("09007199254740993")  # 2^53 + 1, which a number of the browser is not
    page.get_by_role("button", name="Explain", exact=True).click()
    story = page.get_by_role("region", name="story of order 9007199254740993")
    expect(story.get_by_role("alert")).to_contain_text("no order 9007199254740993", timeout=10 * MS)


def test_the_overview_draws_the_last_minutes(venue, officers):
    ann, _ = officers
    page = ann.go("overview")
    trends = page.get_by_role("region", name="trends")
    expect(trends.locator("canvas")).to_have_count(6)
    expect(trends.get_by_role("img", name="Throughput a second")).to_be_visible()
    for title, line in (("Latency by stage", "received to applied"), ("Journal", "one sync"), ("Queues", "questions")):
        expect(trends.locator("figure", has_text=title)).to_contain_text(line)
    sessions = trends.locator("figure", has_text="Sessions").locator("li", has_text="logged in")
    expect(sessions).to_have_text(re.compile(r"logged in [1-9]"))  # the traders of the venue
    commands = trends.locator("figure", has_text="Throughput").locator("li", has_text="commands")
    expect(commands).to_have_text(re.compile(r"commands \d"))  # a rate, from the second reading on


def test_markets_have_their_best_prices_and_their_day(venue, officers):
    ann, _ = officers
    alice, bob = venue.clients["alice"], venue.clients["bob"]
    venue.run(alice.buy(BTC, "0.1", price="19500", post_only=True))
    venue.run(bob.sell(BTC, "0.1", price="20100.5", post_only=True))
    table = ann.go("markets").get_by_role("region", name="Contracts", exact=True)
    row = table.get_by_role("row", name=BTC)
    for text in ("19,500.0", "20,100.5", "600.5"):
        expect(row).to_contain_text(text)
    for head in ("Bid", "Ask", "Spread", "24 h change", "24 h volume"):
        expect(table.get_by_role("columnheader", name=head)).to_have_count(1)
    venue.run(alice.cancel_all())
    venue.run(bob.cancel_all())
    expect(row).not_to_contain_text("600.5")
    running = ann.go("funding").get_by_role("region", name="Running intervals", exact=True)
    expect(running.get_by_role("row", name=BTC)).to_contain_text("%")


def test_an_officer_cuts_a_connection(venue, officers):
    ann, _ = officers
    number = venue.run(session_of(venue, "bob"))
    page = ann.go("sessions")
    page.get_by_role("button", name=f"Cut session {number}", exact=True).click()
    ann.dialog.get_by_label("Reason").fill("it floods the venue")
    ann.dialog.get_by_role("button", name="Cut it").click()
    expect(page.get_by_role("button", name=f"Cut session {number}", exact=True)).to_have_count(0)
    venue.run(until(lambda: number_of(venue, "bob") not in (None, number)))  # its client connects again by itself


def number_of(venue, name):
    """The number of an account's session, None while it has none."""
    slot = venue.server.venue.registry.account(name).slot
    return next((one.session.number for one in venue.server._websockets if one.session.account_slot == slot), None)


async def session_of(venue, name):
    return number_of(venue, name)


def test_a_trader_s_key_is_no_officer_s(venue, chromium):
    trader = Page(chromium)
    page = trader.page
    page.goto(venue.address)
    client = venue.clients["alice"]
    page.get_by_label("Key id").fill(client.key_id)
    page.get_by_label("Secret").fill(client._secret)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("form").get_by_role("alert")).to_contain_text("compliance or admin")
    assert page.get_by_role("navigation").count() == 0
    assert trader.end() == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_place_is_accessible_and_never_wider_than_the_screen(venue, chromium, scheme):
    officer = Officer(chromium, venue, "Ann", scheme)
    for place in PLACES:
        page = officer.go(place)
        page.get_by_role("main", name=place.capitalize()).wait_for()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert officer.overflow() <= 0, (place, width)
        assert not officer.serious(), (place, scheme)
    assert officer.end() == []


def test_a_long_list_has_pages_and_the_file_has_all_of_them(venue, officers, tmp_path):
    ann, _ = officers
    venue.run(many_filed(venue, 230))
    page = ann.go("alerts")
    table = page.get_by_role("region", name="Alerts", exact=True)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(100)
    expect(table.get_by_role("button", name="First page")).to_be_disabled()
    newest = rows.first.inner_text()
    table.get_by_role("button", name="Next page").click()
    expect(rows.first).not_to_have_text(newest)
    expect(rows).to_have_count(100)
    table.get_by_role("button", name="Next page").click()
    expect(rows).to_have_count(30)
    expect(table.get_by_role("button", name="Next page")).to_be_disabled()
    with page.expect_download() as saving:
        table.get_by_role("button", name="Save all pages as CSV").click()
    saving.value.save_as(tmp_path / "alerts.csv")
    assert len((tmp_path / "alerts.csv").read_text().splitlines()) == 1 + 230
    table.get_by_role("button", name="First page").click()
    expect(rows.first).to_contain_text(newest.split("\t")[0])
    page.get_by_label("Show").select_option("escalated")  # other rows begin at their first page
    expect(page.get_by_text("There is none.")).to_be_visible()
    expect(table.get_by_role("button", name="Next page")).to_have_count(0)


async def many_filed(venue, count):
    """So many open alerts, each about another moment."""
    store = venue.server.venue.context.operation.alerts()
    now_ns = clock.wall_ns()
    store.add([Alert("flashing", f"number {n}", now_ns + n, 0, (0,), Evidence([n], [], {})) for n in range(count)])
    store.close()


def test_tables_are_ordered_and_searched_and_accounts_lead_to_their_orders(venue, officers):
    ann, _ = officers
    venue.run(many_filed(venue, 3))
    page = ann.go("markets")
    expect(page.get_by_role("link", name="Alerts")).to_have_text(re.compile("[0-9]"))  # what waits for somebody
    page.get_by_role("combobox", name="Parameters of").select_option(BTC)
    table = page.get_by_role("region", name=f"Parameters of {BTC}", exact=True)
    names = table.locator("tbody tr td:first-child")
    expect(names).not_to_have_count(0)
    given = names.all_inner_texts()
    head = table.get_by_role("columnheader", name="Parameter")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names.all_inner_texts() == sorted(given) != given
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names.all_inner_texts() == sorted(given, reverse=True)
    table.get_by_label("Find in Parameters").fill("BAND")
    expect(names).to_have_text(["band ppb"])
    table.get_by_label("Find in Parameters").fill("no such parameter")
    expect(table.get_by_text("No row has that in it.")).to_be_visible()

    page = ann.go("sessions")
    page.get_by_role("link", name="alice", exact=True).first.click()
    expect(page.get_by_role("region", name="Orders of alice", exact=True)).to_be_visible()
    assert page.url.endswith("#/audit/alice")
    page.reload()
    expect(page.get_by_role("region", name="Orders of alice", exact=True)).to_be_visible()

    page = ann.go("markets")
    page.set_viewport_size({"width": 390, "height": 800})
    place = page.get_by_role("button", name=f"Halt {BTC}").bounding_box()  # a card: nothing is out of sight
    assert place["x"] >= 0 and place["x"] + place["width"] <= 390
    expect(page.get_by_role("link", name="Audit")).not_to_be_in_viewport()  # it is beyond the edge
    page = ann.go("audit")
    expect(page.get_by_role("link", name="Audit")).to_be_in_viewport()  # the row follows what is shown
    page.set_viewport_size({"width": 1440, "height": 800})
    page = ann.go("markets")
    kill = page.get_by_role("button", name=f"Kill switch of {BTC}").bounding_box()
    assert kill["x"] + kill["width"] <= 1440
