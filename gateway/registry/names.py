"""What names may be: one spelling each, so that two names that look the same to a person are the same.

Persons with trading rights and officers are told apart by their names, and an officer approves what a line on a screen
says. So a name is stored in its plain form (NFKC, single spaces); what looks like an existing name is refused in
`spellings`.
"""

import re
import unicodedata

from gateway.registry.errors import RegistryError

_KEY_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
REROUTED_KEY_CHARS = 8
"""Existing clients treat a key of so many characters as another venue's."""


def name_problem(name: str) -> str:
    """What is wrong with the name of a client, an account or a person, with the remedy; empty when it is right."""
    if not (0 < len(name) <= 64 and name.isprintable() and name == name.strip()):
        return f"{name[:70]!r} must be 1 to 64 printable characters without spaces at the ends"
    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    return "" if plain == name else f"{name!r} has another spelling that looks the same; write {plain!r}"


def check_name(field: str, name: str) -> None:
    """Refuse a name that is not right, with a RegistryError that names the field."""
    problem = name_problem(name)
    if problem:
        raise RegistryError(f"{field}: {problem}")


def key_id_problem(key_id: str) -> str:
    """What is wrong with a key's id, with the remedy; empty when it is right."""
    if _KEY_ID.fullmatch(key_id) is not None and len(key_id) != REROUTED_KEY_CHARS:
        return ""
    return f"{key_id[:64]!r} must be 1 to 64 letters, digits or . _ : / -, and not {REROUTED_KEY_CHARS} of them"
