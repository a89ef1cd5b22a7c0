"""Ways to break the audit trail, the seals, and what the log vouches for; see `mutants`."""

from tests.gateway.mutants import Mutant

SEALS, ATTACKS = "tests/gateway/audit_trail/test_seals.py", "tests/gateway/audit_trail/test_attacks.py"
VERIFY_REGISTRY = "tests/gateway/audit_trail/test_verify_registry.py"
COMPILED = "tests/gateway/audit_trail/test_compiled_trail.py"
GATEWAY_LOG = "tests/gateway/audit_trail/test_gateway_log.py"
LOG_WRITER = "tests/gateway/venue/test_gateway_log_writer.py"
TREES = "tests/gateway/audit_trail/test_merkle_tree.py"

TRAIL_MUTANTS = (
    Mutant("a leaf is hashed like a node", "audit_trail/merkle_tree.py", 'b"\\0" + leaf', 'b"\\1" + leaf', TREES),
    Mutant(
        "an export that is cut and closed again passes", "audit_trail/verify_export.py",
        "        name = _difference(given, made)\n        if name:",
        "        name = _difference(given, made)\n        if False:",
        f"{ATTACKS}::test_an_attack_is_found_where_the_table_says[edit, hash anew-jsonl]",
    ),
    Mutant(
        "nobody looks at the journal's hash at the end", "audit_trail/verify_export.py",
        "if not reader.seek(last_seq, chain):", "if False:", f"{ATTACKS}::test_another_venues_journal_is_told_as_one",
    ),
    Mutant(
        "an export that ends early says nothing", "audit_trail/verify_export.py",
        "found.later = _later(journal, scope, found.last_seq)", "found.later = 0",
        f"{ATTACKS}::test_an_attack_is_found_where_the_table_says[cut, end where the journal once was-jsonl]",
    ),
    Mutant(
        "what comes behind the end is not looked at", "audit_trail/verify_export.py",
        "        if end is not None:\n            raise FaultError(",
        "        if end is not None:\n            print(",
        f"{ATTACKS}::test_an_attack_is_found_where_the_table_says[go on behind the end, hash anew-jsonl]",
    ),
    Mutant(
        "counts are not compared", "audit_trail/verify_export.py",
        '    if differences or record.get("count") != since.records:', "    if False:",
        f"{ATTACKS}::test_counts_say_where_something_is_missing",
    ),
    Mutant(
        "the first decision of a period has no figures", "audit_trail/block_follower.py",
        "holds(work, max(s.now_ns, c.time_ns), ", "holds(work, s.now_ns, ", SEALS,
    ),
    Mutant(
        "a count goes on into the next day", "audit_trail/record_counts.py",
        "int(np.argmax(later)) if later.any() else most", "most",
        f"{COMPILED}::test_every_byte_is_the_plain_one[days-jsonl]",
    ),
    Mutant(
        "an export ends without a word where making it fails", "audit_trail/read_ahead.py",
        "                raise error\n", "                return\n",
        f"{COMPILED}::test_who_reads_ahead_gets_everything_and_every_error",
    ),
    Mutant(
        "a proof's root is not compared", "audit_trail/proofs.py", "if running.root() != root:", "if False:",
        f"{SEALS}::test_a_forgery_that_is_whole_in_itself_is_not_proved",
    ),
    Mutant(
        "neighbours need not touch", "audit_trail/proofs.py",
        "(indices[min(above)] if above", "(before + 1 if above",
        f"{SEALS}::test_any_day_of_any_account_is_proved_and_nothing_else_is",
    ),
    Mutant(
        "an account is absent where the tree goes on", "audit_trail/proofs.py",
        "if above else size)", "if above else before + 1)", SEALS,
    ),
    Mutant(
        "an export of another time is proved", "audit_trail/proofs.py",
        "if scope.from_ns > self._from_ns or ", "if ", SEALS,
    ),
    Mutant(
        "a seal's signature is not checked", "audit_trail/seals.py",
        "key.verify(base64.b64decode(seal.signature, validate=True), seal.facts.signed_bytes())", "pass", SEALS,
    ),
    Mutant(
        "a seal does not name the one before", "audit_trail/seals.py",
        'previous=before.hash if before else ""', 'previous=""', SEALS,
    ),
    Mutant(
        "a day that is not over is sealed", "audit_trail/day_tree.py",
        "now_ns - SETTLED_NS", "now_ns + SETTLED_NS * 1440", SEALS,
    ),
    Mutant(
        "the key may lie beside the journal", "commands/audit_seals.py",
        "if args.key.resolve().is_relative_to(journal.parent.resolve()):", "if False:", SEALS,
    ),
    Mutant(
        "a change's records are not vouched for", "registry/vouching.py",
        "[_bare(record) for record in records]", "[]", VERIFY_REGISTRY,
    ),
    Mutant(
        "a rejection is not vouched for", "office/proposals.py",
        'self._registry.decide_change(number, "rejected", officer, note, now_ns)\n'
        "            self._registry.vouch(number, now_ns)\n",
        'self._registry.decide_change(number, "rejected", officer, note, now_ns)\n', VERIFY_REGISTRY,
    ),
    Mutant(
        "a directive goes without its hash", "venue/registry_intents.py",
        "digest=intent.digest or bytes(DIGEST_BYTES)", "digest=bytes(DIGEST_BYTES)", VERIFY_REGISTRY,
    ),
    Mutant(
        "a directive that was added is taken for one that waits", "audit_trail/verify_registry.py",
        "elif reference <= logged.last_reference or", "elif False and", VERIFY_REGISTRY,
    ),
    Mutant(
        "a change that the log does not know is none", "audit_trail/verify_registry.py",
        "        if not given:\n", "        if not given and False:\n", VERIFY_REGISTRY,
    ),
    Mutant(
        "a file of the gateway's log may go", "audit_trail/gateway_log.py",
        "if head is not None and file.before != head:", "if False:", GATEWAY_LOG,
    ),
    Mutant(
        "nobody asks the journal about the gateway's log", "audit_trail/gateway_log.py",
        "            if chain != head.chain:\n", "            if False:\n", GATEWAY_LOG,
    ),
    Mutant(
        "the end of the gateway's log may go", "audit_trail/gateway_log.py",
        "if last < known and not found.problems:", "if False:", GATEWAY_LOG,
    ),
    Mutant(
        "a flood of refusals is listed", "audit_trail/gateway_notes.py",
        "if found is None and len(self._notes) >= LISTED:", "if False:", GATEWAY_LOG,
    ),
    Mutant(
        "an id that no key has is kept", "sessions/noting.py",
        "named: Key | None = session.context.registry.key(key_id) if key_id else None",
        'named = Key(9, key_id or "", 9, 9, "", b"", frozenset(), "", 0, None)', LOG_WRITER,
    ),
    Mutant(
        "an officer's question leaves no trace", "commands/admin.py",
        "            if args.action in _READS:", "            if False:", LOG_WRITER,
    ),
    Mutant(
        "the log is vouched for before it is durable", "venue/gateway_log_writer.py",
        "            self._attested, self._attested_ns = self._head.number, now_ns\n",
        "            self._attested_ns = now_ns\n", LOG_WRITER,
    ),
)  # fmt: skip
