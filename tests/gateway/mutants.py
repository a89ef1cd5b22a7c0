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

ONCE = "tests/gateway/client/test_once.py"
SHAPES = "tests/gateway/market_data/test_account_messages.py"
TOLD = "tests/gateway/read_model/test_reports.py"
SESSION = "tests/gateway/sessions/test_session.py"
RESUME = "tests/gateway/sessions/test_queries.py"
LOST = "tests/gateway/venue/test_cancel_on_disconnect.py"

CLIENT_MUTANTS = (
    Mutant(
        "what was heard before is heard again",
        "client/private_channels.py",
        "if channel in self._said and sequence > self._said[channel]:",
        "if channel in self._said:",
        ONCE,
    ),
    Mutant(
        "the client resumes before it subscribes",
        "client/client.py",
        "        answer = await self._subscribe(list(self._callbacks))\n",
        '        present = (await self._typed(_Resumed, "venue/resume")).sequence\n'
        "        for channels, after in self._private.missed():\n"
        "            await self._catch_up(channels, after, present)\n"
        "            self._private.caught_up(channels, present)\n"
        "        answer = await self._subscribe(list(self._callbacks))\n"
        "        answer.sequence = None\n",
        ONCE,
    ),
    Mutant(
        "what comes while it catches up is passed on at once",
        "client/private_channels.py",
        "if self._waiting is not None:",
        "if False:",
        ONCE,
    ),
    Mutant(
        "one channel's word counts for all",
        "client/private_channels.py",
        "max(said, self._latest_raw - 1)",
        "max(said, self._latest_raw)",
        ONCE,
    ),
    Mutant("half of a command counts as the whole", "client/private_channels.py", "if not more:", "if True:", ONCE),
    Mutant(
        "a memory of the last messages in place of a sequence",
        "client/private_channels.py",
        "        if channel in self._said and sequence > self._said[channel]:\n",
        "        known = self.__dict__.setdefault('known', [])\n"
        "        known.append((channel, sequence))\n"
        "        if channel in self._said and (channel, sequence) not in known[-11:-1]:\n",
        ONCE,
    ),
    Mutant(
        "a contract's channel by its name in the text",
        "market_data/account_messages.py",
        "return channel.contract_slot == report.contract_slot",
        "return projection.contract_at(channel.contract_slot).name.encode() in report.data",
        SHAPES,
    ),
    Mutant(
        "changes by the contract's name in the text",
        "market_data/account_messages.py",
        "if report.contract_slot == slot]",
        "if contract.name.encode() in report.data]",
        SHAPES,
    ),
    Mutant(
        "a raw channel of orders says arrays",
        "market_data/account_messages.py",
        'return data if channel.kind == "user.orders" and channel.interval == "raw" else [render.array(data)]',
        "return [render.array(data)]",
        SHAPES,
    ),
    Mutant(
        "who joins hears what was gathered before",
        "market_data/account_topics.py",
        "        self.flush()\n        super().join(reader)\n",
        "        super().join(reader)\n",
        SHAPES,
    ),
    Mutant(
        "an order's first state of a command counts",
        "read_model/reports.py",
        "last[seq, order_id] = (segment, place)",
        "last.setdefault((seq, order_id), (segment, place))",
        TOLD,
    ),
    Mutant("what is forgotten is not told", "read_model/reports.py", "self._floors.update(", "dict().update(", TOLD),
    Mutant("a resume from ahead is a success", "sessions/methods/venue.py", "sequence > present", "False", RESUME),
    Mutant("a resume from long ago is a part", "sessions/methods/venue.py", "if after < floor:", "if False:", RESUME),
    Mutant(
        "an unknown channel is left out in silence",
        "sessions/methods/session.py",
        'refused.append({"channel": name, "reason": str(error)})',
        "pass",
        SESSION,
    ),
    Mutant(
        "a key that may not trade fires cancel-on-disconnect",
        "sessions/state.py",
        'if "trade" in key.scopes and not self.http',
        "if not self.http",
        SESSION,
    ),
    Mutant(
        "a lost connection takes orders of others with it",
        "read_model/projection.py",
        "if connections[slot] == connection]",
        "]",
        LOST,
    ),
    Mutant(
        "plain orders do not say their connection",
        "plain_orders/order_reader.py",
        "work.account_slot, work.person, work.key, work.connection",
        "work.account_slot, work.person, work.key, 0",
        LOST,
    ),
)

MUTANTS = (*INDEX_MUTANTS, *CLIENT_MUTANTS)


def mutate(mutant: Mutant, package: Path) -> None:
    """Break the copy of the gateway in a folder; the text must be there exactly once."""
    path = package / mutant.file
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    path.write_text(source.replace(mutant.old, mutant.new))
