"""Ways to break what belongs to a client as a whole, and who may change it; see `mutants`."""

from tests.gateway.mutants import Mutant

FROZEN = "tests/gateway/office/test_frozen_clients.py"
STANDING = "tests/gateway/sessions/test_admin_methods.py"
INIT = "tests/gateway/commands/test_init_withdraws.py::test_what_officers_have_recorded_stays"

OWNER_MUTANTS = (
    Mutant(
        "a new account is nobody's", "registry/registry.py",
        "int(AccountAttribute.CLIENT), slot, value=client_id", "int(AccountAttribute.GROUP), slot, value=0",
        "tests/gateway/registry/test_registry.py",
    ),
    Mutant("one officer lifts a freeze", "office/four_eyes.py", "else intent.value == 0", "else False", FROZEN),
    Mutant(
        "nobody is told of a frozen client", "office/frozen_clients.py",
        "client, ClientAttribute.FROZEN", "client, ClientAttribute.KILL_SWITCH", FROZEN,
    ),
    Mutant(
        "a freeze of the account is the account's alone", "office/changes/clients.py",
        "    if restriction == Restriction.FROZEN:\n        return _freeze",
        "    if False:\n        return _freeze", FROZEN,
    ),
    Mutant(
        "anybody who holds a key gives up the status", "sessions/methods/admin.py",
        "rule.reason in PERSONAL and", "False and", STANDING,
    ),
    Mutant("the ceremony leaves all", "office/unrecorded.py", "known.change == 0", "known.change < 0", INIT),
    Mutant(
        "a freeze of an earlier registry is forgotten", "office/onboarding.py",
        "restriction == Restriction.FROZEN and", "False and", "tests/gateway/venue/test_client_binding.py",
    ),
)  # fmt: skip
