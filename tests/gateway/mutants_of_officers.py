"""Ways to break what keeps two officers two persons, and what they decide; see `mutants`."""

from tests.gateway.mutants import Mutant

PERSONS = "tests/gateway/office/test_two_persons.py"
PROPOSALS = "tests/gateway/office/test_proposals.py"
SUSPENSION = "tests/gateway/office/test_suspension_and_keys_live.py"
THRESHOLDS = "tests/gateway/surveillance/test_thresholds.py"

OPERATING = "tests/gateway/office/test_operating_live.py"
PREVIEW = f"{OPERATING}::test_a_preview_says_what_the_change_then_does_and_writes_nothing"
RISKS = f"{OPERATING}::test_risks_clients_and_accounts_are_the_venue_s_own_figures"

OFFICER_MUTANTS = (
    Mutant(
        "a preview does not ask for the second person", "office/proposals.py", '"needs_second_person": waits,',
        '"needs_second_person": False,', PREVIEW,
    ),
    Mutant(
        "an alert is shown without its orders", "sessions/methods/alerts.py",
        "for account in alert.accounts:", "for account in ():",
        f"{OPERATING}::test_alerts_are_shown_with_their_orders_and_reviewed_by_the_person_of_the_key",
    ),
    Mutant(
        "an officer may cut the own connection", "sessions/methods/operating.py",
        "if params.session == session.number:", "if False:",
        f"{OPERATING}::test_officers_see_who_is_connected_and_cut_a_connection",
    ),
    Mutant(
        "what the journal does not know is told as done", "venue/order_stories.py",
        'Story("failed", problem=done.problem) if done.problem else ', "",
        f"{OPERATING}::test_an_order_s_life_is_read_out_of_the_journal_beside_the_venue",
    ),
    Mutant(
        "the nearest to liquidation is last", "sessions/methods/operating.py", "import nlargest",
        "import nsmallest as nlargest", RISKS,
    ),
    Mutant(
        "one document is two persons'", "registry/identities.py", "if found and found[0] != person:", "if False:",
        PERSONS,
    ),
    Mutant(
        "the hash of a document has no key", "registry/identities.py", "key=vault.identity_key, ", "",
        f"{PERSONS}::test_one_document_has_one_hash_however_it_is_written",
    ),
    Mutant(
        "spaces and brackets make another document", "registry/identities.py",
        '_IGNORED.sub("", unicodedata.normalize("NFKC", number)).upper()', 'number.strip().replace("(", "Z")',
        f"{PERSONS}::test_one_document_has_one_hash_however_it_is_written",
    ),
    Mutant(
        "the number goes into the registry", "sessions/methods/admin.py",
        "sealed(params.identity, call.context.authenticator.vault)",
        'params.identity + " " + sealed(params.identity, call.context.authenticator.vault)',
        f"{PERSONS}::test_over_the_wire_the_number_is_hashed_before_anything_is_kept",
    ),
    Mutant(
        "who has no identity approves", "office/proposals.py",
        'if change.kind == "bind_identity" or not registry.is_governed:', "if True:", PERSONS,
    ),
    Mutant(
        "names are compared letter by letter", "registry/spellings.py",
        'disarm.skeleton_key(text, digit_policy="tr39").replace("rn", "m")', "text", PERSONS,
    ),
    Mutant(
        "a name may mix scripts", "registry/spellings.py", "if len(scripts) < 2 or any(", "if True or any(", PERSONS,
    ),
    Mutant(
        "skeletons outlive the tables that made them", "registry/spellings.py",
        "fetchall() == [(_VERSION,)]", "fetchall() != []", PERSONS,
    ),
    Mutant(
        "one officer issues a key", "office/changes/venue.py",
        "return Plan(writes=[write], loosens=True)\n\n\ndef _check_identity",
        'return Plan(writes=[write], loosens=params.scopes != "read")\n\n\ndef _check_identity', PROPOSALS,
    ),
    Mutant(
        "one pair grants and pays", "office/proposals.py",
        "            segregation.check_pair(registry, plan.intents, change.actor, officer.person)\n", "", PERSONS,
    ),
    Mutant(
        "a grant that was replaced still counts", "office/segregation.py", "approver > 0 AND number = (",
        "approver > 0 AND 0 < (", f"{PERSONS}::test_what_counts_is_what_is_in_force",
    ),
    Mutant(
        "a person's knowledge is no grant", "office/segregation.py", "intent.kind == K.PERSON_SET or (", "(", PERSONS,
    ),
    Mutant(
        "a file changes the thresholds of officers", "venue/decided_settings.py",
        "own if self._is_governed else self._given", "self._given",
        f"{THRESHOLDS}::test_officers_change_a_threshold_while_the_venue_runs_and_replay_knows_since_when",
    ),
    Mutant(
        "a file names the index sources of officers", "venue/decided_settings.py",
        "        if not self._is_governed:\n            return self._sources",
        "        if True:\n            return self._sources",
        f"{SUSPENSION}::test_the_index_has_the_sources_that_two_officers_name",
    ),
    Mutant(
        "a threshold changes at the next start", "surveillance/watch.py",
        "                self.throttle.adopt(self.parameters)\n", "", THRESHOLDS,
    ),
    Mutant(
        "a revoked key leaves its orders", "registry/registry.py", 'if "trade" in key.scopes:', "if False:",
        f"{SUSPENSION}::test_a_revoked_key_ends_what_its_person_opened_and_says_how_much",
    ),
    Mutant(
        "reducing is stopped for as long as one likes", "office/changes/conduct.py", "if last > latest:", "if False:",
        f"{SUSPENSION}::test_a_suspension_lets_reduce_until_two_officers_say_so_through_a_day",
    ),
    Mutant(
        "an old stop of reducing comes back", "office/changes/clients.py", "if restriction < Restriction.SUSPENDED:",
        "if False:", f"{SUSPENSION}::test_a_suspension_lets_reduce_until_two_officers_say_so_through_a_day",
    ),
)  # fmt: skip
