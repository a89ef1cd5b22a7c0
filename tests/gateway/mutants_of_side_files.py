"""Ways to overlook damage of what lies beside the journal; see `mutants`."""

from tests.gateway.mutants import Mutant

ROWS = "tests/gateway/registry/test_row_checks.py"
AHEAD = "tests/gateway/registry/test_write_ahead_log.py"
AUTHENTICATION = "tests/gateway/registry/test_authentication.py"

SIDE_FILE_MUTANTS = (
    Mutant(
        "a start does not look at the registry's rows", "registry/tables.py",
        'found = row_checks.damage(db, path, _large(db), _NEWEST_CHUNKS) if is_checked else ""', 'found = ""',
        f"{ROWS}::test_what_another_program_writes_is_refused",
    ),
    Mutant(
        "what another program wrote counts as ours", "registry/row_checks.py",
        "if expected is None or expected[0] != _digest(_definitions(db)):", "note(db)\n    if expected is None:",
        f"{ROWS}::test_what_another_program_writes_is_refused",
    ),
    Mutant(
        "a transaction leaves its rows unchecked", "registry/tables.py",
        'row_checks.note(self._db)\n            self._db.execute("COMMIT")', 'self._db.execute("COMMIT")',
        f"{ROWS}::test_the_rest_is_right_while_the_registry_is_written",
    ),
    Mutant(
        "another vault is taken", "registry/vault.py", "if kept is not None and kept[0] == fingerprint:",
        "if kept is not None:", f"{AUTHENTICATION}::test_the_vault_must_be_the_right_one",
    ),
    Mutant(
        "a missing vault is made anew", "registry/vault.py",
        "            if registry.one(_SEALED)[0]:\n                raise",
        "            if False:\n                raise", f"{AUTHENTICATION}::test_the_vault_must_be_the_right_one",
    ),
    Mutant(
        "a broken frame is the end of the log", "registry/write_ahead_log.py", "if is_of_this_log and has_ended:",
        "if False:", f"{AHEAD}::test_a_flipped_bit_is_refused_or_in_the_last_transaction",
    ),
    Mutant(
        "a used signature is not looked at", "registry/signatures.py", "found = _damage(self._db)", 'found = ""',
        f"{ROWS}::test_a_flipped_bit_is_refused_in_one_line_or_changes_nothing",
    ),
)  # fmt: skip
