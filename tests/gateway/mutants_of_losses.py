"""Ways to break what follows when a part of the log is lost, or the disk fails or is full: see `mutants`."""

from tests.gateway.mutants import Mutant

HEALTH = "tests/gateway/venue/test_health.py"
LOSSES = "tests/gateway/venue/test_losses.py"
SPACE = "tests/gateway/venue/test_disk_space.py"
SCRUB = "tests/gateway/venue/test_scrub.py"

LOSS_MUTANTS = (
    Mutant(
        "a venue whose disk failed stops at once", "commands/serve.py",
        "        if disk is None:\n", "        if disk is not config:\n", "tests/gateway/venue/test_disk_failure.py",
    ),
    Mutant(
        "a read-only venue goes by the wall clock", "venue/read_only.py",
        "        return self._failure.time\n", "        return super()._start_time(\"log\")\n",
        "tests/gateway/venue/test_disk_failure.py",
    ),
    Mutant(
        "a read-only venue takes cancels", "venue/health.py",
        'Effect.READ_ONLY: frozenset({"orders", "cancels", "changes"})', 'Effect.READ_ONLY: frozenset({"orders"})',
        HEALTH,
    ),
    Mutant(
        "lost payments are entered again without a word", "venue/losses.py",
        "    if money and not accepted.money:\n", "    if money and accepted is None:\n", LOSSES,
    ),
    Mutant(
        "what the registry noted shows nothing", "venue/losses.py",
        "    proofs.append(host.Proof(registry.last_applied(), None, place))\n", "",
        "tests/gateway/venue/test_registry_intents.py",
    ),
    Mutant(
        "an accepted loss is not kept", "venue/losses.py",
        "        registry.vouch(number, now_ns)\n", "", LOSSES,
    ),
    Mutant(
        "trading comes and goes at the reserve", "venue/disk_space.py",
        "self._reserve_bytes + self._reserve_bytes // 4", "self._reserve_bytes", SPACE,
    ),
    Mutant(
        "a damaged old segment is no alarm", "venue/scrub.py",
        "        if faults:\n", "        if not faults:\n", SCRUB,
    ),
    Mutant(
        "a check that was killed counts as one that found nothing", "venue/scrub.py",
        "is_through = not code and bool(told)", "is_through = True or bool(told)", SCRUB,
    ),
    Mutant(
        "the history on disk is not checked", "venue/scrub_process.py",
        "        (HISTORY, _of_history(config.history, pace)),\n", "", SCRUB,
    ),
)  # fmt: skip
