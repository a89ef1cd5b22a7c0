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
        "market_data/account_messages.py",
        "        return channel.currency == ANY\n    return settled_in",
        "        return channel.currency == ANY\n"
        "    return channel.currency == projection.contract_at(report.contract_slot).base or settled_in",
        "tests/gateway/market_data/test_account_channels.py",
    ),
    Mutant(
        "money is told in a currency without business",
        "market_data/account_topics.py",
        "            if settled_in(contract, channel.currency):\n                view",
        "            if channel.currency in (contract.base, contract.settlement):\n                view",
        "tests/gateway/market_data/test_account_channels.py::test_money_in_a_currency_without_business_says_nothing",
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
        "read_model/history.py",
        "if self.is_filled:",
        "if False:",
        f"{PROJECTION}::test_a_page_of_the_history_is_cut_from_what_is_asked_for",
    ),
    Mutant(
        "the log is filtered after its page is cut",
        "read_model/projection.py",
        "            if not is_wanted(view):\n                continue\n            if len(found) == span.count:\n"
        "                return found, number\n            found.append(view)\n",
        "            if len(found) == span.count:\n"
        "                return [view for view in found if is_wanted(view)], number\n            found.append(view)\n",
        f"{PROJECTION}::test_a_page_of_the_history_is_cut_from_what_is_asked_for",
    ),
    Mutant(
        "the last settled rate is the running one",
        "read_model/projection.py",
        "running.rate_ppb,\n",
        'int(row["funding_rate_ppb"]),\n',
        f"{PROJECTION}::test_the_ticker_has_the_rate_of_the_running_interval",
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
        "known = minute_ns, self.series.count(contract_slot)",
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
        "a period has the mark of its beginning",
        "read_model/reference_prices.py",
        'np.searchsorted(minutes["time_ns"], begins + step_ns) - 1',
        'np.searchsorted(minutes["time_ns"], begins + 1) - 1',
        "tests/gateway/read_model/test_reference_prices.py",
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
        f"{TRADING}::test_a_position_is_closed_in_orders_of_sizes_that_are_taken",
    ),
    Mutant(
        "a closing below the smallest order is left as it is",
        "sessions/methods/closing.py",
        "[max(rest, smallest)]",
        "[rest]",
        f"{TRADING}::test_a_position_is_closed_in_orders_of_sizes_that_are_taken",
    ),
    Mutant(
        "a detailed cancel answers how many",
        "sessions/methods/mass_cancels.py",
        "        if not self.detailed:\n",
        "        if self.detailed:\n",
        f"{TRADING}::test_a_detailed_cancel_answers_the_orders",
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

SWEEPS = "tests/gateway/venue/test_sweeps.py"
OUTCOMES = "tests/gateway/commands/test_outcomes.py"
TRADE = "tests/gateway/commands/test_trade.py"

PEOPLE_MUTANTS = (
    Mutant(
        "the end of a sweep is noted before it is durable", "venue/sweeps.py", "if end_seq <= durable_seq", "if True",
        f"{SWEEPS}::test_an_end_is_not_noted_before_it_is_durable",
    ),
    Mutant(
        "a crash forgets what a sweep took", "venue/sweeps.py",
        'self._under_way.update((seq, seq + 1) for seq in rows["seq"].tolist())', "pass",
        f"{SWEEPS}::test_a_crash_does_not_forget_the_number",
    ),
    Mutant(
        "a stop forgets what a sweep takes", "venue/venue.py", "for seq, kind in self.registry.unfinished_sweeps():",
        "for seq, kind in ():", f"{SWEEPS}::test_a_stop_in_the_middle_does_not_forget_the_number",
    ),
    Mutant(
        "a change is answered before it is carried out", "commands/outcomes.py",
        "if not outcome.is_final and is_running(folder):", "if False:",
        f"{OUTCOMES}::test_a_state_of_a_contract_that_keeps_orders_speaks_of_none",
    ),
    Mutant(
        "a part of a change counts as the whole", "office/outcomes.py", "len(seqs) < len(found)", "not seqs",
        f"{OUTCOMES}::test_a_venue_that_does_not_get_to_it_is_not_taken_for_done",
    ),
    Mutant(
        "a take order fires like a stop", "commands/trade_tables.py", '!= row["order_type"].startswith("take")', "",
        f"{TRADE}::test_a_condition_is_a_comparison_that_points_the_right_way",
    ),
    Mutant(
        "an action's options forget those before it", "commands/connection.py",
        "argparse.SUPPRESS if is_action else value", "value",
        f"{TRADE}::test_options_stand_before_or_after_the_action_and_the_later_ones_win",
    ),
    Mutant(
        "the environment's secret wins over a file", "commands/connection.py",
        'secret = "" if file else os.environ.get("LIONROCK_SECRET", "")',
        'secret = os.environ.get("LIONROCK_SECRET", "")',
        f"{TRADE}::test_a_secret_comes_from_a_file_or_the_environment",
    ),
)  # fmt: skip

CLOSING = "tests/gateway/venue/test_closing_live.py"
REFUSALS = "tests/gateway/audit_trail/test_refusals.py"

ANSWER_MUTANTS = (
    Mutant(
        "a refusal names another limit than the one it met",
        "audit_trail/refusals_of_form.py",
        'case.amount(int(case.row["max_order_lots"]))',
        'case.amount(int(case.row["max_position_lots"]))',
        f"{REFUSALS}::test_the_words",
    ),
    Mutant(
        "what would pass is one tick too far",
        "audit_trail/refusals_of_orders.py",
        '(best - 1, "ask") if case.buys else (best + 1, "bid")',
        '(best, "ask") if case.buys else (best, "bid")',
        REFUSALS,
    ),
    Mutant(
        "a refused order is not told how much only closes",
        "audit_trail/refusal_case.py",
        '        return held - others - self["position_reduce_only_lots"]\n',
        "        return held - others\n",
        f"{CLOSING}::test_more_than_the_position_is_refused_with_what_would_pass",
    ),
    Mutant(
        "a refusal's figures do not reach the wire",
        "venue/sequencer.py",
        "            outcome.why = why(",
        "            why(",
        f"{CLOSING}::test_more_than_the_position_is_refused_with_what_would_pass",
    ),
    Mutant(
        "a message without an id is served",
        "sessions/jsonrpc_requests.py",
        "    if request.id is None:\n",
        "    if False:\n",
        f"{CLOSING}::test_an_id_is_asked_of_every_request_on_a_socket",
    ),
    Mutant(
        "an order that waits to be sent at the market has a price of 0",
        "read_model/render.py",
        "view.ord_type <= TYPE_LIMIT or view.triggered",
        "view.ord_type > 0",
        f"{TRADING}::test_conditional_and_ended_orders_say_so",
    ),
    Mutant(
        "a repeat of a flag in an edit is refused where the venue changed it",
        "sessions/methods/trading.py",
        "        of_its_own = ",
        "        of_its_own = False and ",
        f"{CLOSING}::test_what_the_venue_made_reduce_only_can_be_edited_as_what_the_client_sent",
    ),
)

ONCE = "tests/gateway/client/test_once.py"
SHAPES = "tests/gateway/market_data/test_account_channels.py"
TOLD = "tests/gateway/read_model/test_reports.py"
SESSION = "tests/gateway/sessions/test_session.py"
LOST = "tests/gateway/venue/test_cancel_on_disconnect.py"

CLIENT_MUTANTS = (
    Mutant(
        "a connection that fell silent is taken for a quiet market",
        "client/client.py",
        "enable_auto_ping=True",
        "enable_auto_ping=False",
        "tests/gateway/client/test_once_live.py::test_a_connection_that_fell_silent_is_noticed_and_nothing_is_missed",
    ),
    Mutant(
        "what was heard before is heard again",
        "client/private_channels.py",
        "if channel in self._said and sequence > self._said[channel]:",
        "if channel in self._said:",
        f"{ONCE}::test_cut_at_every_message",
    ),
    Mutant(
        "the client resumes before it subscribes",
        "client/subscriptions.py",
        "        answer = await self._subscribe(list(self._callbacks))\n",
        '        present = RESUMED.decode((await self._ask("venue/resume", {})).result).sequence\n'
        "        for channels, after in self._private.missed():\n"
        "            await self._catch_up(channels, after, present)\n"
        "            self._private.caught_up(channels, present)\n"
        "        answer = await self._subscribe(list(self._callbacks))\n"
        "        answer.sequence = None\n",
        f"{ONCE}::test_cut_at_every_message",
    ),
    Mutant(
        "what comes while it catches up is passed on at once",
        "client/private_channels.py",
        "if self._waiting is not None:",
        "if False:",
        f"{ONCE}::test_cut_at_every_message",
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
    Mutant(
        "what is forgotten is not told",
        "read_model/reports.py",
        "self._floors[accounts[owned]] = seqs[owned]",
        "assert len(accounts) == len(seqs)",
        TOLD,
    ),
    Mutant("a resume from ahead is a success", "sessions/methods/venue.py", "sequence > present", "False", QUERIES),
    Mutant("a resume from long ago is a part", "sessions/methods/venue.py", "if after < floor:", "if False:", QUERIES),
    Mutant(
        "an unknown channel is left out in silence",
        "sessions/methods/session.py",
        'refused.append({"channel": name, "reason": str(error)})',
        "pass",
        f"{SESSION}::test_subscriptions_are_answered_then_joined",
    ),
    Mutant(
        "a key that may not trade fires cancel-on-disconnect",
        "sessions/state.py",
        'return begins and "trade" in key.scopes and not self.http',
        "return begins and not self.http",
        f"{SESSION}::test_a_key_that_may_not_trade_neither_sets_nor_fires_it",
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
        f"{LOST}::test_only_orders_made_over_the_lost_connection_go",
    ),
)

SPELLED = "tests/gateway/sessions/test_jsonrpc.py"
PLACED = "tests/gateway/sessions/test_trading.py"
MONEY = "tests/gateway/read_model/test_money_records.py"
KINDS = "tests/gateway/market_data/test_kind_channels.py"
HTTP_CALLS = "tests/gateway/sessions/test_http_calls.py"

PEER_MUTANTS = (
    Mutant(
        "an order signed twice is taken twice", "sessions/http_calls.py",
        'METHODS[name].scope == "read" or (', 'METHODS[name].scope in ("read", "trade") or (',
        HTTP_CALLS,
    ),
    Mutant(
        "a cancel by the client's own id may be replayed", "sessions/http_calls.py",
        ' and request.params.order_id is not None', "", HTTP_CALLS,
    ),
    Mutant(
        "equal questions of one millisecond are replays", "sessions/http_calls.py",
        'METHODS[name].scope == "read" or (', '(',
        HTTP_CALLS,
    ),
    Mutant(
        "no call at the endpoint alone", "sessions/http_calls.py", "path == ENDPOINT or ", "",
        f"{HTTP_CALLS}::test_a_whole_request_is_posted_to_the_endpoint_and_signed_over_its_path",
    ),
    Mutant("a flag in quotes", "sessions/jsonrpc_requests.py", " and not quoted:", ":", SPELLED),
    Mutant(
        "any number is an id", "sessions/methods/trading.py", "0 < client_id <= INT64_MAX", "client_id",
        f"{PLACED}::test_a_client_order_id_that_is_no_id_of_ours_is_the_label",
    ),
    Mutant(
        "another key's token", "sessions/session.py", "key.id != self.key.id", "False",
        f"{SESSION}::test_a_token_that_comes_with_an_order_is_the_logins_own",
    ),
    Mutant(
        "the order to end a contract is its end", "read_model/event_fold.py",
        "delivered = delivered and notice.price_subticks > 0", "delivered = delivered and True",
        f"{MONEY}::test_the_price_of_a_delivery_is_kept",
    ),
    Mutant(
        "who was slow hears trades twice", "market_data/public_topics.py",
        "Span(first_place=mark, count=MISSED_TRADES)", "Span(count=MISSED_TRADES)", KINDS,
    ),
)  # fmt: skip

REFUSALS = "tests/gateway/audit_trail/test_refusals.py"
HISTORIES = "tests/gateway/sessions/test_histories.py"
CLOSING = "tests/gateway/venue/test_closing_live.py"

COST_MUTANTS = (
    Mutant(
        "less of what cannot close is said to close", "audit_trail/refusals_of_orders.py",
        ' or case["order_lots"] <= closable', "",
        f"{REFUSALS}::test_a_closing_order_that_costs_more_than_there_is_says_so",
    ),
    Mutant(
        "an amended order's remedy forgets what is filled", "audit_trail/refusal_case.py",
        "self.steps(self.filled_lots + open_lots)", "self.steps(open_lots)",
        f"{REFUSALS}::test_what_an_amended_order_has_filled_counts_in_the_amount_that_would_pass",
    ),
    Mutant(
        "a flood of refusals gets figures", "venue/sequencer.py", "self._to_explain -= 1", "pass",
        f"{CLOSING}::test_a_flood_of_refusals_is_answered_without_figures_from_some_on",
    ),
    Mutant(
        "who is gone keeps what the venue made reduce-only", "sessions/dead_mans_switch.py",
        " or order.flags & FLAG_MADE_REDUCE_ONLY", "", CLOSING,
    ),
    Mutant(
        "a label's closed orders have no bound", "sessions/methods/account_records.py",
        "span = Span(count=MAX_COUNT)", "span = Span(count=1 << 31)",
        f"{HISTORIES}::test_orders_of_a_label_are_the_open_ones_and_the_latest_closed",
    ),
    Mutant(
        "limit orders are read for conditional ones", "read_model/history.py",
        'orders["ord_type"][places] > OrdType.LIMIT', 'orders["ord_type"][places] > -1',
        f"{HISTORIES}::test_conditional_orders_that_ended_come_page_by_page_and_none_is_lost_or_told_twice",
    ),
)  # fmt: skip

MUTANTS = (
    *QUERY_MUTANTS, *PEOPLE_MUTANTS, *ANSWER_MUTANTS, *CLIENT_MUTANTS, *PEER_MUTANTS, *COST_MUTANTS,
)  # fmt: skip


def broken(mutant: Mutant, package: Path) -> str:
    """The text of a mutant's file in a folder with its break; the place must be there exactly once."""
    source = (package / mutant.file).read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    return source.replace(mutant.old, mutant.new)
