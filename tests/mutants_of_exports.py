"""Ways to tell another book than the engine's: see `mutants_of_checks`."""

from tests.mutants_of_checks import CheckMutant

REPORTS = "tests/recordings/test_report_stream.py"
SCENES = "tests/recordings/test_book_changes.py"

EXPORT_MUTANTS = (
    CheckMutant(
        "an iceberg's next part keeps its place",
        "recordings/out/book_changes.py",
        "    book.numbers[_ARRIVALS] += 1\n",
        "    book.numbers[_ARRIVALS] += event.kind != _REFILLED\n",
        f"{SCENES}::test_an_iceberg_shows_its_parts_and_comes_back_behind_the_queue",
    ),
    CheckMutant(
        "an amended order leaves its new price",
        "recordings/out/book_changes.py",
        "    less = -_move(book, change, order.price_ticks, event.level_lots, levels)\n",
        "    less = -_move(book, change, event.price_ticks, event.level_lots, levels)\n",
        f"{SCENES}::test_an_order_that_is_amended_afresh_leaves_its_old_price",
    ),
    CheckMutant(
        "the text of reports is full before anybody looks",
        "recordings/checked_run.py",
        "    if work.is_reported:\n        room = min(",
        "    if work.is_told:\n        room = min(",
        f"{REPORTS}::test_reports_do_not_depend_on_the_room_for_their_text",
    ),
    CheckMutant(
        "the middle of a long number is not padded",
        "recordings/digit_writer.py",
        "    return _put_padded(out, _put_padded(out, _put_plain(out, at, high), middle), low)\n",
        "    return _put_padded(out, _put_plain(out, _put_plain(out, at, high), middle), low)\n",
        f"{REPORTS}::test_numbers_are_written_as_python_writes_them",
    ),
)
