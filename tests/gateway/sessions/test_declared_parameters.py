"""Every declared parameter of every method is obeyed, or refused by its name.

Each call is made by a session of its own over a venue with a history. Made twice, it must have the same outcome; with
one parameter changed, another outcome, or an error that names the parameter. An outcome is what the session answers,
what it hands to the sequencer, and what it keeps. An officer's change is answered with all that is kept of it.
"""

import hashlib
import hmac
import json
import shutil
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from engine.codes import NIL, AccountAttribute, Affiliation, CommandKind, MarginMode, MarketState
from engine.codes import ContractParameter as P
from gateway.document.examples import EXAMPLES
from gateway.document.officer_examples import set_up_sample
from gateway.document.sample_operation import sample_operation
from gateway.document.sample_rows import NOW, sample_projection
from gateway.office.officer_params import plain_type
from gateway.registry.authentication import Authenticator, new_hmac_key
from gateway.registry.registry import Intent, KeyOrder, Registry
from gateway.registry.vault import Vault
from gateway.sessions.actions import Close, LargeReply, Reply, Submit
from gateway.sessions.method_table import METHODS
from gateway.sessions.order_confirmation import Confirmation
from gateway.sessions.session import Session
from gateway.sessions.shared_context import Context
from gateway.venue.registry_intents import directive_row
from gateway.wire.decimals import Number
from gateway.wire.errors import Refusal
from gateway.wire.views import Span
from tests.gateway.live import BTC
from tests.gateway.query_venue import ETH, MINUTE_NS, START_NS, QueryVenue

IGNORED = {
    ("public/hello", "client_name"): "a client's name has no consequence in the protocol; the answer is the version",
    ("public/hello", "client_version"): "the same",
}
"""Parameters without any effect, each with the reason why that is right."""
ELSEWHERE = {
    ("public/get_delivery_prices", "offset"): "no contract of this world has ended; see read_model/test_money_records",
    ("public/get_delivery_prices", "count"): "the same",
}
"""Parameters that are tested over a world of another kind."""
DAY_MS = 86_400_000
MS = 1_000_000
OWN_STANDING = ("venue/get_disclosures", "venue/acknowledge_disclosure", "venue/withdraw_professional_status")


def fields_of(method):
    return {field.encode_name: field.type for field in msgspec.structs.fields(METHODS[method].params)}


def is_office(method):
    return METHODS[method].scope in ("compliance", "admin", "officer") or method in OWN_STANDING


CASES = [(method, name) for method in METHODS for name in fields_of(method)]


# --- the trading venue --------------------------------------------------------------------------------------------


class World(QueryVenue):
    """A venue with trades in three minutes, settled funding, open and closed orders of many kinds."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        self.funding_ms = self._fund()
        self.trades_ms = []
        start_ns = self.clock.now_ns - self.clock.now_ns % MINUTE_NS + MINUTE_NS
        for place, (amount, price) in enumerate(((0.5, 20_000), (0.2, 20_010), (0.1, 20_020))):
            self.pass_time(start_ns + place * MINUTE_NS)
            self.trade(amount, price)
            self.trades_ms.append(self.clock.now_ns // MS)
        for _ in range(2):
            self.result(1, "private/sell", instrument_name=BTC, amount=0.1, price=20_020)
        twice = self.result(0, "private/buy", instrument_name=BTC, amount=0.2, price=20_020)
        self.order_id = twice["order"]["order_id"]
        self.trade(0.1, 20_000, buyer=1, seller=0)
        self.direct(CommandKind.SET_MARGIN_MODE, contract_slot=1, value=int(MarginMode.ISOLATED))
        self.trade(2, 1_000, ETH)
        self._rest()
        self.set_state(1, MarketState.REDUCE_ONLY)
        for second in range(start_ns // 10**9 + 180, start_ns // 10**9 + 305, 5):
            self.pass_time(second * 10**9)
        self.settled_ms = [row.time_ns // MS for row in self._settled()][::-1]
        self.marks_ms = [time_ns // MS for time_ns, _ in self.venue.projection.marks(0, 0, self.clock.now_ns)]
        self._move_money()
        self.now_ns = self.clock.now_ns

    def _fund(self):
        """Settle some intervals of a minute, after the first of eight hours that has too few samples."""
        self.set_parameter(P.FUNDING_INTERVAL_S, 60)
        midnight = START_NS - START_NS % (1440 * MINUTE_NS) + 1440 * MINUTE_NS
        for second in range(0, 190, 5):
            self.pass_time(midnight + second * 10**9)
        return [(midnight + minute * MINUTE_NS) // MS for minute in range(4)]

    def _rest(self):
        for price in (19_000, 19_100, 19_200):
            self.result(0, "private/buy", instrument_name=BTC, amount=0.1, price=price, label=f"at {price}")
        self.open_id = self.result(
            0, "private/buy", instrument_name=BTC, amount=0.5, price=19_500, label="bot", post_only=True
        )["order"]["order_id"]
        stop = {"type": "stop_limit", "trigger_price": 18_000, "price": 17_900, "label": "stop"}
        self.stop_id = self.result(0, "private/sell", instrument_name=BTC, amount=0.1, **stop)["order"]["order_id"]
        self.result(0, "private/sell", instrument_name=ETH, amount=1, price=1_010)
        for price in (20_500, 20_600):
            self.result(1, "private/sell", instrument_name=BTC, amount=0.1, price=price)
        gone = self.result(0, "private/buy", instrument_name=BTC, amount=0.1, price=19_000)["order"]["order_id"]
        self.result(0, "private/cancel", order_id=gone)

        for price in (17_000, 17_100):
            stop = {"type": "stop_market", "trigger_price": price, "instrument_name": BTC, "amount": 0.1}
            ended = self.result(0, "private/sell", **stop)["order"]["order_id"]
            self.result(0, "private/cancel", order_id=ended)

    def _settled(self):
        records, span = self.venue.projection.money_records, Span(count=1000)
        return records.own_settlements(0, frozenset({0}), None, span)[0]

    def _move_money(self):
        """A second deposit, two withdrawals, two payments into the isolated position."""
        self.direct(CommandKind.DEPOSIT, amount_micros=5_000_000)
        for amount in (1_000_000, 2_000_000):
            self.direct(CommandKind.WITHDRAW, amount_micros=amount)
            self.direct(CommandKind.TRANSFER, contract_slot=1, amount_micros=amount)

    def direct(self, kind, **fields):
        """A directive about the first trader's account."""
        self.sequencer.submit(directive_row(Intent(kind, account_slot=0, **fields)), None, None)
        self.sequencer.settle()

    def set_state(self, slot, state):
        intent = Intent(CommandKind.CONTRACT_STATE, int(state), contract_slot=slot)
        self.sequencer.submit(directive_row(intent), None, None)
        self.sequencer.settle()

    def params(self, method):
        """The document's example of a method, about what is here."""
        found = {**EXAMPLES[method]}
        here = {
            "order_id": self.open_id, "start_timestamp": self.trades_ms[0], "end_timestamp": self.now_ns // MS,
            "client_id": self.traders[0].key.id, "client_secret": self.traders[0].key.secret,
        }  # fmt: skip
        if method == "private/get_user_trades_by_order":
            here["order_id"] = self.order_id
        if "funding" in method:
            here |= {"start_timestamp": self.funding_ms[0], "end_timestamp": self.funding_ms[3]}
        return found | {name: value for name, value in here.items() if name in found}

    def outcome(self, method, params, setting):
        """What a new session of the first trader makes of a call, as values."""
        context = self.venue.context
        context._key_limits.clear()
        kept = context.confirmation
        session = self._session(self.traders[0].key)
        session.signer = msgspec.structs.replace(session.signer, connection=1)
        if setting.get("confirm"):
            context.confirmation = Confirmation(value_micros=1)
        subscribed = {"channels": [f"book.{BTC}.100ms", "user.notices"]}
        if "unsubscribe" in method:
            session.receive(message("private/subscribe", subscribed), self.now_ns)
        before = state_of(session)
        actions = session.receive(message(method, params), setting.get("now", self.now_ns))
        told = [value_of(action) for action in actions]
        after = state_of(session)
        lives = token_lives(context, session, self.now_ns)
        context.confirmation = kept
        return told, [] if before == after else after, lives


def token_lives(context, session, now_ns):
    try:
        context.authenticator.authorize(f"Bearer {session.access_token}", "GET", "/", b"", now_ns)
    except Refusal:
        return False
    return True


def state_of(session):
    return sorted(session.channels), session.heartbeat_ns, session.closed


def message(method, params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def value_of(action):
    """An action as plain values, without times and secrets."""
    if isinstance(action, Reply | LargeReply):
        answer = json.loads(action.data)
        result = answer.get("result")
        if isinstance(result, dict):
            result = {name: value for name, value in result.items() if not name.endswith("_token")}
        return "reply", result, answer.get("error")
    if isinstance(action, Submit):
        pending = action.pending
        told = {name: getattr(pending, name) for name in pending.__struct_fields__ if name != "call"}
        return "submit", action.rows, type(pending).__name__, told
    if isinstance(action, Close):
        return "close", action.code
    return type(action).__name__, [getattr(one, "name", one) for one in vars_of(action)]


def vars_of(action):
    return next(getattr(action, name) for name in action.__slots__)


# --- what is changed ----------------------------------------------------------------------------------------------


def bases(world, method, name):
    """(Changes to the example under which a parameter counts, the setting of the call)."""
    placed = {"private/buy", "private/sell", "private/preview_order"}
    edits = {"private/edit", "private/edit_by_label"}
    stop = {"type": "stop_limit", "price": 17_000, "amount": 0.1, "trigger_price": 17_500}
    if name == "include_old":
        return {}, {"now": world.now_ns + 9 * DAY_MS * MS}
    if name == "length":
        return {}, {"now": world.now_ns + 9 * 3600 * 10**9}
    if method == "public/get_mark_price_history":
        return {"start_timestamp": 0}, {}
    previews = {"private/preview_order", "private/preview_edit"}
    if name == "confirm":
        return {}, {"confirm": True} if method in edits | previews else {}
    if method == "private/preview_edit" and name == "forfeit_priority":
        return {"price": None, "amount": None}, {}
    if method in placed:
        plain = {"type": "limit", "price": 20_000, "trigger_price": None, "reduce_only": None, "post_only": None}
        if name in ("trigger", "trigger_price"):
            return {**plain, **stop, "type": "stop_limit"}, {}
        if name == "trigger_offset":
            return {**plain, "type": "trailing_stop", "price": None, "trigger_offset": 100}, {}
        if name == "reject_post_only":
            return {**plain, "post_only": True}, {}
        return plain, {}
    if method == "private/edit" and name == "trigger_price":
        return {"order_id": world.stop_id, "price": 17_900, "amount": 0.1}, {}
    if method == "private/edit_by_label" and name == "trigger_price":
        return {"label": "stop", "amount": 0.1}, {}
    if method == "private/cancel" and name == "cl_ord_id":
        return {"order_id": None}, {}
    if name in ("timestamp", "nonce", "data", "signature"):
        return signed(world), {}
    if name in ("token", "refresh_token"):
        return {"grant_type": "coinbase_cdp" if name == "token" else "refresh_token"}, {}
    if name == "offset" or method.startswith("private/get_order_history"):
        return {"include_unfilled": name != "include_unfilled"}, {}
    return {}, {}


_NONCES = iter(range(10**6))


def signed(world):
    """A login by signature, never the same twice."""
    key, stamp, nonce = world.traders[0].key, world.now_ns // MS, f"n{next(_NONCES)}"
    signature = hmac.new(key.secret.encode(), f"{stamp}\n{nonce}\n".encode(), hashlib.sha256).hexdigest()
    return {
        "grant_type": "client_signature", "client_secret": None, "timestamp": stamp, "nonce": nonce, "data": "",
        "signature": signature,
    }  # fmt: skip


BY_NAME: dict[str, list[Any]] = {
    "params": [{}],
    "instrument_name": [ETH], "currency": ["BTC"], "kind": ["option", "hmac"], "label": ["at 19000", "x"],
    "side": ["sell"], "start_id": ["BTC-2"], "end_id": ["BTC-1"], "start_seq": [2], "end_seq": [1],
    "query": ["buy", "settlement"], "count": [1], "offset": [1], "continuation": [3], "depth": [1], "sequence": [3],
    "channels": [["platform_state"], [f"book.{BTC}.100ms"], ["user.notices"]], "interval": [60],
    "index_name": ["eth_usdc"], "resolution": ["5"], "expected_result": ["exception"], "timeout_ms": [9000],
    "leverage": [3], "valid_until": [1], "expires_at": [(START_NS + DAY_MS * MS * 9) // MS], "cl_ord_id": [77],
    "trigger_price": [17_400, 17_950], "trigger_offset": [50], "price": [19_999.5], "amount": [0.3],
    "display_amount": [0.1], "max_show": [0.1], "scope": ["account", "trade:read"], "type": ["limit", "trigger_all"],
    "sorting": ["asc", "desc"], "order_id": ["1"], "post_only": [True, False],
}  # fmt: skip
"""What to try first for a parameter of this name; then come values of its type."""


def candidates(world, method, name, kind):
    """Other values for a parameter."""
    if name.endswith("_timestamp"):
        stamps = world.funding_ms if "funding" in method else world.trades_ms
        stamps = world.settled_ms if "settlement" in method else stamps
        stamps = world.marks_ms if "mark_price" in method else stamps
        yield from (stamps[1] + 1, stamps[0] + 1, stamps[-1] + DAY_MS)
        return
    if method == "private/get_user_trades_by_order" and name == "order_id":
        yield world.open_id
        return
    yield from BY_NAME.get(name, [])
    plain, _ = plain_type(kind)
    if get_origin(plain) is Literal:
        yield from get_args(plain)
    elif plain is bool:
        yield from (True, False)
    elif plain is Number or plain is int:
        yield from (1, 2, 1000)
    elif get_origin(plain) is list:
        yield []
    elif plain is str:
        yield from ("x", "2027-02-01", "b" * 64, "0" * 12, "1.5", "BTC", "USDC", "none")


def is_shown(base, found, name):
    """Whether a changed parameter shows: in another outcome, which is no error about another parameter."""
    new = errors_of(found) - errors_of(base)
    return found != base and (new <= {name, None} or name == "grant_type")


def errors_of(outcome):
    """The parameters that errors name, None for those that name none."""
    return {told[2]["data"].get("param") for told in outcome[0] if told[0] == "reply" and told[2]}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def world(tmp_path_factory, patch):
    return World(tmp_path_factory.mktemp("world"), patch)


@pytest.mark.parametrize("method, name", [case for case in CASES if not is_office(case[0])])
def test_a_parameter_is_obeyed_or_refused_by_name(world, method, name):
    if (method, name) in ELSEWHERE:
        pytest.skip(ELSEWHERE[method, name])
    _, setting = bases(world, method, name)

    def outcome(**more):
        changes, _ = bases(world, method, name)
        params = {**world.params(method), **changes, **more}
        return world.outcome(method, {key: value for key, value in params.items() if value is not None}, setting)

    base = outcome()
    assert base == outcome(), "the same call has two outcomes"
    tried = []
    for value in candidates(world, method, name, fields_of(method)[name]):
        tried.append(value)
        found = outcome(**{name: value})
        if (method, name) in IGNORED:
            assert found == base, IGNORED[method, name]
        elif is_shown(base, found, name):
            return
    assert (method, name) in IGNORED, f"{name} of {method} changes nothing: {tried}"


# --- the office ---------------------------------------------------------------------------------------------------


AFFILIATED = Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.AFFILIATION), 0, value=int(Affiliation.GROUP_COMPANY))
LAPSING = Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.SCREENING_UNTIL_NS), 0, value=NOW)


class Bureau:
    """Officers and a client over a registry that is a fresh copy for each call."""

    def __init__(self, folder):
        self.folder, self.calls = folder, 0
        registry = Registry(folder / "registry.db")
        vault = Vault(folder / "vault.key", registry)
        set_up_sample(registry)
        self.keys = {}
        for name, slot, scopes in (
            ("sample", 0, ("read", "trade")), ("Ann", NIL, ("compliance", "admin")),
            ("Ben", NIL, ("compliance", "admin")),
        ):  # fmt: skip
            key = new_hmac_key(vault)
            registry.add_key(KeyOrder(key.id, slot, registry.person(name, NOW), "hmac", key.verifier, scopes, ""), NOW)
            self.keys[name] = key
        sessions = self.sessions(registry, vault)
        for method in ("venue/admin/record_evidence", "venue/admin/record_confirmation", "venue/admin/record_kyc"):
            sessions["Ann"].receive(message(method, EXAMPLES[method]), NOW)
        sessions["Ben"].receive(message("venue/admin/approve", {"number": 3}), NOW)
        registry.close()

    def sessions(self, registry, vault):
        context = Context(Authenticator(registry, vault), registry)
        sessions = {name: Session(context, sample_projection(), steady_ns=NOW) for name in self.keys}
        for name, key in self.keys.items():
            sessions[name].serves_officers = True
            login = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
            sessions[name].receive(message("public/auth", login), NOW)
        context.operation = sample_operation(registry.path.with_name("alerts.db"), lambda: ())
        return sessions

    def outcome(self, method, params):
        self.calls += 1
        here = self.folder / f"call{self.calls}"
        here.mkdir()
        for path in self.folder.glob("*.*"):
            shutil.copy(path, here)
        registry = Registry(here / "registry.db")
        if method == "venue/admin/suspend_affiliate":
            registry.add_intents([AFFILIATED], NOW)
        if method == "venue/admin/list_lapses":
            registry.add_intents([LAPSING], NOW)
        sessions = self.sessions(registry, Vault(here / "vault.key", registry))
        decides = method.endswith(("/approve", "/reject"))
        who = "sample" if method in OWN_STANDING else "Ben" if decides else "Ann"
        told = [value_of(action) for action in sessions[who].receive(message(method, params), NOW)]
        newest = sessions["Ben"].receive(message("venue/admin/list_changes", {"state": "all", "count": 1}), NOW)
        told += [value_of(action) for action in newest]
        registry.close()
        shutil.rmtree(here)
        return told


@pytest.fixture(scope="module")
def bureau(tmp_path_factory):
    return Bureau(tmp_path_factory.mktemp("bureau"))


@pytest.mark.parametrize("method, name", [case for case in CASES if is_office(case[0])])
def test_a_parameter_of_the_office_is_obeyed_or_refused_by_name(bureau, world, method, name):
    base = bureau.outcome(method, EXAMPLES[method])
    assert base == bureau.outcome(method, EXAMPLES[method]), "the same call has two outcomes"
    for value in candidates(world, method, name, fields_of(method)[name]):
        if bureau.outcome(method, {**EXAMPLES[method], name: value}) != base:
            return
    raise AssertionError(f"{name} of {method} changes nothing")


def test_what_is_ignored_is_declared():
    assert {*IGNORED, *ELSEWHERE} <= set(CASES) and all(IGNORED.values())
