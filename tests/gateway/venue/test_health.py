"""What is wrong with a venue says what it takes: orders, cancels, changes; clients and the operator read why."""

import pytest

from gateway.venue.health import Effect, Health
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue, buy, replies_of

NAME = "DISK_NEARLY_FULL"


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    made = SocketlessVenue(tmp_path_factory.mktemp("health"))
    yield made
    made.venue.close()


def test_the_worst_trouble_decides_and_each_is_told_once(caplog):
    changes = []
    health = Health(lambda: changes.append(health.state))
    assert (health.state, health.cause, health.since_ns, health.not_taken) == ("serving", "", 0, frozenset())
    health.report("SCRUB", Effect.ALARM, "a segment is damaged", "restore it")
    assert health.state == "serving" and health.troubles[0].line == "a segment is damaged; restore it"
    health.report("DISK_FAILED", Effect.READ_ONLY, "fsync failed", "replace the disk")
    health.report(NAME, Effect.NO_NEW_ORDERS, "9 bytes are free", "make room")
    assert health.state == "read_only" and health.cause == "fsync failed" and health.since_ns > 0
    assert health.not_taken == {"orders", "cancels", "changes"}
    health.report(NAME, Effect.NO_NEW_ORDERS, "8 bytes are free", "make room")
    assert len(changes) == 3, "the same trouble said again is no change"
    health.clear("DISK_FAILED")
    assert health.state == "no_new_orders" and health.cause == "8 bytes are free" and health.not_taken == {"orders"}
    health.clear(NAME)
    health.clear(NAME)
    assert changes == ["serving", "read_only", "read_only", "no_new_orders", "serving"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "ERROR", "WARNING", "WARNING"]


def answers(venue, *messages):
    return [reply.get("result") or reply["error"] for reply in replies_of(venue.send(messages))]


def state(venue):
    [found] = answers(venue, request(9, "public/status"))
    return found


def cancel_all():
    return request(2, "private/cancel_all")


def leave():
    return request(3, "venue/withdraw_professional_status", confirm=True)


def test_without_room_orders_are_refused_by_name_and_cancels_work(venue):
    assert state(venue) == {"locked": "false", "locked_indices": []}
    [placed] = answers(venue, buy(price=17_000))
    assert placed["order"]["order_state"] == "open"
    venue.venue.health.report(NAME, Effect.NO_NEW_ORDERS, "9 bytes are free", "make room")
    for message in (buy(price=17_001), request(1, "private/edit", order_id=placed["order"]["order_id"], amount="0.02")):
        [refused] = answers(venue, message)
        assert (refused["code"], refused["data"]["reason"]) == (10041, NAME)
        assert refused["data"]["message"] == "The venue takes no new orders: 9 bytes are free; cancels work."
    found = state(venue)
    assert (found["locked"], found["reason"]) == ("true", NAME)
    assert venue.venue.projection.is_halted()
    assert answers(venue, cancel_all()) == [1]
    venue.venue.health.clear(NAME)
    assert state(venue)["locked"] == "false" and not venue.venue.projection.is_halted()
    assert "order" in answers(venue, buy(price=17_002))[0]
    assert answers(venue, cancel_all()) == [1]


def test_read_only_takes_nothing_that_would_go_into_the_log(venue):
    before = venue.venue.engine.last_seq
    venue.venue.health.report("DISK_FAILED", Effect.READ_ONLY, "fsync failed", "replace the disk")
    for message in (buy(), cancel_all(), leave()):
        [refused] = answers(venue, message)
        assert (refused["code"], refused["data"]["reason"]) == (10041, "DISK_FAILED"), message
        assert "questions are answered" in refused["data"]["message"]
    assert answers(venue, request(4, "public/get_order_book", instrument_name=BTC))[0]["bids"] == []
    assert venue.venue.engine.last_seq == before
    venue.venue.health.clear("DISK_FAILED")
