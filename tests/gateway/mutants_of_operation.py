"""Mutants of what operates a venue: who may act where, what pages may do, what is counted, and what is logged."""

from tests.gateway.mutants import Mutant

_BUILT = "tests/gateway/pages/test_built.py"
_LISTENER = "tests/gateway/net/test_operations_listener.py"
_HEADERS = "tests/gateway/net/test_headers.py"
_METRICS = "tests/gateway/net/test_metrics.py"
_LINES = "tests/gateway/wire/test_log_lines.py"
_STATE_AHEAD = "tests/gateway/venue/test_state_ahead.py"

OPERATION_MUTANTS = (
    Mutant(
        "memory is given to a venue that nobody uses", "venue/state_ahead.py",
        'self._state["orders_used"] >= FIRST_ORDERS', "True",
        f"{_STATE_AHEAD}::test_a_venue_in_use_has_the_memory_of_the_orders_to_come",
    ),
    Mutant(
        "more memory is given only when none is left", "venue/state_ahead.py", "used + ahead // 2", "used",
        f"{_STATE_AHEAD}::test_more_is_given_when_half_is_left_and_up_to_the_last_row",
    ),
    Mutant(
        "officers act over the public port",
        "net/server.py",
        "StaticAnswers(pages.terminal, document), False)",
        "StaticAnswers(pages.terminal, document), True)",
        f"{_LISTENER}::test_officers_act_at_their_own_port_alone",
    ),
    Mutant(
        "the page itself is kept for a year",
        "net/http_headers.py",
        "_LASTING if pages.is_hashed(path) else _STATIC",
        "_LASTING",
        f"{_BUILT}::test_what_has_its_hash_in_its_name_is_kept_for_ever_and_the_page_is_asked_for_again",
    ),
    Mutant(
        "who refuses gzip gets it",
        "net/static_answers.py",
        "_GZIP.fullmatch(part)",
        "_GZIP.match(part)",
        f"{_BUILT}::test_a_browser_that_takes_gzip_gets_it_with_a_tag_of_its_own",
    ),
    Mutant(
        "an origin that begins like the venue's own is its own",
        "wire/origins.py",
        "return not host or host != headers.get(\"host\")",
        "return not host or not host.startswith(headers.get(\"host\", \" \"))",
        f"{_HEADERS}::test_whose_page_asks",
    ),
    Mutant(
        "a request that cannot be served has its connection wait for ever",
        "net/http_connection.py",
        "call_soon(self._turns.guard, self, self._next)",
        "call_soon(self._next)",
        "tests/gateway/net/test_http_connection.py::test_a_connection_that_cannot_be_served_is_cut_and_told_once",
    ),
    Mutant(
        "a duration on a bound is counted below it",
        "venue/stage_times.py",
        'side="right"',
        'side="left"',
        f"{_METRICS}::test_a_histogram_counts_each_duration_once_in_its_bucket",
    ),
    Mutant(
        "a fault of history is not shown",
        "operations/folder_metrics.py",
        "bool(store.figures.fault or store.figures.index_fault)",
        "bool(store.figures.index_fault)",
        f"{_METRICS}::test_what_looks_after_the_folder_shows_how_far_it_has_come",
    ),
    Mutant(
        "what an error says is logged as it is",
        "wire/log_lines.py",
        "{type(following).__name__}: {masked(str(following))}",
        "{type(following).__name__}: {following}",
        f"{_LINES}::test_secrets_are_masked_wherever_they_stand",
    ),
    Mutant(
        "a total that is a guess is shown as one that is known",
        "commands/common.py",
        "is_guess=not total)",
        "is_guess=False)",
        "tests/recordings/test_commands.py::test_a_bar_shows_the_rate_and_what_is_left",
    ),
    Mutant(
        "a recording that is watched keeps no pace",
        "commands/replay_watch.py",
        "self.pace(time_ns)",
        "pass",
        "tests/recordings/test_pictures.py::test_watch_keeps_the_pace",
    ),
)
