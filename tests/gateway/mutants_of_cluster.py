"""Ways to break the replicated log, as in `mutants`."""

from tests.gateway.mutants import Mutant

PUBLISHER = "tests/cluster/test_publisher.py"
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
        "another node's epoch is not heeded", "cluster/publisher.py",
        "message.author.epoch > self.author.epoch:", "message.author.epoch > 1 << 40:",
        f"{PUBLISHER}::test_one_that_is_fenced_confirms_nothing_behind_the_other_epoch",
    ),
)  # fmt: skip
