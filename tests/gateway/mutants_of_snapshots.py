"""Ways to break the snapshots that are written beside a running venue; see `mutants`."""

from tests.gateway.mutants import Mutant

SNAPSHOTS = "tests/gateway/venue/test_snapshots.py"
SNAPSHOT_MUTANTS = (
    Mutant(
        "a snapshot is ahead of what the registry has noted", "venue/snapshot_process.py",
        "    _wait_until_noted(config, engine.last_seq, recovered, sweeps)\n", "",
        f"{SNAPSHOTS}::test_no_snapshot_is_ahead_of_what_the_registry_has_noted",
    ),
    Mutant(
        "a state that the journal does not lead to is kept", "venue/snapshot_process.py",
        "state.digest() != newer.digest.hex()", "False",
        f"{SNAPSHOTS}::test_a_state_that_the_journal_does_not_lead_to_is_found",
    ),
    Mutant(
        "a snapshot may fill the disk to its last byte", "venue/disk_space.py",
        "left_bytes = reserve_bytes // 2", "left_bytes = 0",
        "tests/gateway/venue/test_disk_space.py::test_a_process_beside_the_venue_leaves_half_of_the_reserve",
    ),
    Mutant(
        "a closed venue leaves its rules running", "venue/venue.py",
        "        self._make_durable()\n        self.execution_throttle.close()\n", "        self._make_durable()\n",
        "tests/gateway/venue/test_execution_throttle.py::test_the_rules_end_with_a_venue_that_has_no_server[close]",
    ),
    Mutant(
        "a sweep is noted before its intent", "venue/venue.py", "if seq not in later}", "if True}",
        "tests/crash/test_notes.py::test_a_sweep_is_not_noted_before_its_intent",
    ),
    Mutant(
        "accounts of an earlier release stay without a client", "venue/venue.py", "or not clients.all()", "or False",
        "tests/gateway/venue/test_client_binding.py::test_accounts_that_the_log_has_without_a_client_are_bound",
    ),
    Mutant(
        "a process that hardly gets a core goes on waiting for one that nobody wants", "venue/beside_venue.py",
        "os.sched_setscheduler(os.getpid(), os.SCHED_OTHER, os.sched_param(0))", "pass",
        f"{SNAPSHOTS}::test_it_runs_where_nobody_else_wants_to_unless_that_is_nowhere",
    ),
    Mutant(
        "a process that comes to no end goes on giving way", "venue/snapshots.py",
        "elif self._gives_way and self._is_far_behind(durable_seq):", "elif False:",
        f"{SNAPSHOTS}::test_a_process_that_does_not_come_to_an_end_gives_way_no_longer",
    ),
    Mutant(
        "the loop waits until a killed process has ended", "venue/snapshots.py",
        "        process.kill()\n\n    def _ended", "        process.kill()\n        process.wait()\n\n    def _ended",
        f"{SNAPSHOTS}::test_the_loop_never_waits_for_a_process_to_end",
    ),
    Mutant(
        "a close goes out before what is left of a large answer", "net/websocket_connection.py",
        "elif self._close_sent and not self._unsent_bytes:", "elif self._close_sent:",
        "tests/gateway/net/test_flow_control.py::"
        "test_a_large_answer_is_sent_over_several_turns_whole_and_in_its_place",
    ),
    Mutant(
        "nobody looks at the rest of a large registry", "venue/scrub.py", "if has_left_out:", "if False:",
        "tests/gateway/venue/test_scrub.py::"
        "test_a_start_has_the_rest_of_a_large_registry_looked_at_and_nothing_else",
    ),
    Mutant(
        "a slice takes as long as sixteen rows take to read", "sessions/slices.py", " or now_ns() >= until_ns", "",
        "tests/gateway/sessions/test_query_turns.py::test_rows_that_take_long_to_read_are_fewer_in_a_slice",
    ),
)  # fmt: skip
