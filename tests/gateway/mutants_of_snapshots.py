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
        "a sweep is noted before its intent", "venue/venue.py", "if seq not in later}", "if True}",
        "tests/crash/test_notes.py::test_a_sweep_is_not_noted_before_its_intent",
    ),
)  # fmt: skip
