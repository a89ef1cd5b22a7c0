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
    Mutant(
        "a one-sided book has the price of its side",
        "index_feeds/adapter.py",
        "        if bid is None or ask is None or",
        "        if bid is None or ask is None:\n            return bid or ask\n        if",
        ALIVE,
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

CURRENCIES = "tests/gateway/sessions/test_currencies.py"
QUERIES = "tests/gateway/sessions/test_queries.py"
TRADING = "tests/gateway/sessions/test_trading.py"
CANDLES = "tests/gateway/read_model/test_candles.py"
PROJECTION = "tests/gateway/read_model/test_projection.py"
COSTS = "tests/gateway/read_model/test_cost_of_queries.py::test_an_explanation_reads_the_accounts_own_rows"

QUERY_MUTANTS = (
    Mutant(
        "a currency is the base too",
        "wire/currencies.py",
        "currency in (ANY, contract.settlement.upper())",
        "currency in (ANY, contract.settlement.upper(), contract.base.upper())",
        CURRENCIES,
    ),
    Mutant(
        "an unknown currency is empty", "wire/currencies.py", "    if upper in CURRENCIES or (", "    if (", CURRENCIES
    ),
    Mutant(
        "an unknown kind is empty",
        "wire/currencies.py",
        "if kind is not None and kind not in KINDS:",
        "if kind is None and kind not in KINDS:",
        CURRENCIES,
    ),
    Mutant(
        "the log stamps USDC money as what was asked for",
        "sessions/methods/account.py",
        "    if not contracts_of(call.projection, currency):\n",
        "    if not call.projection.contracts():\n",
        CURRENCIES,
    ),
    Mutant(
        "a channel of a base currency hears contracts settled in another",
        "market_data/account_topics.py",
        "        return settled_in(contract, channel.currency)\n",
        "        return settled_in(contract, channel.currency) or channel.currency == contract.base\n",
        "tests/gateway/market_data/test_account_channels.py",
    ),
    Mutant(
        "size_currency is the value of the position",
        "read_model/render.py",
        "SIDE[side], size, size,\n",
        "SIDE[side], size, micros_text(contract.notional_micros(view.mark_subticks, view.size_lots)).encode(),\n",
        QUERIES,
    ),
    Mutant(
        "a start of trades is not where they begin",
        "sessions/methods/common.py",
        'params.sorting == "asc" or (has_start and params.sorting != "desc")',
        'params.sorting == "asc"',
        QUERIES,
    ),
    Mutant(
        "the id of the first trade is ignored",
        "sessions/methods/queries.py",
        "if start is not None:",
        "if False:",
        QUERIES,
    ),
    Mutant(
        "the id of the last trade is ignored",
        "sessions/methods/queries.py",
        "if end is not None:",
        "if False:",
        QUERIES,
    ),
    Mutant(
        "old orders come unasked",
        "sessions/methods/queries.py",
        "0 if params.include_old else call.now_ns - OLD_ORDER_NS",
        "0",
        QUERIES,
    ),
    Mutant(
        "unfilled orders come unasked",
        "sessions/methods/queries.py",
        "params.include_unfilled is True",
        "True",
        QUERIES,
    ),
    Mutant(
        "unfilled orders take places of the page",
        "read_model/projection.py",
        'in slots and (with_unfilled or row["filled_lots"])',
        "in slots",
        PROJECTION,
    ),
    Mutant(
        "the log is filtered after its page is cut",
        "read_model/projection.py",
        "            if not is_wanted(view):\n                continue\n            if len(found) == span.count:\n"
        "                return found, number\n            found.append(view)\n",
        "            if len(found) == span.count:\n"
        "                return [view for view in found if is_wanted(view)], number\n            found.append(view)\n",
        PROJECTION,
    ),
    Mutant(
        "the last settled rate is the running one",
        "read_model/projection.py",
        "running.rate_ppb,\n",
        'int(row["funding_rate_ppb"]),\n',
        PROJECTION,
    ),
    Mutant(
        "a past period without a settlement has the running rate",
        "sessions/methods/market.py",
        "if not rows and end_ns >= call.projection.funding_start_ns(contract.slot):",
        "if not rows:",
        QUERIES,
    ),
    Mutant(
        "the day is kept although a minute was added",
        "read_model/candles.py",
        "known = minute_ns, len(self._minutes[contract_slot])",
        "known = minute_ns, 0",
        CANDLES,
    ),
    Mutant(
        "a window begins with its first trade",
        "read_model/candles.py",
        "close_ticks = self._close_before(contract_slot, first_ns, running)",
        "close_ticks = 0",
        CANDLES,
    ),
    Mutant(
        "a window ends with its last trade",
        "read_model/candles.py",
        "return merged + _flat(close_ticks, next_ns, min(end_ns, now_ns) + 1, step_ns)",
        "return merged",
        CANDLES,
    ),
    Mutant(
        "a position is closed with one order, however large",
        "sessions/methods/closing.py",
        "    most = max(most // step * step, smallest)\n",
        "    most = lots\n",
        TRADING,
    ),
    Mutant(
        "a closing below the smallest order is left as it is",
        "sessions/methods/closing.py",
        "[max(rest, smallest)]",
        "[rest]",
        TRADING,
    ),
    Mutant(
        "a detailed cancel answers how many",
        "sessions/methods/mass_cancels.py",
        "        if not self.detailed:\n",
        "        if self.detailed:\n",
        TRADING,
    ),
    Mutant(
        "an explanation walks every position of the venue",
        "read_model/margin_explanation.py",
        "sorted(position_slots(root, account_slot))",
        '[at for at in range(int(state["positions_used"])) if state["positions"][at]["account_slot"] == account_slot]',
        COSTS,
    ),
    Mutant(
        "a login's scope is ignored",
        "registry/login_scope.py",
        "    if narrows and more:\n",
        "    if False:\n",
        "tests/gateway/registry/test_login_scope.py",
    ),
)

MUTANTS = (*INDEX_MUTANTS, *QUERY_MUTANTS)


def mutate(mutant: Mutant, package: Path) -> None:
    """Break the copy of the gateway in a folder; the text must be there exactly once."""
    path = package / mutant.file
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    path.write_text(source.replace(mutant.old, mutant.new))
