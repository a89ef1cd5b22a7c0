"""Ways to break the gateway, each as a patch of one place, and the tests that must notice each of them.

To add one: a name that says what goes wrong, the file inside `gateway/`, the text that is there exactly once, what it
becomes, and the test file (or `file::test`) that must fail. Choose a test of seconds: nothing else is run.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One break: in a file of the gateway, one place of a text becomes another, and one test must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


SOURCES = "tests/gateway/index_feeds/test_sources.py"
ALIVE = "tests/gateway/index_feeds/test_alive_books.py"
INSTANTS = "tests/gateway/index_feeds/test_instants.py"

INDEX_MUTANTS = (
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
        INSTANTS,
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
        "            self.renew_silent(now_ns)\n",
        "",
        SOURCES,
    ),
)

MUTANTS = (*INDEX_MUTANTS,)


def mutate(mutant: Mutant, package: Path) -> None:
    """Break the copy of the gateway in a folder; the text must be there exactly once."""
    path = package / mutant.file
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    path.write_text(source.replace(mutant.old, mutant.new))
