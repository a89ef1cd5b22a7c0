"""Ways to lose the end of a log unnoticed: see `mutants_of_checks`."""

from tests.mutants_of_checks import CheckMutant

TIP = "tests/test_tip.py"
DURABILITY = "tests/test_durability.py::test_after_a_failed_write_nothing_is_promised"

TIP_MUTANTS = (
    CheckMutant(
        "the tip is written before the record is durable",
        "journal/writer.py",
        "            self._tip.write(self._durable_tip._replace(end=end))\n",
        "            self._tip.write(self._durable_tip._replace(seq=self.next_seq - 1, end=end))\n",
        f"{TIP}::test_the_tip_follows_the_durable_end_when_asked_and_by_commands",
    ),
    CheckMutant(
        "a start does not look at the tip",
        "journal/reader.py",
        "        self.tip = read_tip(directory)  # before",
        "        self.tip = None  # before",
        f"{TIP}::test_a_shorter_journal_is_refused_until_its_end_is_accepted",
    ),
    CheckMutant(
        "a clean stop leaves the tip behind",
        "journal/writer.py",
        "                self._writer.seal()\n                self._durable_tip = self._writer.tip()\n",
        "                self._writer.seal()\n",
        f"{TIP}::test_a_clean_stop_is_exact_and_a_start_says_how_the_last_run_ended",
    ),
    CheckMutant(
        "any sequence accepts a loss",
        "journal/loss.py",
        "    if accepted_seq != last_seq:\n",
        "    if accepted_seq < 0:\n",
        f"{TIP}::test_a_shorter_journal_is_refused_until_its_end_is_accepted",
    ),
    CheckMutant(
        "a bad last record is always a torn tail",
        "journal/reader.py",
        "if self.position.next_seq <= self.proven_seq or ",
        "if ",
        f"{TIP}::test_a_flipped_last_record_is_torn_only_if_nothing_shows_that_it_was_durable",
    ),
    CheckMutant(
        "what a failed sync left in the cache is trusted",
        "host.py",
        "                write_read_again(reader)\n",
        "                pass\n",
        f"{TIP}::test_a_start_after_a_failed_sync_writes_what_it_goes_on_from_again",
    ),
    CheckMutant(
        "a group counts as durable when the thread is told of it",
        "journal/writer.py",
        "                self._wanted = True\n",
        "                self._wanted = True\n                self.durable_seq = self.next_seq - 1\n",
        "tests/test_durability.py::test_nothing_counts_as_safe_while_the_thread_has_not_written_it",
    ),
    CheckMutant(
        "a failed sync is swallowed",
        "journal/writer.py",
        "            self._fail(error)\n            raise self._refusal() from error\n        with self._lock:\n",
        "            pass\n        with self._lock:\n",
        DURABILITY,
    ),
    CheckMutant(
        "a failed sync is not noted",
        "journal/writer.py",
        "self._tip.write(self._durable_tip._replace(end=End.FAILED))",
        "pass",
        f"{TIP}::test_a_failed_sync_is_noted_where_the_disk_still_takes_it",
    ),
)
