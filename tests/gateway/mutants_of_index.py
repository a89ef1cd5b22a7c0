"""Mutants of the index: its sources, the books that are alive, and the scripted walk."""

from tests.gateway.mutants import Mutant

SOURCES = "tests/gateway/index_feeds/test_sources.py"
ALIVE = "tests/gateway/index_feeds/test_alive_books.py"
INSTANTS = "tests/gateway/index_feeds/test_instants.py"
WALK = "tests/gateway/index_feeds/test_scripted_walk.py"

INDEX_MUTANTS = (
    Mutant(
        "a scripted index is always drawn back to its start at once",
        "index_feeds/scripted.py",
        "PULL = 0.000002",
        "PULL = 0.01",
        f"{WALK}::test_days_wander_by_some_per_cent_and_volatility_comes_in_clusters",
    ),
    Mutant(
        "many steps at once are one long one",
        "index_feeds/scripted.py",
        "STEP * spread *",
        "STEP * count *",
        f"{WALK}::test_many_steps_at_once_wander_as_far_as_one_after_the_other",
    ),
    Mutant(
        "a one-sided book has the price of its side",
        "index_feeds/adapter.py",
        "        if bid is None or ask is None or",
        "        if bid is None or ask is None:\n            return bid or ask\n        if",
        f"{ALIVE}::test_rows_are_of_live_books_only_and_carry_the_time_of_their_last_message",
    ),
    Mutant(
        "a book may begin with an update",
        "index_feeds/adapter.py",
        '            raise DesyncError(f"{self.name}: {pair}: an update before the snapshot", pair)\n',
        "            self.books[pair] = Book()\n",
        SOURCES,
    ),
    Mutant("a crossed book has a price", "index_feeds/adapter.py", "bid >= ask or", "", ALIVE),
    Mutant("a wide book has a price", "index_feeds/adapter.py", "(bid + ask) / 2 * MAX_SPREAD", "(bid + ask)", ALIVE),
    Mutant(
        "a book without a price keeps its last one",
        "index_feeds/source_connection.py",
        "        self.outliers += quote.price is not None\n        self._prices.pop(quote.pair, None)\n",
        "        self.outliers += quote.price is not None\n",
        ALIVE,
    ),
    Mutant(
        "a silent pair lives on while others talk",
        "index_feeds/source_connection.py",
        "now_ns - found.time_ns > STALE_NS",
        "now_ns - self._heard_ns > STALE_NS",
        ALIVE,
    ),
    Mutant(
        "a price is stamped with the time of its row",
        "index_feeds/index_publisher.py",
        "price.time_ns))",
        "now_ns))",
        f"{INSTANTS}::test_the_engine_hears_the_time_of_the_message_not_of_the_row",
    ),
    Mutant(
        "prices outlive their connection",
        "index_feeds/source_connection.py",
        "        self._transport = None\n        self._prices.clear()\n",
        "        self._transport = None\n",
        ALIVE,
    ),
    Mutant(
        "books outlive their connection",
        "index_feeds/source_connection.py",
        "        self.adapter.reset()\n",
        "",
        ALIVE,
    ),
    Mutant(
        "a gap leaves the price",
        "index_feeds/source_connection.py",
        "        self._prices.pop(error.pair, None)\n",
        "",
        ALIVE,
    ),
    Mutant(
        "a gap leaves the book",
        "index_feeds/adapter.py",
        "                self.books.pop(error.pair, None)\n",
        "                pass\n",
        ALIVE,
    ),
    Mutant("OKX's numbers are not looked at", "index_feeds/okx.py", "previous != book.sequence", "False", ALIVE),
    Mutant("a checksum of 0 is a check", "index_feeds/okx.py", "sequence is None and expected == 0", "False", ALIVE),
    Mutant(
        "Kraken's checksum may be missing", "index_feeds/kraken.py", "not is_snapshot and expected == 0", "False", ALIVE
    ),
    Mutant("Coinbase's numbers are not looked at", "index_feeds/coinbase.py", "sequence != before + 1", "False", ALIVE),
    Mutant(
        "a silent pair is never asked for again",
        "index_feeds/source_connection.py",
        "            self.renew_silent(steady_ns)\n",
        "",
        f"{SOURCES}::test_a_pair_that_is_silent_on_a_live_connection_is_asked_for_again",
    ),
)
