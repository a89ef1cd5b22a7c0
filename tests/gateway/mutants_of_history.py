"""Ways to break the history on disk, as in `mutants`."""

from tests.gateway.mutants import Mutant

STORE = "tests/gateway/read_model/test_history_store.py"
ON_DISK = "tests/gateway/read_model/test_history_on_disk.py"
AHEAD = "tests/gateway/read_model/test_rows_ahead.py"

HISTORY_MUTANTS = (
    Mutant(
        "rows are written before their commands are durable", "read_model/history_store.py",
        "self._offers[0].seq <= self.durable_seq()", "True",
        f"{STORE}::test_only_what_is_durable_is_written",
    ),
    Mutant(
        "rows leave memory before they are on disk", "read_model/history.py",
        "while len(self.segments) > 1 and self.segments[1].first <= end:", "while len(self.segments) > 1:",
        f"{STORE}::test_only_what_is_durable_is_written",
    ),
    Mutant(
        "a blob that a disk changed is served", "read_model/history_file.py",
        "if not isinstance(kept, bytes) or kept[: _CHECK.size] != check:", "if not isinstance(kept, bytes):",
        f"{STORE}::test_every_flip_of_a_kept_byte_is_noticed_or_harmless",
    ),
    Mutant(
        "a note of something else than numbers ends the question with a traceback", "read_model/history_file.py",
        "if any(type(number) is not int for number in note):", "if False:",
        f"{STORE}::test_a_value_that_has_become_another_type_is_damage",
    ),
    Mutant(
        "an index that leaves out a block is not noticed", "read_model/history_file.py",
        "        self.check_notes()\n\n    def _check_writable", "\n    def _check_writable",
        f"{STORE}::test_a_block_that_an_index_leaves_out_is_noticed_at_the_start",
    ),
    Mutant(
        "rows of a log that was longer stay", "read_model/history_store.py",
        "if n >= oldest and not self._out.has_same", "if False and not self._out.has_same",
        f"{STORE}::test_rows_of_a_log_that_lost_its_end_are_written_again",
    ),
    Mutant(
        "a report's memory is written to while a thread looks at what it had", "read_model/reports.py",
        " or not forgotten.is_sealed:", ":",
        f"{AHEAD}::test_rows_whose_look_is_not_noted_yet_are_not_taken_for_others",
    ),
    Mutant(
        "the next segment's memory is not the one that was made ready", "read_model/rows_ahead.py",
        "if found is None or len(found) != rows:", "if True:",
        f"{AHEAD}::test_history_and_reports_write_to_memory_that_was_made_ready",
    ),
    Mutant(
        "memory of rows that are read is written to", "read_model/rows_ahead.py",
        "weakref.finalize(legs, self._spare.append, owner).atexit = False", "self._spare.append(owner)",
        f"{AHEAD}::test_history_writes_to_memory_of_rows_on_disk_again_but_not_while_they_are_read",
    ),
    Mutant(
        "memory of rows on disk goes back to the system", "read_model/history.py",
        "self._ahead.let_go(self.segments.pop(0).legs)", "del self.segments[0]",
        f"{AHEAD}::test_history_writes_to_memory_of_rows_on_disk_again_but_not_while_they_are_read",
    ),
    Mutant(
        "a block does not say whose trades it has", "read_model/row_scans.py",
        "                traded |= bit\n", "                traded |= 0\n",
        f"{STORE}::test_every_question_finds_on_disk_what_it_finds_in_memory",
    ),
    Mutant(
        "an index forgets which orders were filled", "read_model/row_scans.py",
        "entry.marks |= FILLED", "entry.marks |= 0",
        f"{STORE}::test_every_question_finds_on_disk_what_it_finds_in_memory",
    ),
    Mutant(
        "a read model is loaded without the rows before it", "read_model/history.py",
        "if first > on_disk:", "if False:",
        f"{STORE}::test_a_file_that_lacks_what_was_not_saved_is_noticed_before_anything_is_loaded",
    ),
    Mutant(
        "the loop waits for a merge of the index", "read_model/history_store.py",
        "            has_merged = self._merge_step()  #",
        "            with self._changed:\n                has_merged = self._merge_step()  #",
        f"{STORE}::test_a_segment_is_taken_while_runs_are_merged",
    ),
    Mutant(
        "a volume forgets what is on disk", "read_model/candles.py",
        'int(last[0]["lots_before"] + last[0]["volume_lots"])', 'int(last[0]["volume_lots"])',
        f"{ON_DISK}::test_what_was_saved_goes_on_where_it_ended",
    ),
)  # fmt: skip
