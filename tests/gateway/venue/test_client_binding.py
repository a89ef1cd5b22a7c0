"""A registry of an earlier version: its accounts are bound to their clients at the next start, freezes too."""

from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from engine.codes import CommandKind, Restriction
from gateway.config import Config
from gateway.registry.clients import client_value, unbound_accounts
from gateway.registry.registry import Registry
from gateway.venue.venue import Venue


def earlier(folder):
    """A registry that knows nothing of clients in the log: alice's first account frozen, carol's frozen and closed."""
    registry = Registry(Config(data=str(folder)).registry)
    for name, client in (("alice", ""), ("alice-2", "alice"), ("bob", ""), ("carol", ""), ("carol-2", "carol")):
        registry.create_account(name, 1, client)
    for slot, restriction in ((0, Restriction.FROZEN), (3, Restriction.FROZEN), (2, Restriction.REDUCE_ONLY)):
        registry.set_attribute(slot, A.RESTRICTION, int(restriction), 2, "")
    registry.set_attribute(3, A.RESTRICTION, int(Restriction.CLOSED), 3, "")
    with registry.transaction():
        bound = (CommandKind.ACCOUNT_SET, int(A.CLIENT))
        registry._db.execute("DELETE FROM intents WHERE kind = ? AND code = ?", bound)
    registry.close()


def started(folder):
    """What clients and accounts are after a start, and how many intents there are."""
    venue = Venue(Config(data=str(folder)))
    venue.take_intents()
    state = venue.engine.root[0]
    ids = {name: venue.registry.client_id(name) for name in ("alice", "bob", "carol")}
    frozen = {name: int(state["clients"][number]["frozen"]) for name, number in ids.items()}
    bound = [int(state["profiles"][slot]["values"][A.CLIENT]) for slot in range(5)]
    held = [int(state["accounts"][slot]["restriction"]) for slot in range(5)]
    assert unbound_accounts(venue.registry) == []
    assert client_value(venue.registry, "alice", C.FROZEN) == 1
    last = venue.registry.last_reference()
    venue.close()
    return frozen, bound, held, last


def test_accounts_are_bound_and_a_freeze_becomes_the_clients(tmp_path):
    earlier(tmp_path)
    first = started(tmp_path)
    frozen, bound, held, _ = first
    assert frozen == {"alice": 1, "bob": 0, "carol": 1}
    assert bound == [1, 1, 2, 3, 3]
    frozen, reduced = Restriction.FROZEN, Restriction.REDUCE_ONLY
    assert held == [frozen, frozen, reduced, frozen, frozen]
    assert started(tmp_path) == first, "a second start asks for nothing more"


def test_accounts_that_the_log_has_without_a_client_are_bound(tmp_path, monkeypatch):
    """The log of an earlier release has the accounts already."""
    earlier(tmp_path)
    with monkeypatch.context() as before:
        before.setattr("gateway.venue.venue.bind_accounts", lambda registry, now_ns: None)
        venue = Venue(Config(data=str(tmp_path)))
        venue.take_intents()
        assert int(venue.engine.root[0]["accounts_used"]) == 5 == venue.registry.next_account_slot()
        venue.close()
    assert started(tmp_path)[1] == [1, 1, 2, 3, 3]
