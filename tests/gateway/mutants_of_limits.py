"""Ways to let one host take the venue from the others; see `mutants`."""

from tests.gateway.mutants import Mutant

TURNS, FLOW = "tests/gateway/sessions/test_query_turns.py", "tests/gateway/net/test_flow_control.py"
ORDER = "tests/gateway/net/test_order_of_answers.py"
LIMIT_MUTANTS = (
    Mutant(
        "what anonymous take is the clients'", "sessions/query_turns.py",
        "            self._shares[pool].spend(now_ns - begun_ns, now_ns)",
        "            self._shares[Pool.CLIENTS].spend(now_ns - begun_ns, now_ns)",
        f"{TURNS}::test_what_anonymous_take_is_not_the_clients",
    ),
    Mutant(
        "one owner's questions all come before the others'", "sessions/query_turns.py",
        "                    queue[owner] = waiters\n",
        "                    queue[owner] = waiters\n                    queue.move_to_end(owner, last=False)\n",
        f"{TURNS}::test_turns_go_round_the_owners_and_clients_come_first",
    ),
    Mutant(
        "orders wait as questions do", "sessions/session.py",
        "if route.writes in COME_FIRST and", "if route.writes in () and",
        f"{TURNS}::test_questions_wait_when_their_pool_has_no_time_and_orders_do_not",
    ),
    Mutant(
        "a large answer costs as much as a small one", "sessions/session.py",
        "            self.limits.queries.charge(steady_ns, tokens)\n", "",
        f"{TURNS}::test_the_answer_is_paid_for_by_its_size",
    ),
    Mutant(
        "a socket counts for ever when the loop has detached it", "net/listener.py",
        "        self._end()\n        return super().detach()", "        return super().detach()",
        f"{FLOW}::test_a_socket_counts_until_it_is_closed_by_whoever",
    ),
    Mutant(
        "who floods reads as much however many do", "net/fair_reads.py",
        "TURN_BYTES // count)) if count else READ_BYTES", "TURN_BYTES)) if count else READ_BYTES",
        "tests/gateway/net/test_fair_reads.py::"
        "test_floods_share_the_turn_and_each_of_them_goes_on_once_a_turn",
    ),
    Mutant(
        "anonymous readers hear everything whatever it costs", "net/websocket_connection.py",
        "if owed_ns > MOST_OWED_NS and", "if False and",
        f"{FLOW}::test_what_anonymous_readers_hear_is_their_pools_time_and_clients_hear_all",
    ),
    Mutant(
        "a connection that has ended holds itself", "net/websocket_connection.py",
        "        self._websocket = self.read_on = None\n", "",
        f"{FLOW}::test_a_connection_that_has_ended_leaves_nothing_for_the_collector",
    ),
    Mutant(
        "who waits for the venue is cut off like a slow client", "net/http_connection.py",
        "        if self._is_busy or self._held is not None:\n            self._wait(HANDSHAKE_SECONDS)",
        "        if False:\n            self._wait(HANDSHAKE_SECONDS)",
        "tests/gateway/net/test_http_connection.py::"
        "test_who_waits_for_the_venue_is_answered_however_long_it_takes[a turn]",
    ),
    Mutant(
        "a refusal overtakes the orders before it", "venue/sequencer.py",
        "        if self._count:\n            self._waiting.append((self._count, _READY",
        "        if False:\n            self._waiting.append((self._count, _READY",
        f"{ORDER}::test_a_refusal_by_the_gateway_keeps_its_place_among_orders",
    ),
    Mutant(
        "a goodbye ends the connection before what waits for the disk", "net/websocket_connection.py",
        "elif self._close_sent and not self._unsent_bytes:", "elif self._close_sent and not self._staged:",
        f"{ORDER}::test_a_close_comes_behind_all_answers_also_those_that_wait_for_the_disk",
    ),
)  # fmt: skip
