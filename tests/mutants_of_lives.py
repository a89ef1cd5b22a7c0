"""Ways to follow order lives wrongly: see `mutants_of_checks`."""

from tests.mutants_of_checks import CheckMutant

SCENES = "tests/recordings/test_order_lives.py"

LIFE_MUTANTS = (
    CheckMutant(
        "a level taken out of turn is left as price-time priority leaves it",
        "recordings/order_follower.py",
        "        if not is_equal:\n            _correct(f, out, ladder, side, worst)\n",
        "",
        f"{SCENES}::test_an_order_taken_out_of_turn_is_told_and_its_level_entered_again",
    ),
    CheckMutant(
        "an order enters a book that waits to be uncrossed",
        "recordings/order_follower.py",
        "    if f.markets[order.contract].held or crosses(f, order.contract, order.side, order.price_ticks):\n",
        "    if crosses(f, order.contract, order.side, order.price_ticks):\n",
        f"{SCENES}::test_orders_that_cross_wait_until_the_book_is_uncrossed",
    ),
    CheckMutant(
        "a snapshot of level 3 forgets the messages between it and its line",
        "recordings/coinbase.py",
        "        later = [each for each in product.recent if each.sequence > message.sequence]\n",
        "        later = list(product.recent)[:0]\n",
        "tests/recordings/test_coinbase.py::test_a_snapshot_that_is_older_than_its_line",
    ),
    CheckMutant(
        "an order of Bitstamp that trades at once rests from the start",
        "recordings/bitstamp_live.py",
        "        is_taking = not event.price_ticks or not event.size_lots or self._takes(event)\n",
        "        is_taking = not event.price_ticks or not event.size_lots\n",
        "tests/recordings/test_bitstamp_live.py::test_the_book_and_the_executions_of_a_day",
    ),
    CheckMutant(
        "an exchange's day begins with the orders of the day before",
        "recordings/daily_files.py",
        "            if self.format in _BEGIN_EMPTY and self.contracts:\n                yield self._cleared()\n",
        "",
        "tests/recordings/test_daily_files.py::test_a_day_of_an_exchange_begins_with_empty_books",
    ),
    CheckMutant(
        "files of one day choose their ticks each for itself",
        "recordings/daily_files.py",
        "known=self.contracts",
        "known=tuple(self.contracts)",
        "tests/recordings/test_daily_files.py::test_files_of_one_day_have_the_tick_of_the_first_of_them",
    ),
    CheckMutant(
        "a file of a capture has other columns than the first",
        "recordings/joined_files.py",
        "        if found.strip() != first.strip():\n",
        "        if not found:\n",
        "tests/recordings/test_daily_files.py::test_an_error_names_the_file_and_its_own_line",
    ),
    CheckMutant(
        "levels of an event that goes on count as read",
        "recordings/price_levels.py",
        'int(rest["message"][0]) - 1 if len(rest) else block.read',
        "block.read",
        "tests/recordings/test_price_levels.py::"
        "test_messages_read_never_go_back_where_an_event_stands_across_the_end_of_a_block",
    ),
    CheckMutant(
        "a bad record costs all that was read and not taken",
        "recordings/byte_blocks.py",
        "self.data[self.at : self.at + size]",
        "self.data[self.at :][: self.at + size]",
        "tests/recordings/test_exchange_files.py::test_a_bad_record_that_is_left_out_costs_its_own_length",
    ),
    CheckMutant(
        "a day of tables begins with the orders of the day before",
        "recordings/daily_tables.py",
        "self.reader.is_export and ",
        "not self.reader.is_export and ",
        "tests/recordings/test_daily_files.py::test_the_days_of_an_export_begin_with_what_rests",
    ),
)
