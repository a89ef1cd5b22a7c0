"""Ways to break what follows when an invariant does not hold: see `mutants`."""

from tests.gateway.mutants import Mutant

VERIFY = "tests/gateway/commands/test_verify.py"
FAIL_STOP = "tests/gateway/venue/test_fail_stop.py"

INVARIANT_MUTANTS = (
    Mutant(
        "an audit that fails ends like one that does not", "commands/verify.py",
        "        return BROKEN\n    return 0\n", "        return 0\n    return 0\n", VERIFY,
    ),
    Mutant(
        "the end of the log is not checked", "commands/verify.py",
        "                auditor.check_last()\n", "                pass\n", VERIFY,
    ),
    Mutant(
        "the command is not narrowed down to", "commands/verify_audit.py",
        "    while every > 1:\n", "    while every > 1 << 40:\n", VERIFY,
    ),
    Mutant(
        "checks go on a command too far apart", "commands/verify_audit.py",
        "        return ahead + self.every\n", "        return ahead + self.every + 1\n", VERIFY,
    ),
    Mutant(
        "a label is parted from its command", "commands/verify_audit.py",
        'if end < len(commands) and commands["kind"][end] == CommandKind.LABEL:', "if end < 0:",
        VERIFY,
    ),
    Mutant(
        "a broken venue ends like one that failed", "commands/serve.py",
        "return BROKEN if isinstance(error, BrokenError) else FAILED", "return FAILED", FAIL_STOP,
    ),
    Mutant(
        "a broken venue says where in the program", "net/loop_turns.py",
        "    if isinstance(error, host.BrokenError):\n", "    if error is None:\n", FAIL_STOP,
    ),
)  # fmt: skip
