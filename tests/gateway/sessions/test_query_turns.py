"""Whose turn it is: shares of time, fairness between owners, slices of large answers, and orders first."""

import pytest

from gateway.sessions import slices
from gateway.sessions.actions import Later, Reply, Rest, Submit
from gateway.sessions.query_turns import SHARES, Pool, QueryTurns
from gateway.sessions.rate_limits import RateLimits
from gateway.sessions.session import LONGEST_WAIT_NS, REST_NS
from gateway.sessions.slices import SLICE_ROWS, Slices
from tests.gateway.desk import BTC, MS, NOW, Desk, answer, order, own_trade, send

CONTRACT = BTC.name
CLIENTS, ANONYMOUS = Pool.CLIENTS, Pool.ANONYMOUS


class Steady:
    """A clock that moves when it is told to, and by `step_ns` each time it is read."""

    def __init__(self):
        self.now_ns, self.step_ns = 10**12, 0

    def __call__(self):
        self.now_ns += self.step_ns
        return self.now_ns


@pytest.fixture
def clock():
    return Steady()


@pytest.fixture
def turns(clock):
    return QueryTurns(clock)


def spend(turns, clock, pool, spent_ns):
    begun_ns = turns.now_ns()
    clock.now_ns += spent_ns
    turns.spent(pool, begun_ns)


@pytest.mark.parametrize("pool", Pool)
def test_a_pool_has_its_share_of_the_time_and_no_more(turns, clock, pool):
    percent, burst_ns = SHARES[pool]
    begun_ns, served_ns = clock.now_ns, 0
    while clock.now_ns - begun_ns < 10**9:
        if turns.is_open(pool):
            spend(turns, clock, pool, 100_000)
            served_ns += 100_000
        else:
            clock.now_ns += 10_000
    assert served_ns <= burst_ns + 10**9 * percent // 100 + 100_000
    assert served_ns >= 10**9 * percent // 110


def test_what_anonymous_take_is_not_the_clients(turns, clock):
    for _ in range(50):
        spend(turns, clock, ANONYMOUS, 5 * MS)
    assert turns.is_open(CLIENTS) and not turns.is_open(ANONYMOUS)


def test_what_the_machine_did_meanwhile_is_charged_up_to_a_bound(turns, clock):
    spend(turns, clock, ANONYMOUS, 10**10)
    turns.add(ANONYMOUS, "a", ("one", None))
    assert 0 < turns.wait_ns() <= 5 * 5 * MS


def test_turns_go_round_the_owners_and_clients_come_first(turns):
    for number in range(3):
        turns.add(ANONYMOUS, "many", (f"many {number}", None))
    turns.add(ANONYMOUS, "one", ("one", None))
    turns.add(CLIENTS, 7, ("client", None))
    assert not turns.is_open(ANONYMOUS) and not turns.is_open(CLIENTS)  # nobody overtakes who waits
    order = []
    while (found := turns.take()) is not None:
        order.append(found[0])
    assert order == ["client", "many 0", "one", "many 1", "many 2"]
    assert (turns.waiting, turns.most_waiting, turns.served_late) == (0, 5, 5)
    assert turns.is_open(ANONYMOUS)


def test_without_time_nobody_has_a_turn(turns, clock):
    spend(turns, clock, ANONYMOUS, 2 * MS)
    turns.add(ANONYMOUS, "a", ("one", None))
    assert turns.take() is None
    clock.now_ns += turns.wait_ns()
    assert turns.take() == ("one", None)


# --- slices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, SLICE_ROWS - 1, SLICE_ROWS, SLICE_ROWS + 1, 3 * SLICE_ROWS])
def test_an_answer_in_slices_is_the_whole_one(rows):
    rendered = []

    def render():
        for number in range(rows):
            rendered.append(number)
            yield b"%d" % number

    parts, made = Slices(b'{"rows":', render(), lambda: b',"count":%d}' % len(rendered)), None
    while made is None:
        before = len(rendered)
        made = parts.advance(lambda: 0)
        assert len(rendered) - before <= SLICE_ROWS
    numbers = b",".join(b"%d" % number for number in range(rows))
    assert b"".join(made) == b'{"rows":[%b],"count":%d}' % (numbers, rows) and parts.rows == rows
    assert b"".join(slices.trades(iter([b"1"]), lambda: True).whole()) == b'{"trades":[1],"has_more":true}'


def test_rows_that_take_long_to_read_are_fewer_in_a_slice(clock):
    """Another client waits for a row and a time, not for sixteen blocks of the history to be read."""

    def render():
        for number in range(10):
            clock.now_ns += slices.SLICE_NS // 2 - number % 2
            yield b"%d" % number

    parts, turns_ns, made = Slices(b"", render(), b""), [], None
    while made is None:
        begun_ns = clock.now_ns
        made = parts.advance(lambda: clock.now_ns)
        turns_ns.append(clock.now_ns - begun_ns)
    assert b"".join(made) == b"[0,1,2,3,4,5,6,7,8,9]" and parts.rows == 10
    assert len(turns_ns) > 3 and max(turns_ns) < 2 * slices.SLICE_NS


# --- sessions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path, turns):
    made = Desk(tmp_path, turns=turns)
    made.rows.own_trades = [own_trade(trade_id) for trade_id in range(1, 41)]
    yield made
    made.registry.close()


def finish(actions):
    """Serve what comes later until the answer is there: (the answer, how many turns it took)."""
    served = 0
    while isinstance(actions[0], Later):
        actions = actions[0].go_on(NOW)
        served += 1
    return answer(actions), served


def test_a_large_answer_takes_several_turns_and_a_small_one_none(desk, clock):
    alice = desk.session("alice")
    trades, served = finish(send(alice, "private/get_user_trades_by_instrument", instrument_name=CONTRACT, count=1000))
    assert len(trades["result"]["trades"]) == 40 and served == 2
    few, served = finish(send(alice, "private/get_user_trades_by_instrument", instrument_name=CONTRACT, count=5))
    assert len(few["result"]["trades"]) == 5 and served == 0


def test_questions_wait_when_their_pool_has_no_time_and_orders_do_not(desk, turns, clock):
    alice = desk.session("alice")
    spend(turns, clock, CLIENTS, 5 * MS)
    [later] = send(alice, "public/get_time")
    assert isinstance(later, Later) and (later.pool, later.owner) == (CLIENTS, alice.account_slot)
    [first] = send(alice, "private/buy", instrument_name=CONTRACT, amount=1, price=5)
    [second] = send(alice, "private/cancel_all")
    assert isinstance(first, Submit) and isinstance(second, Submit)
    assert "result" in answer(later.go_on(NOW))
    [anonymous] = send(desk.session(), "public/get_time")
    assert isinstance(anonymous, Reply)


def test_who_has_waited_too_long_is_told_so(desk, turns, clock):
    spend(turns, clock, ANONYMOUS, 5 * MS)
    [later] = send(desk.session(), "public/get_time")
    clock.now_ns += LONGEST_WAIT_NS + 1
    error = answer(later.go_on(NOW))["error"]
    assert (error["code"], error["data"]["wait_ms"]) == (10028, LONGEST_WAIT_NS // MS)


def test_who_asks_on_over_the_limit_has_a_rest(tmp_path, turns):
    desk = Desk(tmp_path, turns=turns, limits=RateLimits(anonymous_per_s=10, anonymous_burst=1))
    session = desk.session()
    assert "result" in answer(send(session, "public/get_time"))
    refused, rest = send(session, "public/get_time")
    assert answer([refused])["error"]["code"] == 10028
    assert isinstance(rest, Rest) and rest.rest_ns == REST_NS
    desk.registry.close()


def test_orders_over_their_limit_are_refused_out_of_the_clients_time(tmp_path, turns, clock):
    desk = Desk(tmp_path, turns=turns, limits=RateLimits(orders_per_s=1, orders_burst=1))
    alice = desk.session("alice")
    place = {"instrument_name": CONTRACT, "amount": 1, "price": 5}
    assert isinstance(send(alice, "private/buy", **place)[0], Submit)
    clock.step_ns = 2 * MS
    assert answer(send(alice, "private/buy", **place))["error"]["code"] == 10028
    assert isinstance(send(alice, "private/buy", **place)[0], Later)
    desk.registry.close()


def test_the_answer_is_paid_for_by_its_size(desk):
    alice = desk.session("alice")
    desk.rows.orders = {number: order(number) for number in range(1, 200)}
    before = alice.limits.queries.full_ns
    reply, _ = finish(send(alice, "private/get_open_orders"))
    tokens = max(len(str(reply["result"])) // 4096, len(reply["result"]) // 16)
    spent = (alice.limits.queries.full_ns - max(before, NOW)) // alice.limits.queries.cost_ns
    assert len(reply["result"]) == 199 and spent >= 1 + tokens // 2


def test_a_wrong_signature_costs_the_address_a_login(tmp_path):
    from gateway.sessions.http_calls import HttpCall, http

    desk = Desk(tmp_path, limits=RateLimits(logins_per_s=1, logins_burst=2))
    call = HttpCall("GET", "/api/v2/private/get_positions", {"authorization": "Bearer nonsense"}, b"", "10.0.0.1")
    codes = [answer(http(desk.context, desk.rows, call, NOW))["error"]["code"] for _ in range(3)]
    assert codes[:2] != [10028, 10028] and codes[2] == 10028
    other = HttpCall(call.verb, call.target, call.headers, b"", "10.0.0.2")
    assert answer(http(desk.context, desk.rows, other, NOW))["error"]["code"] == codes[0]
    desk.registry.close()
