"""Ways to break the replicated log, as in `mutants`."""

from tests.gateway.mutants import Mutant

PUBLISHER = "tests/cluster/test_publisher.py"
STALLS = "tests/cluster/test_handover_stalls.py"
CUTS = "tests/cluster/test_cuts.py"
BASES = "tests/cluster/test_bases.py"
RELEASED = "tests/gateway/venue/test_released.py"

CLUSTER_MUTANTS = (
    Mutant(
        "answers do not wait for the stream's majority", "venue/released.py",
        "return min(durable_seq, self.copies.replicated_seq) if self.waits and self.copies else durable_seq",
        "return durable_seq", RELEASED,
    ),
    Mutant(
        "the registry notes what the stream does not have", "venue/released.py",
        "return min(durable, self.copies.tip) if self.waits and self.copies else durable", "return durable", RELEASED,
    ),
    Mutant(
        "a publish that was refused counts as stored", "cluster/publisher.py",
        "        if reply.sequence != sequence:\n", "        if not reply:\n",
        f"{PUBLISHER}::test_each_message_is_stored_once_and_in_order",
    ),
    Mutant(
        "after doubt all is sent again without asking what is stored", "cluster/publisher.py",
        "        self._confirm(sequence)\n\n    def _say", "\n    def _say",
        f"{PUBLISHER}::test_each_message_is_stored_once_and_in_order",
    ),
    Mutant(
        "pages that come again spoil a newer copy", "cluster/side_copy.py",
        "if version <= self.version or not", "if not",
        "tests/cluster/test_side_pages.py::test_what_comes_again_after_a_restart_changes_nothing",
    ),
    Mutant(
        "a node leads from a journal that has more than the stream", "cluster/follower.py",
        "        if self.is_ahead:\n", "        if self.copy is None:\n",
        "tests/cluster/test_standby_venue.py::test_a_node_whose_journal_has_more_than_the_stream_does_not_lead",
    ),
    Mutant(
        "the stream is purged past the older base", "cluster/retention.py",
        "wanted = [retained_seq, *(name.stream_seq for name in bases), ", "wanted = [retained_seq, ",
        f"{BASES}::test_the_first_message_that_stays_is_what_the_slowest_needs",
    ),
    Mutant(
        "the stream is purged past a standby", "cluster/retention.py",
        "*(standby.noted_seq for standby in standbys)", "*(standby.stream_seq for standby in standbys)",
        f"{BASES}::test_the_first_message_that_stays_is_what_the_slowest_needs",
    ),
    Mutant(
        "the stream is purged while there is one base", "cluster/retention.py",
        "if len(bases) < kept or not leases", "if not bases or not leases",
        f"{BASES}::test_the_stream_is_purged_behind_the_bases_and_never_past_a_standby_or_what_is_retained",
    ),
    Mutant(
        "a base without its manifest counts", "cluster/base_store.py",
        "for name, paths in found.items() if MANIFEST in paths)", "for name, paths in found.items() if paths)",
        f"{BASES}::test_a_base_without_its_manifest_is_not_used_and_is_taken_away",
    ),
    Mutant(
        "the hash of a fetched file is not compared", "cluster/base_fetch.py",
        "if (self._size_bytes, self._hasher.hexdigest()) != (self._file.size_bytes, self._file.sha256):",
        "if self._size_bytes != self._file.size_bytes:",
        f"{BASES}::test_a_damaged_base_is_refused_in_one_line_and_the_older_one_is_used",
    ),
    Mutant(
        "a base is not held against its mark", "cluster/base_fetch.py",
        "    if not isinstance(message, MarkMessage) or (", "    if not isinstance(message, MarkMessage) and (",
        f"{BASES}::test_a_damaged_base_is_refused_in_one_line_and_the_older_one_is_used",
    ),
    Mutant(
        "a node that is fenced puts a base", "cluster/base_process.py",
        "if last is None or last.message.author != author:", "if last is None:",
        f"{BASES}::test_a_base_is_not_made_of_what_the_stream_does_not_have_or_by_a_node_that_is_fenced",
    ),
    Mutant(
        "a node that is fenced takes bases away", "cluster/base_process.py",
        "    await _check_leads(stream, order)\n    kept = ", "    kept = ",
        f"{BASES}::test_a_node_that_is_fenced_takes_no_base_away_and_purges_nothing",
    ),
    Mutant(
        "a node that is fenced purges the stream", "cluster/base_process.py",
        "    await _check_leads(stream, order)\n    known = ", "    known = ",
        f"{BASES}::test_a_node_that_is_fenced_before_the_purge_leaves_it",
    ),
    Mutant(
        "a node takes another leader's newer base away", "cluster/base_process.py",
        "if name not in own[:kept] and not await _is_later(stream, name, newest):", "if name not in own[:kept]:",
        f"{BASES}::test_a_node_that_is_fenced_takes_no_base_away_and_purges_nothing",
    ),
    Mutant(
        "a base of which a chunk is gone counts for the purge", "cluster/base_store.py",
        "return all(chunks.get(str(info.nuid), 0) == info.chunks for info in found)", "return bool(chunks)",
        f"{BASES}::test_a_base_of_which_something_is_gone_does_not_count_for_the_purge",
    ),
    Mutant(
        "a standby that is silent for a moment does not hold up the purge", "cluster/leases.py",
        "if missed.misses >= MISSES and now_ns - missed.heard_ns >= lease_ns:", "if missed.misses:",
        f"{BASES}::test_a_standby_that_is_silent_for_a_moment_keeps_what_it_needs_until_its_lease_is_over",
    ),
    Mutant(
        "another node's epoch is not heeded", "cluster/publisher.py",
        "message.author.epoch > self.author.epoch:", "message.author.epoch > 1 << 40:",
        f"{PUBLISHER}::test_one_that_is_fenced_confirms_nothing_behind_the_other_epoch",
    ),
    Mutant(
        "orders are taken while nobody knows who leads", "net/handing_over.py",
        "health.report(NOT_REPLICATED, Effect.READ_ONLY", "health.report(NOT_REPLICATED, Effect.ALARM",
        f"{STALLS}::test_an_offer_that_nobody_takes_up_is_taken_back_once_the_stream_is_back",
    ),
    Mutant(
        "a publisher that ended says that nobody took the offer up", "cluster/replication.py",
        "while told is _GONE and self.standing", "while told is None and self.standing",
        f"{STALLS}::test_an_offer_that_nobody_takes_up_is_taken_back_once_the_stream_is_back",
    ),
    Mutant(
        "rows that the old leader took are sent to the new one too", "client/sent_rows.py",
        "if at >= first and refused.get(at, True)]", "if refused.get(at, True)]",
        "tests/gateway/client/test_sent_rows.py",
    ),
    Mutant(
        "an old answer of the stream cuts what came from it", "cluster/rejoin.py",
        "if not led and (led is not None or last.message.place == place):", "if led is None:",
        f"{CUTS}::test_a_folder_that_is_one_with_the_stream_is_never_cut_by_an_old_answer",
    ),
    Mutant(
        "an answer from before the own epoch cuts what was sent in it", "cluster/rejoin.py",
        "if last is None or last.seq >= known_seq:", "if last is None or last.seq:",
        f"{CUTS}::test_an_answer_that_does_not_have_the_own_epoch_is_waited_out",
    ),
    Mutant(
        "a node that was renamed cuts its own end", "cluster/led_epochs.py",
        "return author.node == name if led is None else", "return author.node == name if led else",
        f"{CUTS}::test_a_node_with_another_name_keeps_the_end_that_it_wrote_last",
    ),
    Mutant(
        "a leader does not note which epoch it begins", "cluster/publisher_process.py",
        "                led_epochs.note(data, LedEpoch(*author, sequence + 1))\n", "",
        "tests/cluster/test_rejoin.py::test_a_node_that_led_last_keeps_what_the_stream_has_not",
    ),
)  # fmt: skip
